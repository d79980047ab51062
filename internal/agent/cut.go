package agent

import (
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
)

// split makes two generations of a file that was cut: the one of that index keeps what
// was, and has no file any more; the new one behind it is what the file holds now.
func (a *agent) split(f *follower, i int) *generation {
	g := f.gens[i]
	next := &generation{
		of: f, key: g.key, name: g.name, path: g.path, rotation: g.rotation, fd: g.fd,
		grew: wall.Mono(), link: g.link, moment: g.moment,
	}
	if next.fd >= 0 {
		if st, err := tail.StatFD(next.fd); err == nil {
			next.size = st.Size
		}
		a.glimpse(next)
	}
	a.byKey[g.key] = next
	g.fd, g.link = -1, false
	g.cuts, g.glimpsed, g.saved = 0, 0, 0
	g.unname()
	f.gens = slices.Insert(f.gens, i+1, next)
	if f.cur > i {
		f.cur++
	}
	return next
}

// glimpse learns how a file begins that waits to be read, so that it is seen if it is cut
// before its turn.
func (a *agent) glimpse(g *generation) {
	if b, err := tail.ReadHead(g.fd, a.head[:]); err == nil && g.head.Len == 0 {
		g.head = tail.HeadOf(b)
	}
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
// of their own. Where no copy holds what is known, all of them hold what came behind it.
// It returns what is new but that copy.
func (a *agent) cutWhileAway(f *follower, seen []tail.Sighting, held []*generation, met map[*generation]bool) ([]tail.Sighting, []*generation) {
	i := slices.IndexFunc(f.gens, func(g *generation) bool {
		return !g.cut && !g.done && g.rotation == 0 && g.path != "" && met[g] && g.head.Len > 0
	})
	if i < 0 || len(seen) == 0 {
		return seen, held
	}
	g := f.gens[i]
	if g.copy != nil {
		a.cutAgain(f, i, seen, held, met)
		return seen, held
	}
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
	if between == 0 || oldest >= 0 && between == 1 {
		return seen, held // it was cut once at most: that is seen when it is read
	}
	newest := slices.IndexFunc(seen, func(s tail.Sighting) bool { return s.Rotation > 0 }) // they are in order
	if same, there := a.beginsAs(g.path, g.key, g.head); !g.changed && (same || !there) {
		return seen, held
	}
	if oldest < 0 {
		a.cutOff(held[newest], f, i, met)
		g.cut, g.size, g.changedAt = true, max(g.size, needed), wall.Mono()
		return seen, held
	}
	a.goOnIn(held[oldest], held[newest], f, i, met)
	return slices.Delete(seen, oldest, oldest+1), slices.Delete(held, oldest, oldest+1)
}

// glance looks at a file of which nothing can be read for now: it may be cut more than
// once before that goes on, and what it held between is gone.
func (a *agent) glance(f *follower, n *discover.Name) {
	if len(f.gens) == 0 {
		return
	}
	g := f.gens[len(f.gens)-1] // what is being written is the newest
	if g.name == n && g.head.Len == 0 && g.fd >= 0 {
		a.glimpse(g)
	}
	waits := f.running || !f.asked || a.running == cap(a.jobs)
	if g.name != n || !waits && g.cuts == 0 {
		return
	}
	st, err := tail.StatPath(g.path)
	if err != nil || st.Key != g.key {
		return
	}
	if f.cutAtAGlance(g, st.Size) {
		g.cuts++
	}
	g.glimpsed = st.Size
}

// cutAtAGlance reports whether a file was cut since the last glance. The first cut shows
// also where the file has grown again since.
func (f *follower) cutAtAGlance(g *generation, size int64) bool {
	switch {
	case g.cuts > 0:
		return size < g.glimpsed
	case size < max(g.glimpsed, g.size):
		return true
	default:
		return f.reading() == g && f.cursor.Offset > 0 && !f.endsAsRead(g)
	}
}

// cutAgain deals with a file of which a copy is known, and which was cut again, as there
// is a copy of other bytes: those come between.
func (a *agent) cutAgain(f *follower, i int, seen []tail.Sighting, held []*generation, met map[*generation]bool) {
	g := f.gens[i]
	if i == f.cur && g.copy.grownTo() < f.cursor.Offset {
		return // it holds less than was read
	}
	for j, s := range seen {
		if s.Rotation == 0 || held[j].packed || g.head.Matches(s.Head) {
			continue
		}
		if same, there := a.beginsAs(g.path, g.key, g.head); there && (g.changed || !same) {
			a.goOnIn(g.copy, held[j], f, i, met)
		}
		return
	}
}

// cutOff makes two files of one that was cut, of which there are copies of what it held
// since: those come between. What it held before is lost if nobody has it.
func (a *agent) cutOff(newest *generation, f *follower, i int, met map[*generation]bool) *generation {
	next := a.split(f, i)
	if a.unwatched(newest, next) {
		a.heldMore(next)
	}
	met[next] = true
	return next
}

// goOnIn has a file that was cut more than once read on in the oldest copy of it.
func (a *agent) goOnIn(c, newest *generation, f *follower, i int, met map[*generation]bool) {
	g := f.gens[i]
	next := a.cutOff(newest, f, i, met)
	a.takeCopy(g, c)
	a.keepLink(g)
	a.log.Info("a file was copied and truncated several times: reading on in the oldest copy", "path", next.path, "copy", g.path)
}

// unwatched reports whether a file that was cut after that copy was made of it may have been
// cut again, without one, while no agent watched: of what it held between nothing tells.
func (a *agent) unwatched(c, next *generation) bool {
	copied := max(c.written, c.key.Birth)
	if copied > a.awake {
		return false
	}
	st, err := tail.StatFD(next.fd)
	return err != nil || st.Written > copied+int64(fileTick) // else it was left alone since
}

// heldMore has it told, before what a cut file holds now, that bytes are missing: those
// that it held between two cuts.
func (a *agent) heldMore(next *generation) {
	next.gap = "truncated"
	a.met.gaps.WithLabelValues(next.gap).Inc()
}

// fileTick is how coarse the clock of a file system may be: a tick of Linux.
const fileTick = 10 * time.Millisecond

// cutForGood reports whether a file that was cut has no copy: a copy is made first,
// but word of it may come a moment later.
func (a *agent) cutForGood(f *follower, g *generation) bool {
	if g.changedAt == 0 {
		g.changed, g.changedAt = true, wall.Mono()
		a.lookBeside(f, g)
	}
	return g.copy != nil || a.closing || time.Duration(wall.Mono()-g.changedAt) >= quietRenamed
}

// copiedOver deals with a copy that was read on in and over which the next one was
// made. What it holds now is not its own.
func (a *agent) copiedOver(f *follower, g *generation) {
	g.size = f.cursor.Offset
	if sent := min(g.copied, int64(f.emit)-int64(g.base)); sent > g.size { // by an earlier run
		g.size = sent
	}
	g.done, g.cut = true, true
	if g.size < g.copied || g.copied == 0 && f.emit <= g.base && !f.passed() {
		a.noteGap(f, "copied-over", g.base+uint64(g.size), max(0, g.copied-g.size))
	}
	a.detach(g)
	f.next()
	a.settle(f)
}

// cut deals with a file that was truncated and begun anew. If a copy was made of
// it first (copy-truncate), reading goes on in the copy and nothing is lost.
func (a *agent) cut(f *follower, g *generation) {
	a.met.rotations.Inc()
	if g.rotation > 0 && g.rotation != nameless {
		a.copiedOver(f, g)
		return
	}
	if g.fd < 0 {
		if err := a.open(g); err != nil {
			a.log.Warn("cannot open a file that was truncated", "path", g.path, "error", err)
		}
	}
	unseen := g.cuts > 1+g.saved
	next := a.split(f, f.cur)
	next.next = true
	if unseen || g.copy != nil && a.unwatched(g.copy, next) {
		a.heldMore(next)
	}
	if c := g.copy; c != nil && c.grownTo() >= f.cursor.Offset {
		a.log.Info("a file was copied and truncated: reading on in the copy", "path", next.path, "copy", c.path)
		a.takeCopy(g, c)
		return
	}
	g.size = f.cursor.Offset
	if f.cur+2 == len(f.gens) {
		g.size = max(g.size, f.sentOf(g))
	}
	g.done, g.cut = true, true
	a.noteGap(f, "truncated", g.base+uint64(g.size), 0)
	f.next()
}

// cutShort ends a file that was cut and of which no copy was found. Word of one may come
// a moment later: until then it reports false.
func (a *agent) cutShort(f *follower, g *generation) bool {
	if !a.closing && time.Duration(wall.Mono()-g.changedAt) < quietRenamed {
		a.settle(f)
		return false
	}
	g.size = max(f.cursor.Offset, f.sentOf(g))
	g.done = true
	if !f.passed() {
		a.noteGap(f, "truncated", g.base+uint64(g.size), 0)
	}
	f.next()
	return true
}

// sentOf is how much of the file being read an earlier run may have sent that the state
// does not know of, 0 if the server has a later one.
func (f *follower) sentOf(g *generation) int64 {
	if f.emit < g.base || f.passed() {
		return 0
	}
	return int64(f.emit - g.base)
}

// cutUnread reports whether a file was cut before anything of it was read: it has other
// first bytes.
func (a *agent) cutUnread(g *generation, size int64) bool {
	if g.changed || g.head.Len == 0 {
		return false
	}
	if size == 0 {
		return true
	}
	head := a.headOf(g)
	return head != nil && !g.head.Matches(head)
}

// endsAsRead reports whether the bytes before the cursor are still those that were
// read: a file that was cut may have come to the same length again.
func (f *follower) endsAsRead(g *generation) bool {
	if f.mark.Len == 0 || g.fd < 0 {
		return true
	}
	b := make([]byte, f.mark.Len)
	n, err := tail.ReadAt(g.fd, b, f.cursor.Offset-int64(len(b)))
	return err != nil || n == len(b) && tail.MarkOf(b) == f.mark
}
