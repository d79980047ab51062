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

	ready bool
	of    ray.Line // what the encoded parts say
	split uint32
	// encoded labels that sort before detected_level, between it and offset, behind offset
	before, between, behind []byte

	levelOf string
	level   []byte // of levelOf, encoded
}

func (m *metadata) init(constant logs.Labels, wire Wire) {
	m.constant, m.wire, m.ready = constant, wire, false
}

const nameLevel = "detected_level"

// levels are the levels a line may have, encoded.
var levels = func() map[string][]byte {
	m := map[string][]byte{"": nil}
	for _, l := range []string{"trace", "debug", "info", "warn", "error", "critical", "fatal"} {
		m[l] = loki.AppendMetadata(nil, nameLevel, l)
	}
	return m
}()

// appendEntry appends an entry with its metadata.
func (m *metadata) appendEntry(dst []byte, ns int64, text []byte, l *ray.Line, at uint64, split uint32) []byte {
	if !m.ready || m.split != split || !sameWho(&m.of, l) {
		m.encode(l, split)
	}
	if l.Level != m.levelOf {
		m.levelOf, m.level = l.Level, levels[l.Level]
	}
	size := len(m.before) + len(m.level) + len(m.between) + loki.OffsetLen(at) + len(m.behind)
	dst = loki.AppendEntryHead(dst, ns, text, size)
	dst = append(dst, m.before...)
	dst = append(dst, m.level...)
	dst = append(dst, m.between...)
	dst = loki.AppendOffset(dst, at)
	return append(dst, m.behind...)
}

func sameWho(a, b *ray.Line) bool {
	return a.PID == b.PID && a.TaskID == b.TaskID && a.TaskName == b.TaskName && a.JobID == b.JobID &&
		a.WorkerID == b.WorkerID && a.NodeID == b.NodeID && a.ActorID == b.ActorID && a.ActorName == b.ActorName &&
		a.Attempt == b.Attempt && a.SubmissionID == b.SubmissionID && a.Request == b.Request &&
		a.Application == b.Application && a.Deployment == b.Deployment && a.Replica == b.Replica
}

func (m *metadata) encode(l *ray.Line, split uint32) {
	m.ready, m.of, m.split = true, *l, split
	own := make([]logs.Label, 0, 20)
	if m.wire == Loki {
		own = append(own, m.constant...)
	}
	for _, v := range ofLine(l) {
		if v.Value != "" { // an empty one would hide the constant of that name
			own = append(own, v)
		}
	}
	if split > 0 {
		own = append(own, logs.Label{Name: "split", Value: strconv.FormatUint(uint64(split), 10)})
	}
	m.before, m.between, m.behind = m.before[:0], m.between[:0], m.behind[:0]
	for _, v := range logs.Normalize(own) {
		switch {
		case m.wire == Remora && m.constant.Get(v.Name) == v.Value:
		case v.Name < nameLevel:
			m.before = loki.AppendMetadata(m.before, v.Name, v.Value)
		case v.Name < loki.MetadataOffset:
			m.between = loki.AppendMetadata(m.between, v.Name, v.Value)
		default:
			m.behind = loki.AppendMetadata(m.behind, v.Name, v.Value)
		}
	}
}

// ofLine is what a line tells, as metadata; empty values are not known.
func ofLine(l *ray.Line) []logs.Label {
	return []logs.Label{
		{Name: "actor_id", Value: l.ActorID},
		{Name: "actor_name", Value: l.ActorName},
		{Name: "application", Value: l.Application},
		{Name: "attempt", Value: l.Attempt},
		{Name: "deployment", Value: l.Deployment},
		{Name: "job_id", Value: l.JobID},
		{Name: "node_id", Value: l.NodeID},
		{Name: "pid", Value: pidText(l.PID)},
		{Name: "replica", Value: l.Replica},
		{Name: "request_id", Value: l.Request},
		{Name: "submission_id", Value: l.SubmissionID},
		{Name: "task_id", Value: l.TaskID},
		{Name: "task_name", Value: l.TaskName},
		{Name: "worker_id", Value: l.WorkerID},
	}
}

func pidText(pid int) string {
	if pid == 0 {
		return ""
	}
	return strconv.Itoa(pid)
}
