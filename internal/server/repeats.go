package server

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// repeats remembers the last lines that were stored, by what they are: tenant,
// stream, time, text and metadata. A client that was restarted, or that puts a
// refused body together anew, sends some of them again; as in Loki they are then
// stored already. Equal lines of one request are not repeats: their program wrote
// both within one tick of its clock.
//
// A line is known by 64 bits and forgotten when another takes its place, so the
// memory is bounded. Safe for concurrent use.
type repeats struct {
	seed  maphash.Seed
	lines [1 << 16]atomic.Uint64
}

func newRepeats() *repeats { return &repeats{seed: maphash.MakeSeed()} }

// stream is what the lines of a stream have in common.
func (r *repeats) stream(tenant string, labels logs.Labels) uint64 {
	h := maphash.String(r.seed, tenant)
	for _, l := range labels {
		h = mix(mix(h, maphash.String(r.seed, l.Name)), maphash.String(r.seed, l.Value))
	}
	return h
}

// line is what tells a line of a stream from others, never 0.
func (r *repeats) line(stream uint64, e *logs.Entry) uint64 {
	h := mix(mix(stream, uint64(e.Time)), maphash.String(r.seed, e.Line))
	for _, l := range e.Metadata {
		h = mix(mix(h, maphash.String(r.seed, l.Name)), maphash.String(r.seed, l.Value))
	}
	return h | 1
}

func mix(h, x uint64) uint64 {
	hi, lo := bits.Mul64(h^0x9e3779b97f4a7c15, x^0xd6e8feb86659fd93)
	return hi ^ lo + h
}

func (r *repeats) slot(line uint64) *atomic.Uint64 { return &r.lines[line>>(64-16)] }

// has reports whether the line was stored a while ago.
func (r *repeats) has(line uint64) bool { return r.slot(line).Load() == line }

// stored remembers lines that are on disk.
func (r *repeats) stored(lines []uint64) {
	for _, l := range lines {
		r.slot(l).Store(l)
	}
}

// forget forgets all, as lines that were deleted may come again.
func (r *repeats) forget() {
	for i := range r.lines {
		r.lines[i].Store(0)
	}
}

// known marks the lines of a foreign stream that were stored already and returns how
// many they are; nil where none is.
func (c *pushCheck) known(s *loki.Stream) (marked []bool, n int) {
	stream := c.repeats.stream(c.tenant, s.Labels)
	for i := range s.Entries {
		line := c.repeats.line(stream, &s.Entries[i])
		if !c.repeats.has(line) {
			c.lines = append(c.lines, line)
			continue
		}
		if marked == nil {
			marked = make([]bool, len(s.Entries))
		}
		marked[i] = true
		n++
	}
	return marked, n
}
