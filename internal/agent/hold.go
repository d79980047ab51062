package agent

import (
	"fmt"
	"slices"

	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
)

// opened counts a descriptor and closes the one unused for longest where there are
// too many.
func (a *agent) opened(g *generation) {
	a.met.open.Inc()
	if a.descriptors++; a.descriptors <= a.conf.MaxOpen {
		return
	}
	var idle []*generation
	for f := range a.all {
		for i, g := range f.gens {
			// A file that no name leads to is only there as long as it is open.
			if g.fd >= 0 && !(f.running && i == f.cur) && (g.path != "" || g.link) {
				idle = append(idle, g)
			}
		}
	}
	slices.SortFunc(idle, func(x, y *generation) int { return int(x.used/1e6 - y.used/1e6) })
	for _, g := range idle[:min(len(idle), 1+a.conf.MaxOpen/8)] {
		a.closeFD(g)
	}
}

func (a *agent) closeFD(g *generation) {
	a.stopUnpacking(g)
	if g.fd >= 0 {
		tail.CloseFile(g.fd)
		g.fd = -1
		a.descriptors--
		a.met.open.Dec()
	}
}

// open gets a descriptor of a known generation, by its name or by ours.
func (a *agent) open(g *generation) error {
	var paths []string
	if g.path != "" {
		paths = append(paths, g.path)
	}
	if g.link {
		paths = append(paths, a.linkPath(g))
	}
	var last error
	for _, p := range paths {
		fd, err := tail.OpenFile(p)
		if err != nil {
			last = err
			continue
		}
		if st, err := tail.StatFD(fd); err == nil && st.Key.Ino == g.key.Ino && st.Key.Birth == g.key.Birth {
			g.fd, g.used = fd, wall.Mono()
			a.opened(g)
			return nil
		}
		tail.CloseFile(fd)
		if p == g.path { // another file has the name now
			g.unname()
		}
		last = fmt.Errorf("open %s: another file has that name now", p)
	}
	return last
}

// prune lets go of what is read and acknowledged, after that is on record: a run
// that comes later must not miss what it needs no more.
func (a *agent) prune(f *follower) {
	var over []*generation
	for _, g := range f.gens {
		if g.done && !g.acked && g.base+uint64(g.size) <= f.acked.Offset {
			g.acked, g.over = true, wall.Mono()
			over = append(over, g)
		}
	}
	if len(over) > 0 {
		a.save(f)
	}
	for _, g := range over {
		if at, ok := a.thrownAway(g); ok {
			g.thrown = at // with the last hold on it that is forgotten
		}
		if g.fd >= 0 && !g.packed {
			a.readOn(f, g)
		}
		a.closeFD(g)
		a.dropLink(g)
		a.conf.Spent(g.key.Ino)
	}
	a.dropGone(f)
}

// dropGone forgets generations that are acknowledged and have had no name for a
// while: in the middle of a rotation a file may seem to have none, and one that was
// compressed must be known again by what it held.
func (a *agent) dropGone(f *follower) {
	since := wall.Mono() - 2*int64(a.conf.ScanEvery)
	for len(f.gens) > 0 && f.cur > 0 {
		g := f.gens[0]
		if !g.acked || g.path != "" || g.namelessAt > since || g.over > since || g.restored && a.fresh {
			return
		}
		if a.byKey[g.key] == g {
			delete(a.byKey, g.key)
		}
		f.gens = slices.Delete(f.gens, 0, 1)
		f.cur--
		f.ended = &g.moment
	}
}

// budget lets go of the oldest deleted files that keep more than Hold allows on the
// disk between them.
func (a *agent) budget() {
	type held struct {
		f *follower
		g *generation
	}
	var all []held
	var sum int64
	for f := range a.all {
		for _, g := range f.gens {
			if g.path == "" && !g.acked && (g.fd >= 0 || g.link) && a.deleted(g) {
				all = append(all, held{f, g})
				sum += g.size
			}
		}
	}
	a.met.held.Set(float64(sum))
	slices.SortFunc(all, func(x, y held) int { return int(x.g.grew/1e6 - y.g.grew/1e6) })
	limit := a.conf.Hold()
	for _, h := range all {
		if sum <= limit {
			return
		}
		if a.letGo(h.f, h.g) {
			sum -= h.g.size
		}
	}
}

// deleted reports whether a file that is held has no name but ours.
func (a *agent) deleted(g *generation) bool {
	var st tail.Stat
	var err error
	if g.fd >= 0 {
		st, err = tail.StatFD(g.fd)
	} else {
		st, err = tail.StatPath(a.linkPath(g))
	}
	names := st.Links
	if g.link && names > 0 {
		names--
	}
	return err == nil && names == 0
}

// letGo gives up a deleted generation. What was read of it already and waits for
// an answer is not lost.
func (a *agent) letGo(f *follower, g *generation) bool {
	i := slices.Index(f.gens, g)
	if i < 0 || f.running || i != f.cur {
		return false
	}
	if !g.begun {
		a.begin(f, g)
	}
	a.abandon(f, g, "too-much-unread")
	a.save(f) // once it is gone nothing else tells of the gap
	a.dropLink(g)
	a.queue(f)
	return true
}
