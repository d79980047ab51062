package parse

import (
	"strconv"
	"sync"

	"github.com/remora-ray/remora/internal/agent/stage"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// group is the entries of one label set. shared tells that they have all the
// constant metadata of the file, so that it is sent once.
type group struct {
	labels logs.Labels
	shared bool
	text   string // the labels as a push carries them, once the chunk is read
	size   int    // of the entries in bytes
}

// order is which group each entry of a chunk is of, and room to put them in order.
type order struct {
	entries []ordered
	room    []byte
}

type ordered struct{ group, end int }

// orders are not kept with streams: there are few readers and many streams.
var orders = sync.Pool{New: func() any { return &order{} }}

// finish puts the entries in dst behind begin in the order of their groups.
func (g *staged) finish(dst []byte, begin int) {
	o := g.order
	g.order = nil
	if len(g.groups) > 1 {
		o.room = append(o.room[:0], dst[begin:]...)
		to := dst[:begin]
		for i := range g.groups {
			at := begin
			for _, e := range o.entries {
				if e.group == i {
					to = append(to, o.room[at-begin:e.end-begin]...)
				}
				at = e.end
			}
		}
	}
	for i := range g.groups {
		g.groups[i].text = g.groups[i].labels.String()
	}
	o.entries = o.entries[:0]
	orders.Put(o)
}

// add appends an entry that is kept.
func (s *Stream) add(dst []byte, e *stage.Entry, where place) []byte {
	g := s.staged
	shared := s.wire == Remora && hasNames(e.Metadata, s.src.Metadata)
	var constant logs.Labels
	if shared {
		constant = s.src.Metadata
	}
	of := g.group(e.Labels, shared)
	was := len(dst)
	s.meta.early = appendPlaced(s.meta.early[:0], e.Metadata, constant, where) // the fast path's room
	dst = loki.AppendEntry(dst, e.Time, e.Line, s.meta.early)
	g.groups[of].size += len(dst) - was
	g.order.entries = append(g.order.entries, ordered{of, len(dst)})
	return dst
}

func (g *staged) group(labels logs.Labels, shared bool) int {
	for i := range g.groups {
		if x := &g.groups[i]; x.shared == shared && x.labels.Equal(labels) {
			return i
		}
	}
	g.groups = append(g.groups, group{labels: labels, shared: shared})
	return len(g.groups) - 1
}

// hasNames reports whether ls has all names of others; both are sorted.
func hasNames(ls, others logs.Labels) bool {
	for _, o := range others {
		for len(ls) > 0 && ls[0].Name < o.Name {
			ls = ls[1:]
		}
		if len(ls) == 0 || ls[0].Name != o.Name {
			return false
		}
	}
	return true
}

// appendPlaced encodes metadata without what constant says, and where the line is,
// sorted by name.
func appendPlaced(dst []byte, ls, constant logs.Labels, p place) []byte {
	places := [...]struct {
		name  string
		value uint64
		there bool
	}{{nameEntry, p.entry, p.continues}, {loki.MetadataOffset, p.at, true}, {nameSplit, uint64(p.split), p.split > 0}}
	next := 0
	before := func(name string) {
		for ; next < len(places) && (name == "" || places[next].name < name); next++ {
			if x := &places[next]; x.there {
				var digits [20]byte
				dst = loki.AppendMetadata(dst, x.name, strconv.AppendUint(digits[:0], x.value, 10))
			}
		}
	}
	for _, l := range ls {
		for len(constant) > 0 && constant[0].Name < l.Name {
			constant = constant[1:]
		}
		if len(constant) > 0 && constant[0] == l || l.Name == nameEntry || l.Name == loki.MetadataOffset || l.Name == nameSplit {
			continue
		}
		before(l.Name)
		dst = loki.AppendMetadata(dst, l.Name, l.Value)
	}
	before("")
	return dst
}

// appendStreams writes the groups that the last Append made as streams, each with
// the range; for our server the range alone where there are none, so that its
// position goes on.
func (s *Stream) appendStreams(dst, entries []byte, r loki.FileRange) []byte {
	if s.wire == Remora && len(entries) == 0 {
		r.Metadata = s.src.Metadata
		return loki.AppendStream(dst, s.labels, nil, &r)
	}
	for i := range s.staged.groups {
		x := &s.staged.groups[i]
		if len(entries) < x.size {
			break
		}
		rng := &r
		if r.Metadata = nil; x.shared {
			r.Metadata = s.src.Metadata
		}
		if s.wire == Loki {
			rng = nil
		}
		dst = loki.AppendStream(dst, x.text, entries[:x.size], rng)
		entries = entries[x.size:]
	}
	return dst
}
