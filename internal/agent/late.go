package agent

import (
	"slices"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
)

// readOn looks whether a file of which all that was read is acknowledged has grown after
// the next one of its stream was begun: a process still writes by a descriptor of its
// own, or the files were taken in a wrong order. What is new is read as a stream of its
// own, as its place in this one is taken.
func (a *agent) readOn(f *follower, g *generation) {
	i := slices.Index(f.gens, g)
	if i < 0 || a.byKey[g.key] != g || !f.covered && (i+1 == len(f.gens) || !f.gens[i+1].begun) || g.fd < 0 && a.open(g) != nil {
		return // it is read on in its place, or is gone
	}
	st, err := tail.StatFD(g.fd)
	if err == nil && i+1 < len(f.gens) && g.base+uint64(st.Size) <= f.gens[i+1].base {
		g.size = st.Size // an earlier run sent it, whose state was not kept
	}
	if err == nil && st.Size > g.size {
		var head []byte
		if head, err = tail.ReadHead(g.fd, a.head[:]); err == nil && g.head.Matches(head) {
			a.follow(f, g, st)
			return
		}
	}
	a.closeFD(g)
}

// follow begins the stream of what a file has more than was read of it.
func (a *agent) follow(f *follower, g *generation, st tail.Stat) {
	s := a.newFollower(f.session.key, f.file)
	rest := &generation{
		of: s, key: g.key, head: g.head, print: g.print, name: g.name, path: g.path, rotation: g.rotation, begun: true,
		size: st.Size, fd: g.fd, link: g.link, grew: wall.Mono(), used: wall.Mono(),
		moment: moment{written: st.Written},
	}
	g.fd, g.link = -1, false
	g.unname()
	a.byKey[g.key] = rest
	a.keepLink(rest)
	s.stray, s.gens = true, []*generation{rest}
	s.id, s.named, s.asked = strayID(identity(f.session.machine, f.session.name, f.file, g.key)), true, true
	at := uint64(g.size)
	s.acked = parse.Position{Offset: at, Parser: f.acked.Parser}
	s.missing("late", at)
	a.met.gaps.WithLabelValues("late").Inc()
	a.log.Warn("a rotated file grew after the next one was begun: it is read on as a stream of its own", "path", rest.path, "bytes", st.Size-g.size)
	a.stand(s, s.acked, tail.Mark{})
	a.save(s)
	a.queue(s)
}
