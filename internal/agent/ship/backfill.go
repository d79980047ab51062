package ship

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
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

func (m *marks) key(labels string) uint64 { return maphash.String(m.seed, labels) }

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

// mostAhead is how far in the future a Loki takes a line.
const mostAhead = 10 * time.Minute

// newest is the newest time of each stream of a load, in it and as remembered. A time
// in the future makes nothing old: a Loki does not take it.
func (m *marks) newest(l *load) []int64 {
	all := make([]int64, len(l.streams))
	for i, labels := range l.streams {
		all[i], _ = m.get(m.key(labels))
	}
	future := wall.Now().Add(mostAhead).UnixNano()
	for i := range l.items {
		if it := &l.items[i]; it.time <= future {
			all[it.stream] = max(all[it.stream], it.time)
		}
	}
	return all
}

// file puts those entries that come too far behind into streams of their own, and
// returns how many.
func (l *load) file(b Backfill, newest []int64) (n int) {
	for i := range l.items {
		it := &l.items[i]
		if last := newest[it.stream]; last != 0 && it.time < last-int64(b.Window) && l.move(it, b) {
			n++
		}
	}
	return n
}

// move puts an entry into the stream for what comes too far behind.
func (l *load) move(it *item, b Backfill) bool {
	if it.filed {
		return false
	}
	labels, ok := b.into(l.streams[it.stream], it.time)
	if !ok {
		return false
	}
	it.stream, it.filed = l.stream(labels), true
	return true
}

// apart are pieces of one stream each.
func (l *load) apart(items []item) (all []piece) {
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(b.stream, a.stream) })
	for i := 0; i < len(items); {
		end := i + 1
		for end < len(items) && items[end].stream == items[i].stream {
			end++
		}
		all = append(all, piece{items: items[i:end], first: true})
		i = end
	}
	return all
}
