package discover

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// dir is one directory that is watched.
type dir struct {
	path    string
	parent  *dir // nil for a root
	depth   int
	at      place
	inside  bool // files in it are followed
	remote  bool // of a file system that others write to
	names   map[string]*Name
	came    map[string]uint32 // files that came under a name and were not told of yet
	odd     map[string]uint64 // entries that are not followed, told of already, and the scan that saw them last
	wd      int
	listed  uint64
	through bool // a symbolic link leads to it
}

// place is what the kernel knows a directory by.
type place struct{ dev, ino uint64 }

// scanAll lists every directory, watches new ones, and tells what is new or gone.
func (w *Watcher) scanAll() {
	w.scan++
	w.blind, w.unsure = 0, false
	var missing error
	for _, root := range w.roots {
		err := w.list(root, nil, true)
		switch gone := err != nil; {
		case gone && !w.absent[root]:
			w.logger.Warn("a root cannot be read, waiting for it", "path", root, "error", err)
			w.absent[root] = true
		case !gone && w.absent[root]:
			w.logger.Info("a root is there", "path", root)
			delete(w.absent, root)
		}
		missing = errors.Join(missing, err)
	}
	for path, d := range w.dirs {
		if d.listed != w.scan {
			w.drop(path, d)
		}
	}
	w.news.Scanned, w.news.Missing = true, nil
	w.news.Blind = w.news.Blind || w.notify == nil || w.blind > 0
	if len(w.absent) == len(w.roots) {
		w.news.Missing = missing
	}
}

// listAtOnce is how many entries of a directory are in memory at a time.
const listAtOnce = 4096

// list watches the directory and looks at each entry. through says that a symbolic
// link may lead to it.
func (w *Watcher) list(path string, parent *dir, through bool) error {
	d := w.dirs[path]
	if d != nil && d.listed == w.scan {
		return nil // it lies below another root
	}
	if d == nil {
		if d = w.enter(path, parent, through); d == nil {
			return nil
		}
	}
	// Watch first: what comes into being while we list is then told twice, not never.
	w.watch(d)
	f, err := w.openDir(path, d.through)
	if err != nil {
		if parent != nil && !errors.Is(err, fs.ErrNotExist) && w.oddity(parent, filepath.Base(path), reasonListing) {
			w.logger.Warn("cannot list a directory, will try again", "path", path, "error", err,
				"hint", "run the agent as the user who owns it, or as root")
		}
		w.keep(path, err)
		w.unsure = true
		return err
	}
	defer f.Close()
	w.dirs[path] = d
	d.listed = w.scan
	for {
		entries, err := f.ReadDir(listAtOnce)
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		for _, e := range entries {
			w.entry(d, e.Name(), e.Type())
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			w.unsure = true
			return err // what was not listed is not taken to be gone
		}
	}
	for name, n := range d.names {
		if n.listed != w.scan {
			w.gone(d, name, n)
		}
	}
	for name, scan := range d.odd {
		if scan != w.scan {
			delete(d.odd, name)
		}
	}
	return nil
}

// keep takes what was there when a directory was last listed to be there still, where
// no more is known than that it cannot be listed: for want of descriptors, say.
func (w *Watcher) keep(path string, err error) {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return
	}
	for p, d := range w.dirs {
		if p == path || strings.HasPrefix(p, path+"/") {
			d.listed = w.scan
		}
	}
}

func openDir(path string, through bool) (*os.File, error) {
	flags := unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NONBLOCK
	if !through {
		flags |= unix.O_NOFOLLOW
	}
	return os.OpenFile(path, flags, 0)
}

// enter makes a new directory known, nil if it must not be.
func (w *Watcher) enter(path string, parent *dir, through bool) *dir {
	d := &dir{path: path, parent: parent, names: map[string]*Name{}, wd: -1, through: through}
	var st unix.Stat_t
	if unix.Stat(path, &st) == nil {
		d.at = place{uint64(st.Dev), st.Ino}
	}
	if parent == nil {
		d.inside = w.layout.Enter(path) == Inside
	} else {
		d.inside = w.layout.Enter(path) == Inside
		d.depth = parent.depth + 1
		why := ""
		switch {
		case d.depth > maxDepth:
			why = reasonDeep
		case len(w.dirs) >= maxDirs:
			why = reasonMany
		case d.within(parent):
			why = reasonLoop
		}
		if why != "" {
			if w.oddity(parent, filepath.Base(path), why) {
				w.logger.Warn("a directory is not followed", "path", path, "reason", why)
			}
			return nil
		}
	}
	var fs unix.Statfs_t
	d.remote = unix.Statfs(path, &fs) == nil && isRemote(int64(fs.Type))
	return d
}

// within reports whether the directory is one of those that it lies in.
func (d *dir) within(parent *dir) bool {
	for p := parent; p != nil; p = p.parent {
		if p.at == d.at && d.at != (place{}) {
			return true
		}
	}
	return false
}

// remoteFileSystems are those that others may write to without inotify telling, by
// the magic numbers of statfs(2).
var remoteFileSystems = []int64{
	unix.NFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC,
	unix.SMB2_SUPER_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.CODA_SUPER_MAGIC,
	0x0bd00bd0, // Lustre
	0x47504653, // GPFS
	0x786f4256, // vboxsf
}

func isRemote(magic int64) bool { return slices.Contains(remoteFileSystems, magic&0xffffffff) }

// oddity notes that an entry is not followed, and reports whether that is new.
func (w *Watcher) oddity(d *dir, name, reason string) bool {
	if _, told := d.odd[name]; told {
		d.odd[name] = w.scan
		return false
	}
	if d.odd == nil {
		d.odd = map[string]uint64{}
	}
	if len(d.odd) < maxNames/8 { // more of them are counted with each scan
		d.odd[name] = w.scan
	}
	w.unread(reason)
	return true
}

// entry looks at one directory entry by its type.
func (w *Watcher) entry(d *dir, name string, kind fs.FileMode) {
	if n := d.names[name]; n != nil && kind.IsRegular() {
		n.listed = w.scan
		return
	}
	path := join(d.path, name)
	switch {
	case kind.IsDir():
		if w.layout.Enter(path) != Outside {
			_ = w.list(path, d, false)
		}
	case kind.IsRegular():
		w.named(d, name, w.layout.Name(path))
	case kind&fs.ModeSymlink != 0:
		w.link(d, name, path)
	case kind&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeDevice) != 0:
		if d.inside && w.layout.Name(path) != nil {
			w.oddity(d, name, reasonSpecial)
		}
	}
}

func join(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}

// named tells of a name not seen before; n is nil where the layout has none for it.
func (w *Watcher) named(d *dir, name string, n *Name) {
	switch {
	case n == nil:
		return
	case w.names >= maxNames:
		if w.oddity(d, name, reasonMany) && w.once(reasonMany) {
			w.logger.Warn("too many files: some are not followed", "path", d.path, "most", maxNames)
		}
		return
	}
	w.names++
	d.names[name] = n
	n.listed = w.scan
	w.appeared(d, name, n)
}

// appeared tells that a name leads to another file, and how many it led to since.
func (w *Watcher) appeared(d *dir, name string, n *Name) {
	n.turns += d.came[name]
	delete(d.came, name)
	w.tell(n, Appeared)
}

// turned counts a file that came under a name, whether or not it can still be looked at.
func (w *Watcher) turned(d *dir, name string) {
	if d.came == nil {
		d.came = map[string]uint32{}
	}
	if len(d.came) >= maxNames/8 {
		clear(d.came)
		w.news.Blind = true
	}
	d.came[name]++
}

// link looks at a symbolic link. Where they are not followed, one that leads to a
// place below a root matters not: what is there is found by itself.
func (w *Watcher) link(d *dir, name, path string) {
	if !w.layout.Follow() && w.layout.Name(path) == nil && w.layout.Enter(path) == Outside {
		return
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return // it leads nowhere
	}
	i, err := os.Stat(target)
	if err != nil {
		return
	}
	switch {
	case w.layout.Follow() && i.IsDir():
		if w.layout.Enter(path) != Outside {
			_ = w.list(path, d, true)
		}
	case w.layout.Follow() && i.Mode().IsRegular():
		w.linked(d, name, path, target)
	case !w.holds(target):
		if w.oddity(d, name, reasonSymlink) {
			w.logger.Info("a symbolic link leads out of the root: it is not followed", "path", path)
		}
	}
}

// holds reports whether a path without symbolic links lies below a root.
func (w *Watcher) holds(target string) bool {
	target, err := filepath.Abs(target)
	return err == nil && slices.ContainsFunc(w.roots, func(r string) bool {
		r, err := filepath.Abs(r)
		if err == nil {
			r, err = filepath.EvalSymlinks(r)
		}
		return err == nil && isBelow(target, r)
	})
}

// linked tells of the file that a link leads to, by that file's own path. inotify
// does not tell of writes to it.
func (w *Watcher) linked(d *dir, name, path, target string) {
	if w.layout.Name(path) == nil {
		return
	}
	w.blind++
	n := &Name{Rel: escape(target)}
	switch old := d.names[name]; {
	case old != nil && old.Rel == n.Rel:
		old.listed = w.scan
		return
	case old != nil:
		w.gone(d, name, old)
	}
	w.named(d, name, n)
}

func (w *Watcher) gone(d *dir, name string, n *Name) {
	delete(d.names, name)
	w.names--
	w.tell(n, Vanished)
}

// drop forgets a directory that is not there any more.
func (w *Watcher) drop(path string, d *dir) {
	for name, n := range d.names {
		w.gone(d, name, n)
	}
	delete(w.dirs, path)
	if w.notify != nil {
		w.notify.forget(d)
	}
}

// event takes one inotify event.
func (w *Watcher) event(d *dir, name []byte, e kernelEvent) {
	n := d.names[string(name)]
	if e.came && !e.dir {
		w.turned(d, string(name))
	}
	switch {
	case e.dir && e.came:
		w.entry(d, string(name), fs.ModeDir)
	case e.dir && e.went:
		w.dropBelow(join(d.path, string(name)))
	case e.dir:
	case e.came && n != nil:
		w.appeared(d, string(name), n) // replaced by a rename
	case e.came, e.written && n == nil:
		w.came(d, string(name))
	case e.went && n != nil:
		w.gone(d, string(name), n)
	case e.written && n != nil:
		w.tell(n, Written)
	}
}

// came looks at a name that the last scan did not see.
func (w *Watcher) came(d *dir, name string) {
	path := join(d.path, name)
	n := w.layout.Name(path)
	if n == nil {
		delete(d.came, name)
	}
	if n == nil && !w.layout.Follow() {
		return
	}
	i, err := os.Lstat(path)
	if err != nil {
		return
	}
	w.entry(d, name, i.Mode().Type())
}

func (w *Watcher) dropBelow(path string) {
	for p, d := range w.dirs {
		if isBelow(p, path) {
			w.drop(p, d)
		}
	}
}
