package parse

import (
	"strconv"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

// metadata writes the structured metadata of an entry, sorted by name. What
// stays the same from line to line is encoded once and copied.
type metadata struct {
	constant logs.Labels
	wire     Wire
	same     [len(lineNames)]string // what constant says of lineNames

	ready bool
	of    ray.Line // what the encoded parts say
	split uint32
	// encoded labels that sort before detected_level, between it and entry, between
	// that and offset, and behind offset
	before, early, late, behind []byte

	all []logs.Label // room

	levelOf string
	level   []byte // of levelOf, encoded

	entryOf uint64
	entry   []byte // of entryOf, encoded; nothing before the first
}

func (m *metadata) init(constant logs.Labels, wire Wire) {
	m.constant, m.wire, m.ready = constant, wire, false
	for i, name := range lineNames {
		m.same[i] = constant.Get(name)
	}
}

// Names of metadata that differ from line to line.
const (
	nameLevel = "detected_level"
	// nameEntry holds the logical offset of the first line of the entry that a line
	// continues; only lines that continue one have it.
	nameEntry = "entry"
	nameSplit = "split"
)

// place says where a line is.
type place struct {
	at    uint64 // logical offset
	split uint32 // 1, 2, … for the pieces of a long line; else 0
	// entry is the logical offset of the first line of the entry; at itself in a line
	// that continues none.
	entry     uint64
	continues bool
}

// levels are the levels a line may have, encoded.
var levels = func() map[string][]byte {
	m := map[string][]byte{"": nil}
	for _, l := range []string{"trace", "debug", "info", "warn", "error", "critical", "fatal"} {
		m[l] = loki.AppendMetadata(nil, nameLevel, l)
	}
	return m
}()

// appendEntry appends an entry with its metadata.
func (m *metadata) appendEntry(dst []byte, ns int64, text []byte, l *ray.Line, p place) []byte {
	if !m.ready || m.split != p.split || !sameWho(&m.of, l) {
		m.encode(l, p.split)
	}
	if l.Level != m.levelOf {
		m.levelOf, m.level = l.Level, levels[l.Level]
	}
	var entry []byte
	if p.continues {
		entry = m.entryAt(p.entry)
	}
	size := len(m.before) + len(m.level) + len(m.early) + len(entry) + len(m.late) + loki.OffsetLen(p.at) + len(m.behind)
	dst = loki.AppendEntryHead(dst, ns, text, size)
	dst = append(dst, m.before...)
	dst = append(dst, m.level...)
	dst = append(dst, m.early...)
	dst = append(dst, entry...)
	dst = append(dst, m.late...)
	dst = loki.AppendOffset(dst, p.at)
	return append(dst, m.behind...)
}

// entryAt is the metadata entry, encoded: the same for all lines of one.
func (m *metadata) entryAt(at uint64) []byte {
	if at != m.entryOf || len(m.entry) == 0 {
		var digits [20]byte
		m.entryOf = at
		m.entry = loki.AppendMetadata(m.entry[:0], nameEntry, strconv.AppendUint(digits[:0], at, 10))
	}
	return m.entry
}

func sameWho(a, b *ray.Line) bool {
	return a.PID == b.PID && a.TaskID == b.TaskID && a.TaskName == b.TaskName && a.JobID == b.JobID &&
		a.WorkerID == b.WorkerID && a.NodeID == b.NodeID && a.ActorID == b.ActorID && a.ActorName == b.ActorName &&
		a.Attempt == b.Attempt && a.SubmissionID == b.SubmissionID && a.Request == b.Request &&
		a.Application == b.Application && a.Deployment == b.Deployment && a.Replica == b.Replica
}

// encode writes what the line tells. To our server only what differs from the
// file's constant metadata; to a Loki everything.
func (m *metadata) encode(l *ray.Line, split uint32) {
	m.ready, m.of, m.split = true, *l, split
	m.before, m.early, m.late, m.behind = m.before[:0], m.early[:0], m.late[:0], m.behind[:0]
	if m.wire == Loki {
		m.encodeAll(l, split)
		return
	}
	values := valuesOf(l, split)
	for i, v := range values {
		if v != "" && v != m.same[i] {
			m.add(lineNames[i], v)
		}
	}
}

func (m *metadata) encodeAll(l *ray.Line, split uint32) {
	all := append(m.all[:0], m.constant...)
	values := valuesOf(l, split)
	for i, v := range values {
		if v != "" { // an empty one would hide the constant of that name
			all = append(all, logs.Label{Name: lineNames[i], Value: v})
		}
	}
	m.all = all
	for _, v := range logs.Normalize(all) {
		m.add(v.Name, v.Value)
	}
}

func (m *metadata) add(name, value string) {
	switch {
	case name < nameLevel:
		m.before = loki.AppendMetadata(m.before, name, value)
	case name < nameEntry:
		m.early = loki.AppendMetadata(m.early, name, value)
	case name < loki.MetadataOffset:
		m.late = loki.AppendMetadata(m.late, name, value)
	default:
		m.behind = loki.AppendMetadata(m.behind, name, value)
	}
}

// lineNames are the names of what a line may tell, sorted.
var lineNames = [...]string{
	"actor_id", "actor_name", "application", "attempt", "deployment", "job_id", "node_id", "pid",
	"replica", "request_id", "split", "submission_id", "task_id", "task_name", "worker_id",
}

// valuesOf are the values of lineNames; an empty one is not known.
func valuesOf(l *ray.Line, split uint32) [len(lineNames)]string {
	return [...]string{
		l.ActorID, l.ActorName, l.Application, l.Attempt, l.Deployment, l.JobID, l.NodeID, number(l.PID),
		l.Replica, l.Request, number(int(split)), l.SubmissionID, l.TaskID, l.TaskName, l.WorkerID,
	}
}

// number is n in decimal, and nothing for 0.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
