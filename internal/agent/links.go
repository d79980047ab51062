package agent

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
)

// linkDir holds a second name of each file that is being read, on the same mount:
// what is rotated away or deleted stays readable, also across a restart, until it
// is acknowledged. It costs no copy.
func (a *agent) linkDir(root string) string { return filepath.Join(root, linksName, a.state.ID()) }

const linksName = ".remora"

// linkPath is the name of our own for a file. It says what stream the file is of, so
// that its bytes can be read even by an agent that knows nothing else any more.
func (a *agent) linkPath(g *generation) string {
	return filepath.Join(a.linkDir(g.of.session.root), linkName(g.of.session.key, g.of.file.Stream, g.key))
}

func linkName(session, stream string, k tail.Key) string {
	short := fmt.Sprintf("%x-%x", k.Ino, uint64(k.Birth))
	name := short + "~" + escaped(session) + "~" + escaped(stream)
	if len(name) > maxLinkName {
		return short
	}
	return name
}

func escaped(s string) string { return strings.ReplaceAll(url.PathEscape(s), "~", "%7E") }

const maxLinkName = 255 // of most file systems

// parseLinkName is the inverse of linkName; ok is false for a short one.
func parseLinkName(name string) (session, stream string, k tail.Key, ok bool) {
	parts := strings.Split(name, "~")
	ino, birth, cut := strings.Cut(parts[0], "-")
	if len(parts) != 3 || !cut {
		return "", "", k, false
	}
	var errs [4]error
	var b uint64
	k.Ino, errs[0] = strconv.ParseUint(ino, 16, 64)
	b, errs[1] = strconv.ParseUint(birth, 16, 64)
	session, errs[2] = url.PathUnescape(parts[1])
	stream, errs[3] = url.PathUnescape(parts[2])
	k.Birth = int64(b)
	return session, stream, k, errs == [4]error{} && !strings.Contains(session, "..") && !strings.Contains(stream, "..")
}

// keepLink gives a file a name of our own. Where that is not allowed (a read-only
// mount, another user's files) the descriptor alone holds it.
func (a *agent) keepLink(g *generation) {
	if g.fd < 0 || g.link || !a.conf.Source.Links() {
		return
	}
	err := tail.LinkFD(g.fd, a.linkPath(g))
	if os.IsNotExist(err) {
		if err = a.makeLinkDir(g.of.session.root); err == nil {
			err = tail.LinkFD(g.fd, a.linkPath(g))
		}
	}
	if os.IsExist(err) {
		err = nil
	}
	g.link = err == nil
	if err != nil {
		a.met.linkErrors.Inc()
		if a.health.once("link") {
			a.log.Info("files cannot be kept by a second name, only by an open descriptor: "+
				"what is deleted while the agent is down is lost", "error", err)
		}
	}
}

// makeLinkDir makes our directory of names and locks it for as long as we live: an
// agent that finds it without a lock knows that its owner is dead.
func (a *agent) makeLinkDir(root string) error {
	dir := a.linkDir(root)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	a.lockLinkDir(root)
	return nil
}

func (a *agent) lockLinkDir(root string) {
	if a.linkLocks[root] != nil {
		return
	}
	f, err := os.Open(a.linkDir(root))
	if err != nil {
		return
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		f.Close()
		return
	}
	a.linkLocks[root] = f
}

// dead reports whether no agent lives that keeps names in dir.
func dead(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// adoptLinks reads on in files that have no other name than one an agent gave them,
// and that the state does not know: it was lost, or its end was. Those of dead agents
// count only if all of it was lost; they stay, as their owner may come back.
//
// One that has a name of Ray's too was renamed while the names were looked at: it is
// no orphan, and word of that name is on its way. Unless all are wanted, such are left
// alone, and later is true.
func (a *agent) adoptLinks(all bool) (later bool) {
	for root := range a.roots {
		a.lockLinkDir(root)
		named := map[tail.Key]bool{}
		if !all {
			named = a.namedElsewhere(root)
		}
		dirs := []string{a.linkDir(root)}
		entries, err := os.ReadDir(filepath.Dir(dirs[0]))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if dir := filepath.Join(root, linksName, e.Name()); a.missing && e.IsDir() && e.Name() != a.state.ID() && dead(dir) {
				dirs = append(dirs, dir)
			}
		}
		found := map[streamKey][]orphan{}
		for _, dir := range dirs {
			later = a.orphans(root, dir, named, found) || later
		}
		for k, orphans := range found {
			a.adoptInto(k, orphans)
		}
	}
	return later
}

// namedElsewhere are the files kept below a root, by whatever agent, that have another
// name too.
func (a *agent) namedElsewhere(root string) map[tail.Key]bool {
	names, ours := map[tail.Key]uint32{}, map[tail.Key]uint32{}
	above := filepath.Dir(a.linkDir(root))
	dirs, _ := os.ReadDir(above)
	for _, d := range dirs {
		entries, _ := os.ReadDir(filepath.Join(above, d.Name()))
		for _, e := range entries {
			if st, err := tail.StatPath(filepath.Join(above, d.Name(), e.Name())); err == nil && st.Regular {
				names[st.Key] = st.Links
				ours[st.Key]++
			}
		}
	}
	named := map[tail.Key]bool{}
	for k, n := range names {
		named[k] = n > ours[k]
	}
	return named
}

// orphan is a file that only a name of ours, or of a dead agent, leads to.
type orphan struct {
	path string
	key  tail.Key
	gone int64 // since when it has no other name
}

// orphans adds the files that names in a directory keep, but those that are named. Two
// dead agents may have kept the same one.
func (a *agent) orphans(root, dir string, named map[tail.Key]bool, found map[streamKey][]orphan) (later bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		st, err := tail.StatPath(path)
		if err != nil || !st.Regular || st.Size == 0 || a.byKey[st.Key] != nil {
			continue
		}
		if named[st.Key] {
			later = true
			continue
		}
		session, stream, k, ok := parseLinkName(e.Name())
		if !ok || k.Ino != st.Key.Ino || k.Birth != st.Key.Birth || a.session(session).root != root {
			a.met.drops.WithLabelValues("unknown-link").Inc()
			a.log.Warn("a file that was kept is given up: its name does not tell what it is", "path", path, "bytes", st.Size)
			continue
		}
		key := streamKey{session, stream}
		if g := a.recorded(key, st.Key); g != nil {
			a.keepAgain(g, path)
			continue
		}
		if !slices.ContainsFunc(found[key], func(o orphan) bool { return o.key == st.Key }) {
			found[key] = append(found[key], orphan{path, st.Key, st.Changed})
		}
	}
	return later
}

// recorded is the generation of a stream that a file is by the state, nil for none.
func (a *agent) recorded(s streamKey, k tail.Key) *generation {
	f := a.streams[s]
	if f == nil {
		return nil
	}
	i := slices.IndexFunc(f.gens, func(g *generation) bool { return g.key.Ino == k.Ino && g.key.Birth == k.Birth })
	if i < 0 {
		return nil
	}
	return f.gens[i]
}

// keepAgain takes hold of a file that the state knows and that only a dead agent has
// kept, if there is anything left to read of it.
func (a *agent) keepAgain(g *generation, path string) {
	if g.acked || g.path != "" || g.fd >= 0 || g.link {
		return
	}
	fd, err := tail.OpenFile(path)
	if err != nil {
		a.unreadable(path, err)
		return
	}
	st, err := tail.StatFD(fd)
	if err != nil || a.byKey[st.Key] != nil {
		tail.CloseFile(fd)
		return
	}
	g.key, g.fd, g.size, g.used = st.Key, fd, st.Size, wall.Mono()
	a.opened(g)
	a.byKey[g.key] = g
	a.keepLink(g)
	a.queue(g.of)
}

// adoptInto puts files into their stream, in the order in which files were born: they
// are older than what has a name of Ray's, but not than all that the state knows.
func (a *agent) adoptInto(k streamKey, orphans []orphan) {
	f := a.streams[k]
	if f == nil {
		file := a.conf.Source.File(k.session, k.name).File
		if file.Skip != "" {
			return
		}
		f = a.newFollower(k.session, file)
		a.streams[k] = f
	}
	if f.known {
		// What is older than a file that the state knows to have been begun was dealt
		// with before, and so was what is older than all.
		orphans = slices.DeleteFunc(orphans, func(o orphan) bool {
			return len(f.gens) > 0 && o.key.Birth < f.gens[0].key.Birth ||
				slices.ContainsFunc(f.gens, func(g *generation) bool { return g.begun && o.key.Birth < g.key.Birth })
		})
	}
	slices.SortFunc(orphans, func(x, y orphan) int { // births tick: what was thrown away first is the older
		return cmp.Or(cmp.Compare(y.key.Birth, x.key.Birth), cmp.Compare(y.gone, x.gone))
	})
	var seen []tail.Sighting
	var held []*generation
	for i, o := range orphans {
		g, head, err := a.hold(f, o.path, nameless-len(orphans)+i) // the newest first
		if err != nil {
			a.unreadable(o.path, err)
			continue
		}
		seen = append(seen, tail.Sighting{Path: o.path, Rotation: g.rotation, Stat: tail.Stat{Key: g.key, Size: g.size}, Head: head})
		g.thrown = o.gone // it is lost with the next name that it gets
		held = append(held, g)
	}
	if len(held) == 0 {
		return
	}
	a.log.Info("reading files on that were deleted and kept", "session", k.session, "stream", k.name, "files", len(held))
	a.place(f, seen, held, nil)
	for _, g := range held {
		g.unname()
	}
	f.inOrder()
	a.queue(f)
}

// inOrder brings files that are not begun into the order of their births, those without
// a name and those with one each among themselves.
func (f *follower) inOrder() {
	first := slices.IndexFunc(f.gens, func(g *generation) bool { return !g.begun })
	if first < 0 || first < f.cur || slices.ContainsFunc(f.gens[first:], func(g *generation) bool { return g.begun }) {
		return
	}
	slices.SortStableFunc(f.gens[first:], func(x, y *generation) int {
		if p, q := x.path != "", y.path != ""; p != q {
			return map[bool]int{true: 1, false: -1}[p]
		}
		if x.path != "" {
			return 0
		}
		return cmp.Or(cmp.Compare(x.key.Birth, y.key.Birth), cmp.Compare(x.thrown, y.thrown))
	})
}

func (a *agent) dropLink(g *generation) {
	if g.link {
		_ = os.Remove(a.linkPath(g))
		g.link = false
	}
}

// sweepLinks removes names of our own that no generation needs any more.
func (a *agent) sweepLinks() {
	if a.adopting > 0 {
		return
	}
	needed := map[string]bool{}
	for f := range a.all {
		for _, g := range f.gens {
			if g.link {
				needed[a.linkPath(g)] = true
			}
			if c := g.copy; c != nil && c.link {
				needed[a.linkPath(c)] = true
			}
		}
	}
	for root := range a.roots {
		entries, err := os.ReadDir(a.linkDir(root))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if p := filepath.Join(a.linkDir(root), e.Name()); !needed[p] {
				_ = os.Remove(p)
			}
		}
	}
}

// After staleAfter the names kept by an agent that does not run any more (its state
// was thrown away, say) are removed, as they would keep deleted files for ever.
const (
	staleAfter = 24 * time.Hour
	touchEvery = time.Hour
)

// sweepStale says that this agent lives, and removes what dead ones left behind.
func (a *agent) sweepStale(now time.Time) {
	if now.Sub(a.touched) < touchEvery {
		return
	}
	a.touched = now
	for root := range a.roots {
		a.sweepStaleIn(root, now)
	}
}

func (a *agent) sweepStaleIn(root string, now time.Time) {
	own := a.linkDir(root)
	_ = os.Chtimes(own, now, now)
	dirs, err := os.ReadDir(filepath.Dir(own))
	if err != nil {
		return
	}
	for _, d := range dirs {
		i, err := d.Info()
		if err == nil && i.IsDir() && d.Name() != a.state.ID() && now.Sub(i.ModTime()) > staleAfter {
			a.log.Info("removing files that an agent kept which does not run any more", "path", d.Name())
			_ = os.RemoveAll(filepath.Join(filepath.Dir(own), d.Name()))
		}
	}
}
