package agent

import (
	"cmp"
	"slices"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/loki"
)

// A state may be older than what was sent: it was torn, or an older one was put back.
// A stream that has gone on to other files since must be put together anew, by what
// the server knows of it, as if the state had been lost.

// outdated reports whether the server has a file of the stream that came behind all
// that the state knows: its bytes do not begin where the state would have them.
func (a *agent) outdated(f *follower, o loki.FileOffsets) bool {
	var last uint64
	known := false
	for _, g := range f.gens {
		if g.begun {
			last, known = max(last, g.base), true
		}
	}
	if !known || o.Committed <= f.acked.Offset {
		return false
	}
	for i, x := range o.Generations {
		if x.Base > last && !slices.ContainsFunc(f.gens, func(g *generation) bool {
			return !g.begun && a.generationOf(g, o) == &o.Generations[i]
		}) {
			return true
		}
	}
	return false
}

// rebuild puts a stream together of all its files that are here, those that were taken
// for strays or copies among them, and makes it go on where the server stands.
func (a *agent) rebuild(f *follower, o loki.FileOffsets) {
	a.log.Info("the state is older than what was sent of a log file: going by what the server knows",
		"session", f.session.name, "stream", f.file.Stream)
	gens := slices.Concat(f.gens, a.takeStrays(f))
	for _, g := range f.gens {
		if g.copy != nil {
			gens = append(gens, g.copy)
		}
	}
	f.gens = nil
	named := map[*generation]bool{}
	for _, g := range gens {
		if a.renew(f, g) {
			f.gens, named[g] = append(f.gens, g), g.path != ""
		}
	}
	// Those that only the agent keeps are the oldest.
	slices.SortStableFunc(f.gens, func(x, y *generation) int { return cmp.Compare(y.rotation, x.rotation) })
	a.join(f, named)
	f.gap, f.parser, f.ended = "", nil, nil
	if c := a.fit(f, o); c != nil {
		a.adopt(f, c)
		return
	}
	f.acked, f.emit = parse.Position{Offset: o.Committed}, o.Committed
	a.stand(f, f.acked, tail.Mark{})
	a.stateLost(f, o.Committed)
}

// renew forgets what the state said of a file, and reports whether it is there.
func (a *agent) renew(f *follower, g *generation) bool {
	if g.fd < 0 && a.open(g) != nil {
		if a.byKey[g.key] == g {
			delete(a.byKey, g.key)
		}
		return false
	}
	*g = generation{
		of: f, key: g.key, name: g.name, path: g.path, rotation: g.rotation, namelessAt: g.namelessAt, fd: g.fd, link: g.link,
		packed: g.packed, begins: g.begins, unpack: g.unpack, head: g.head, size: g.size, grew: g.grew, used: g.used,
	}
	if head := a.headOf(g); head != nil && !g.packed {
		g.head = tail.HeadOf(head)
	}
	g.print = tail.Print(g.key, g.head)
	a.byKey[g.key] = g
	return true
}

// takeStrays takes the files of a stream's strays of which nothing was sent yet.
func (a *agent) takeStrays(f *follower) (gens []*generation) {
	for s := range a.all {
		if !s.stray || s.known || s.running || s.placed() || s.session != f.session || s.file.Stream != f.file.Stream {
			continue
		}
		gens = append(gens, s.gens...)
		a.stateResult(a.unsave(s))
		s.gens, s.covered, s.asked = nil, true, true // it is not to be placed any more
	}
	return gens
}
