package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
)

// sight looks at one name. It returns a generation only for a file not known yet.
func (a *agent) sight(f *follower, n *discover.Name, met map[*generation]bool) (tail.Sighting, *generation) {
	path := a.path(n)
	if isPacked(path) {
		return a.sightPacked(f, n, path, a.rotation(n), met)
	}
	st, err := tail.StatPath(path)
	if err != nil || !st.Regular {
		return tail.Sighting{}, nil
	}
	rot := a.rotation(n)
	if g := a.known(st, rot, path); g != nil {
		a.rename(g, n, path, rot, st, met)
		return tail.Sighting{}, nil
	}
	if st.Size == 0 {
		f.empty = append(f.empty, st.Key)
		return tail.Sighting{}, nil
	}
	g, head, err := a.hold(f, path, rot)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			a.unreadable(path, err)
		}
		return tail.Sighting{}, nil
	}
	if old := a.known(tail.Stat{Key: g.key, Size: g.size, Written: g.written}, rot, path); old != nil {
		a.closeFD(g) // renamed between the two looks at it
		a.rename(old, n, path, rot, tail.Stat{Size: g.size}, met)
		return tail.Sighting{}, nil
	}
	g.name = n
	return tail.Sighting{Path: path, Rotation: rot, Stat: tail.Stat{Key: g.key, Size: g.size}, Head: head}, g
}

// known finds the generation that a file is, if it is one already.
func (a *agent) known(st tail.Stat, rot int, path string) *generation {
	if g := a.byKey[st.Key]; g != nil && !a.reused(g, st, rot, path) && !a.overwritten(g, st, path) {
		return g
	}
	k := st.Key
	k.Dev = 0 // device numbers may change when a machine starts again
	g := a.restored[k]
	if g == nil {
		return nil
	}
	same, there := a.beginsAs(path, st.Key, g.head)
	same = same || g.head.Len == 0 // nothing of it was seen yet
	if !there || !same && (g.done || st.Key.Birth == 0) {
		return nil
	}
	delete(a.restored, k)
	g.restored, g.key = false, st.Key
	g.changed = !same // it was cut while nobody looked
	a.byKey[st.Key] = g
	return g
}

// reused reports whether the inode of a generation that nobody holds any more was
// given to another file, born within the same tick of the file system's clock.
func (a *agent) reused(g *generation, st tail.Stat, rot int, path string) bool {
	if g.fd >= 0 || !g.done || rot >= g.rotation && st.Size == g.size && (g.written == 0 || g.written == st.Written) {
		return false
	}
	if same, there := a.beginsAs(path, st.Key, g.head); !there || same && st.Size >= g.size {
		return false
	}
	a.detach(g)
	return true
}

// overwritten reports whether a copy was made again over a copy of which nothing more
// is to be read: cp writes into the file that is there.
func (a *agent) overwritten(g *generation, st tail.Stat, path string) bool {
	if !(g.of.stray && g.done && g.acked || g.copies != nil) {
		return false
	}
	same, there := a.beginsAs(path, st.Key, g.head)
	if !there || same && (st.Size == g.size || g.copies != nil && st.Size > g.size) {
		return false // it is the same, or is still being written
	}
	if g.copies != nil && g.copies.copy == g {
		g.copies.copy = nil
	}
	a.detach(g)
	return true
}

// beginsAs reports whether a file still begins with the bytes of h; there is false
// where the path leads to another file by now.
func (a *agent) beginsAs(path string, k tail.Key, h tail.Head) (same, there bool) {
	fd, err := tail.OpenFile(path)
	if err != nil {
		return false, false
	}
	defer tail.CloseFile(fd)
	if st, err := tail.StatFD(fd); err != nil || st.Key != k {
		return false, false
	}
	b, err := tail.ReadHead(fd, a.head[:])
	return err == nil && h.Matches(b), err == nil
}

// rename notes the name that leads to a known generation now.
func (a *agent) rename(g *generation, n *discover.Name, path string, rot int, st tail.Stat, met map[*generation]bool) {
	if g.path != path && g.path != "" && !met[g] {
		a.met.rotations.Inc()
	}
	if met[g] && g.rotation > rot {
		return // met by an older name already
	}
	met[g] = true
	g.name, g.path, g.rotation = n, path, rot
	switch {
	case g.done && st.Size > g.size:
		a.late(g, st.Size)
	case st.Size != g.size && g.of.reading() == g:
		a.queue(g.of)
	}
}

// openNew opens a file that may be another than it was when its name was found.
func (a *agent) openNew(path string) (int, error) {
	fd, err := tail.OpenFile(path)
	if err != nil || a.conf.Source.Follow() {
		return fd, err
	}
	if err := tail.Within(fd, a.conf.Source.Roots()); err != nil {
		tail.CloseFile(fd)
		return -1, fmt.Errorf("open %s: %w", path, err)
	}
	return fd, nil
}

// hold opens a file not known yet and keeps it from vanishing.
func (a *agent) hold(f *follower, path string, rot int) (*generation, []byte, error) {
	fd, err := a.openNew(path)
	if err != nil {
		return nil, nil, err
	}
	st, err := tail.StatFD(fd)
	if err != nil {
		tail.CloseFile(fd)
		return nil, nil, err
	}
	head, err := tail.ReadHead(fd, a.head[:])
	if err != nil {
		tail.CloseFile(fd)
		return nil, nil, err
	}
	delete(a.unread, path)
	now := wall.Mono()
	g := &generation{
		of: f, key: st.Key, head: tail.HeadOf(head), path: path, rotation: rot,
		size: st.Size, fd: fd, grew: now, used: now,
	}
	g.print, g.written = tail.Print(g.key, g.head), st.Written
	a.opened(g)
	return g, slices.Clone(head), nil
}

// unreadable tells once of a file that is there and cannot be read; each scan
// tries it again.
func (a *agent) unreadable(path string, err error) {
	a.starved = errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
	if len(a.unread) < mostUnread {
		a.unread[path] = true
	}
	if a.health.once(path) {
		a.met.drops.WithLabelValues("unreadable").Inc()
		a.log.Warn("cannot read a file, will try again", "path", path, "error", err, "hint", "run the agent as the user who runs Ray, or as root")
	}
}

// mostUnread bounds how many paths that cannot be read are remembered.
const mostUnread = 1000

// unreadPaths names a few paths that cannot be read.
func (a *agent) unreadPaths() string {
	const few = 5
	paths := slices.Sorted(maps.Keys(a.unread))
	more := ""
	if n := len(paths) - few; n > 0 {
		paths, more = paths[:few], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(paths, ", ") + more
}
