// Package discover finds the log files below a Ray root and says when something
// happens to them.
//
// Invariant: a change is told at least once, by inotify at once or by the next
// scan; what is told is only a hint to look, never the truth about a file.
package discover

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Name is one path below a session's logs/, or (Entry) in the session directory
// itself. A Name lives as long as the path does; one that comes back is another.
type Name struct {
	Session string // directory name
	Rel     string // below logs/, with slashes; for an Entry the entry's name
	Entry   bool
	Data    any // of the receiver

	listed  uint64 // scan that saw it last
	pending What   // not yet delivered
}

// What happened to a name.
type What uint8

// The kinds of events, which may come together.
const (
	Written  What = 1 << iota // it may have grown or shrunk
	Appeared                  // the path leads to another file than before
	Vanished                  // it leads nowhere any more; the last event of this Name
)

// Event is a name and what happened to it.
type Event struct {
	Name *Name
	What What
}

// News is what a watcher delivers. Scanned is set on the delivery that completes
// a scan of everything; Missing says that the root was not there.
type News struct {
	Events  []Event
	Scanned bool
	Missing error
}

// Watcher watches one root.
type Watcher struct {
	root     string
	interval time.Duration
	logger   *slog.Logger

	notify  *notifier // nil: scans only
	dirs    map[string]*dir
	scan    uint64
	news    News
	reports chan News
	missing bool
	moved   bool // something else than a write was told of
}

// dir is one directory that is watched.
type dir struct {
	path    string
	session string // "" for the root
	rel     string // below logs/, "" for logs/ itself
	entries bool   // the session directory itself
	names   map[string]*Name
	wd      int
	listed  uint64
}

// New makes a watcher of root that scans everything once in interval (0 means 5 s).
func New(root string, interval time.Duration, logger *slog.Logger) *Watcher {
	if interval <= 0 {
		interval = 5 * time.Second
	}
	return &Watcher{
		root: filepath.Clean(root), interval: interval, logger: logger,
		dirs: map[string]*dir{}, reports: make(chan News, 1),
	}
}

// News is where Run delivers.
func (w *Watcher) News() <-chan News { return w.reports }

// How long events are gathered before they are delivered: long enough to make one
// of many, and short enough to get hold of files that rotate away, of which Ray's
// fastest lives for about 75 ms.
const (
	settle        = 5 * time.Millisecond
	settleWritten = 20 * time.Millisecond // where files have only grown
)

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	n, err := newNotifier()
	if err != nil {
		w.logger.Warn("no inotify: files are found by scanning only", "error", err, "hint", "raise fs.inotify.max_user_instances")
	} else {
		w.notify = n
		defer n.close()
		defer context.AfterFunc(ctx, n.interrupt)()
	}
	next := time.Time{}
	for ctx.Err() == nil {
		if !time.Now().Before(next) {
			w.scanAll()
			next = time.Now().Add(w.period())
		}
		w.deliver()
		until := next
		if len(w.news.Events) > 0 || w.news.Scanned {
			until = time.Now().Add(settle) // the receiver is busy
		}
		if w.wait(ctx, until) {
			next = time.Time{} // events were lost
		}
	}
}

// period is shorter while there is no root and where there is no inotify.
func (w *Watcher) period() time.Duration {
	if w.notify == nil || w.missing {
		return min(w.interval, time.Second)
	}
	return w.interval
}

func (w *Watcher) wait(ctx context.Context, until time.Time) (overflow bool) {
	if w.notify == nil {
		pause(ctx, time.Until(until))
		return false
	}
	w.moved = false
	some, overflow, err := w.notify.read(ctx, until, w.event)
	if err != nil {
		w.logger.Warn("inotify ended: files are found by scanning only", "error", err)
		w.notify = nil
	}
	switch {
	case some && w.moved:
		pause(ctx, settle)
	case some:
		pause(ctx, settleWritten)
	}
	return overflow
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// deliver hands over what is pending unless the receiver is still busy with the last.
func (w *Watcher) deliver() {
	if len(w.news.Events) == 0 && !w.news.Scanned {
		return
	}
	for i := range w.news.Events {
		e := &w.news.Events[i]
		e.What = e.Name.pending
	}
	select {
	case w.reports <- w.news:
		for _, e := range w.news.Events {
			e.Name.pending = 0
		}
		w.news = News{}
	default:
	}
}

func (w *Watcher) tell(n *Name, what What) {
	if n.pending == 0 {
		w.news.Events = append(w.news.Events, Event{Name: n})
	}
	n.pending |= what
	w.moved = w.moved || what != Written
}

// scanAll lists every directory, watches new ones, and tells what is new or gone.
func (w *Watcher) scanAll() {
	w.scan++
	err := w.list(w.root, w.rootDir)
	if err == nil && w.missing {
		w.logger.Info("the ray root is there", "path", w.root)
	}
	if err != nil && !w.missing {
		w.logger.Warn("the ray root cannot be read, waiting for it", "path", w.root, "error", err)
	}
	w.missing = err != nil
	for path, d := range w.dirs {
		if d.listed != w.scan {
			w.drop(path, d)
		}
	}
	w.news.Scanned, w.news.Missing = true, err
}

func (w *Watcher) rootDir() *dir { return &dir{path: w.root} }

// list watches the directory, new ones made by make, and looks at each entry.
func (w *Watcher) list(path string, make func() *dir) error {
	d := w.dirs[path]
	if d == nil {
		d = make()
		d.names, d.wd = map[string]*Name{}, -1
	}
	// Watch first: what comes into being while we list is then told twice, not never.
	w.watch(d)
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	w.dirs[path] = d
	d.listed = w.scan
	for _, e := range entries {
		w.entry(d, e.Name(), e.Type())
	}
	for name, n := range d.names {
		if n.listed != w.scan {
			w.gone(d, name, n)
		}
	}
	return nil
}

func (w *Watcher) watch(d *dir) {
	if w.notify == nil {
		return
	}
	wd, err := w.notify.watch(d)
	switch {
	case err == nil:
		d.wd = wd
	case errors.Is(err, fs.ErrNotExist):
	default:
		w.logger.Warn("cannot watch a directory: files are found by scanning only", "path", d.path, "error", err,
			"hint", "raise fs.inotify.max_user_watches")
		w.notify.close()
		w.notify = nil
	}
}

// entry looks at one directory entry by its type.
func (w *Watcher) entry(d *dir, name string, kind fs.FileMode) {
	path := d.path + "/" + name
	switch {
	case d.session == "":
		if kind.IsDir() && strings.HasPrefix(name, "session_") {
			_ = w.list(path, func() *dir { return &dir{path: path, session: name, entries: true} })
		}
	case d.entries && kind.IsDir():
		if name == "logs" {
			_ = w.list(path, func() *dir { return &dir{path: path, session: d.session} })
		}
	case kind.IsDir():
		_ = w.list(path, func() *dir { return &dir{path: path, session: d.session, rel: d.rel + name + "/"} })
	case kind.IsRegular():
		w.named(d, name)
	}
}

// named tells of a name not seen before.
func (w *Watcher) named(d *dir, name string) {
	n := d.names[name]
	if n == nil {
		n = &Name{Session: d.session, Rel: d.rel + name, Entry: d.entries}
		d.names[name] = n
		w.tell(n, Appeared)
	}
	n.listed = w.scan
}

func (w *Watcher) gone(d *dir, name string, n *Name) {
	delete(d.names, name)
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
	switch {
	case e.dir && e.came:
		w.entry(d, string(name), fs.ModeDir)
	case e.dir && e.went:
		w.dropBelow(d.path + "/" + string(name))
	case e.dir:
	case e.came && n != nil:
		w.tell(n, Appeared) // replaced by a rename
	case e.came, e.written && n == nil:
		if d.session != "" {
			w.entry(d, string(name), w.typeOf(d, string(name)))
		}
	case e.went && n != nil:
		w.gone(d, string(name), n)
	case e.written && n != nil:
		w.tell(n, Written)
	}
}

func (w *Watcher) typeOf(d *dir, name string) fs.FileMode {
	if d.entries {
		return 0
	}
	i, err := os.Lstat(d.path + "/" + name)
	if err != nil {
		return fs.ModeIrregular
	}
	return i.Mode().Type()
}

func (w *Watcher) dropBelow(path string) {
	for p, d := range w.dirs {
		if p == path || strings.HasPrefix(p, path+"/") {
			w.drop(p, d)
		}
	}
}
