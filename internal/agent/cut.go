package agent

import (
	"slices"

	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
)

// split makes two generations of a file that was cut: the one of that index keeps what
// was, and has no file any more; the new one behind it is what the file holds now.
func (a *agent) split(f *follower, i int) *generation {
	g := f.gens[i]
	next := &generation{
		of: f, key: g.key, name: g.name, path: g.path, rotation: g.rotation, fd: g.fd, links: g.links,
		grew: wall.Mono(), link: g.link, moment: g.moment,
	}
	if next.fd >= 0 {
		if st, err := tail.StatFD(next.fd); err == nil {
			next.size = st.Size
		}
	}
	a.byKey[g.key] = next
	g.fd, g.link = -1, false
	g.unname()
	f.gens = slices.Insert(f.gens, i+1, next)
	if f.cur > i {
		f.cur++
	}
	return next
}

// was is the file that holds what a generation had before it was cut, if it was.
func (g *generation) was() *generation {
	if g.copy != nil {
		return g.copy
	}
	return g
}

// takeCopy has a generation that lost its file go on in the copy that was made of it.
func (a *agent) takeCopy(g, c *generation) {
	g.name, g.key, g.fd, g.path, g.rotation, g.link, g.size, g.grew = c.name, c.key, c.fd, c.path, c.rotation, c.link, c.grownTo(), c.grew
	g.copy, g.changed, g.changedAt, g.copied = nil, false, 0, g.size
	a.byKey[g.key] = g
}

// cutWhileAway deals with a file that was copied and cut more than once since it was
// looked at: the oldest of its copies holds what is known of it, those between are files
// of their own. It returns what is new but that copy.
func (a *agent) cutWhileAway(f *follower, seen []tail.Sighting, held []*generation, met map[*generation]bool) ([]tail.Sighting, []*generation) {
	i := slices.IndexFunc(f.gens, func(g *generation) bool {
		return !g.cut && !g.done && g.copy == nil && g.rotation == 0 && g.path != "" && met[g] && g.head.Len > 0
	})
	if i < 0 || len(seen) < 2 {
		return seen, held
	}
	g := f.gens[i]
	var needed int64
	if i == f.cur {
		needed = f.cursor.Offset
	}
	oldest, between := -1, 0
	for j, s := range seen {
		if s.Rotation == 0 || held[j].packed {
			continue
		}
		between++
		if g.head.Matches(s.Head) && s.Stat.Size >= needed && (oldest < 0 || s.Rotation > seen[oldest].Rotation) {
			oldest = j
		}
	}
	if oldest < 0 || between < 2 {
		return seen, held // it was cut once: that is seen when it is read
	}
	if same, there := a.beginsAs(g.path, g.key, g.head); !g.changed && (same || !there) {
		return seen, held
	}
	c := held[oldest]
	next := a.split(f, i)
	a.takeCopy(g, c)
	a.keepLink(g)
	met[next] = true
	a.log.Info("a file was copied and truncated several times: reading on in the oldest copy", "path", next.path, "copy", c.path)
	return slices.Delete(seen, oldest, oldest+1), slices.Delete(held, oldest, oldest+1)
}
