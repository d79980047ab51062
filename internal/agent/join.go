package agent

import (
	"math"
	"time"

	"github.com/remora-ray/remora/internal/agent/tail"
)

// Between two files of a stream that are here, others may have come and gone while
// nobody could look: the agent was dead or stopped, or inotify did not tell. That
// nothing did is known where
//
//   - the older one still had a name when the newer one was found: what a rotation
//     throws away first is the oldest; or
//   - one file at most was born after the older one was thrown away, and before the
//     newer one was: each turn of a rotation throws one away and makes one; or
//   - inotify told of every file that came under the name since, and it was one; or
//   - the newer one was born when the older one was last written to.
//
// Else a gap is told in front of the newer one.

// moment says when a file was the one being written to, as far as that is known.
type moment struct {
	next    bool  // nothing came between the file before this one and it
	sighted bool  // turn is known
	era     int   // the count of turns goes on within one only
	turn    int64 // how many files had come under the name, this one included
	written int64 // when it was last written to, Unix nanoseconds; 0 if not known
}

// atOnce is how far birth and last write of two files may be apart that were written
// one right after the other: both times tick, in 4 ms on many machines.
const atOnce = int64(12 * time.Millisecond)

// join notes what a look has shown about the order of a stream's files: met are those
// that had a name. news is whether that is to be put on record.
func (a *agent) join(f *follower, met map[*generation]bool) (news bool) {
	for i, g := range f.gens {
		if !met[g] {
			continue
		}
		if i > 0 && met[f.gens[i-1]] && !g.next {
			g.next, news = true, true
		}
		// Events that are still on their way make this too low: the later look wins.
		turn := f.turns - int64(g.rotation)
		if !g.sighted || g.era != a.era {
			g.sighted, g.era, g.turn = true, a.era, turn
		}
		g.turn = max(g.turn, turn)
	}
	return news
}

// joined reports whether nothing came and went between a file and the one before it.
func (a *agent) joined(f *follower, g *generation) bool {
	if g.next {
		return true
	}
	before := f.ended
	if f.cur > 0 {
		p := f.gens[f.cur-1]
		if p.path != "" {
			return true
		}
		if from, ok := a.thrownAway(p); ok {
			to, ok := a.thrownAway(g)
			if !ok {
				to = math.MaxInt64
			}
			if n, all := f.bornBetween(from, to); n > 1 || all {
				return n <= 1
			}
		}
		before = &p.moment
	}
	switch {
	case before == nil:
		return true // it is the first
	case before.sighted && g.sighted && before.era == g.era && g.turn-before.turn <= 1:
		return true
	default:
		return before.written > 0 && g.key.Birth > 0 && g.key.Birth-before.written <= atOnce
	}
}

// thrownAway is when a file that has no name of Ray's any more lost the last one, Unix
// nanoseconds. ok is false where only its name was lost from sight, or nobody holds it.
func (a *agent) thrownAway(g *generation) (at int64, ok bool) {
	var st tail.Stat
	var err error
	switch {
	case g.path != "":
		return 0, false
	case g.thrown != 0:
		return g.thrown, true
	case g.fd >= 0:
		st, err = tail.StatFD(g.fd)
	case g.link:
		st, err = tail.StatPath(a.linkPath(g))
	default:
		return 0, false
	}
	if err != nil || st.Key.Ino != g.key.Ino || st.Key.Birth != g.key.Birth || st.Changed == 0 {
		return 0, false
	}
	return st.Changed, true
}

// bornBetween is how many of the files from the one being begun on were born between
// two moments. all is false where others may have been: between two files that were
// not seen side by side, or behind the last where that has no name any more.
func (f *follower) bornBetween(from, to int64) (n int, all bool) {
	gens := f.gens[f.cur:]
	for _, g := range gens {
		if g.key.Birth >= from && g.key.Birth < to {
			n++
		}
	}
	for _, k := range f.empty {
		if k.Birth >= from && k.Birth < to {
			n++
		}
	}
	for i, g := range gens {
		last := i+1 == len(gens)
		switch {
		case g.key.Birth >= to:
			return n, true
		case last:
			return n, g.path != ""
		case !gens[i+1].next && gens[i+1].key.Birth >= from:
			return n, false
		}
	}
	return n, true
}
