package ship

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/agent/wall"
	"github.com/remora-ray/remora/internal/logs"
)

// defaultWindow is half of the max_chunk_age that a Loki has unless told otherwise.
const defaultWindow = time.Hour

func (b *Backfill) check() error {
	errs := []error{between("backfill.window", b.Window, time.Minute, 14*24*time.Hour)}
	if b.Label != "" && !logs.ValidName(b.Label) {
		errs = append(errs, fmt.Errorf("backfill.label %q is not a label's name: letters, digits and _, no digit first", b.Label))
	}
	return errors.Join(errs...)
}

func (b Backfill) withDefaults() Backfill {
	b.Window = cmp.Or(b.Window, defaultWindow)
	b.Label = cmp.Or(b.Label, "backfill")
	return b
}

// value is the label's value for a time: the beginning of its hour, or of what is
// shorter where the window is. Entries of one value are never further apart than
// the window, so a Loki takes them in any order.
func (b Backfill) value(ns int64) string {
	for _, step := range []time.Duration{time.Hour, 30 * time.Minute, 10 * time.Minute, 5 * time.Minute} {
		if step <= b.Window {
			layout := "2006-01-02T15"
			if step < time.Hour {
				layout += ":04"
			}
			return time.Unix(0, ns).UTC().Truncate(step).Format(layout)
		}
	}
	return time.Unix(0, ns).UTC().Truncate(time.Minute).Format("2006-01-02T15:04")
}

// into is the stream that takes what comes too far behind in another one; ok is
// false where there is none.
func (b Backfill) into(labels string, ns int64) (text string, ok bool) {
	return with(labels, b.Label, b.value(ns))
}

// marks remember the newest time of streams, of the last few thousand: what is not
// remembered is learnt again from what Loki refuses.
type marks struct {
	seed   maphash.Seed
	recent map[uint64]int64
	before map[uint64]int64
}

// marksKept bounds each half of the marks: 16 bytes for a stream, and as much again.
const marksKept = 2048

func newMarks() *marks { return &marks{seed: maphash.MakeSeed(), recent: map[uint64]int64{}} }

func (m *marks) key(labels []byte) uint64 { return maphash.Bytes(m.seed, labels) }

func (m *marks) get(key uint64) (int64, bool) {
	if t, ok := m.recent[key]; ok {
		return t, true
	}
	t, ok := m.before[key]
	return t, ok
}

// raise remembers that a stream has an entry of that time.
func (m *marks) raise(key uint64, to int64) {
	if t, ok := m.get(key); ok {
		to = max(to, t)
	}
	if _, ok := m.recent[key]; !ok && len(m.recent) >= marksKept {
		m.before, m.recent = m.recent, make(map[uint64]int64, marksKept)
	}
	m.recent[key] = to
}

// span is from when to when the entries of one stream of a body are.
type span struct {
	stream         uint64
	oldest, newest int64
}

// spans are those of a body. A time in the future makes nothing old: a Loki does
// not take it.
func (m *marks) spans(dst []span, body []byte) ([]span, error) {
	future := wall.Now().Add(10 * time.Minute).UnixNano()
	err := walk(body, func(labels []byte) {
		dst = append(dst, span{stream: m.key(labels), oldest: math.MaxInt64})
	}, func(ns int64, _ []byte) {
		if len(dst) == 0 {
			return
		}
		s := &dst[len(dst)-1]
		s.oldest = min(s.oldest, ns)
		if ns > s.newest && ns <= future {
			s.newest = ns
		}
	})
	return dst, err
}

// newest is the newest time of each stream, in spans and as remembered.
func (m *marks) newest(spans []span) map[uint64]int64 {
	all := make(map[uint64]int64, len(spans))
	for _, s := range spans {
		t, ok := all[s.stream]
		if !ok {
			t, _ = m.get(s.stream)
		}
		all[s.stream] = max(t, s.newest)
	}
	return all
}

// mostAhead is how far in the future a Loki takes a line, and some minutes by which
// clocks may differ.
const mostAhead = 15 * time.Minute

// fresh is the time from which on no entry can come too far behind: no stream has a
// newer one than now and what a Loki takes of the future.
func (b Backfill) fresh(now time.Time) int64 {
	return now.Add(mostAhead - b.Window).UnixNano()
}

// apart are the pieces in which to push entries that lie sorted by stream, the last
// one first: together those of streams in which nothing can come too far behind, and
// alone each other stream.
func (l *load) apart(fresh int64) []piece {
	var together []item
	var alone []piece
	for i := 0; i < len(l.items); {
		end, safe := i, true
		for ; end < len(l.items) && l.items[end].stream == l.items[i].stream; end++ {
			safe = safe && (l.items[end].filed || l.items[end].time >= fresh)
		}
		if safe {
			together = append(together, l.items[i:end]...)
		} else {
			alone = append(alone, piece{items: l.items[i:end], first: true})
		}
		i = end
	}
	slices.Reverse(alone)
	if len(together) > 0 {
		alone = append(alone, piece{items: together, first: true})
	}
	return alone
}

// file puts those entries that come too far behind into streams of their own, and
// returns how many.
func (l *load) file(b Backfill, m *marks, newest map[uint64]int64) (n int) {
	for i := range l.items {
		it := &l.items[i]
		last := newest[m.key([]byte(l.streams[it.stream]))]
		if last != 0 && it.time < last-int64(b.Window) && l.move(it, b) {
			n++
		}
	}
	return n
}

// move puts an entry into the stream for what comes too far behind.
func (l *load) move(it *item, b Backfill) bool {
	labels, ok := b.into(l.streams[it.stream], it.time)
	if !ok || it.filed {
		return false
	}
	it.stream, it.filed = l.stream(labels), true
	return true
}

func (l *load) sort(items []item) {
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.stream, b.stream) })
}
