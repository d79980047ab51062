// Package discover finds the files of a source and says when something happens to
// them. A Layout tells where they are and what their names mean.
//
// Invariant: a change is told at least once, by inotify at once or by the next
// scan; what is told is only a hint to look, never the truth about a file. Symbolic
// links, pipes, sockets and devices are never told of as files.
package discover

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// Name is what a layout calls one path. Its parts are valid UTF-8 without control
// characters, whatever the path is. A Name lives as long as the path does; one that
// comes back is another.
type Name struct {
	Session string // place of a session below the Ray root; "" for other layouts
	Rel     string // of Ray below logs/, with slashes; for an Entry the entry's name
	Entry   bool   // in the session directory itself
	Data    any    // of the receiver

	listed  uint64 // scan that saw it last
	pending What   // not yet delivered
	turns   uint32 // likewise

	unwritten bool // nothing was told of it since it appeared
}

// What happened to a name.
type What uint8

// The kinds of events, which may come together.
const (
	Written  What = 1 << iota // it may have grown or shrunk
	Appeared                  // the path leads to another file than before
	Vanished                  // it leads nowhere any more; the last event of this Name
)

// Event is a name and what happened to it. Turns is how many files inotify saw come
// under the path since the last event of it: those that were gone before anybody
// could look are among them.
type Event struct {
	Name  *Name
	What  What
	Turns uint32
}

// News is what a watcher delivers. Scanned is set on the delivery that completes
// a scan of everything; Missing says that none of the roots was there. Rested says
// that it was time for a scan, and that inotify tells of everything. Blind says that
// files may have come and gone of which inotify did not tell.
type News struct {
	Events  []Event
	Scanned bool
	Rested  bool
	Blind   bool
	Missing error
}

// Limits of one watcher. What is beyond them is not followed, and counted.
const (
	maxNames = 1 << 17
	maxDirs  = 1 << 15
	maxDepth = 64 // below a root
)

// Reasons for which something is not followed, as counted.
const (
	reasonSymlink = "symlink"     // it leads out of the roots
	reasonLoop    = "loop"        // a directory lies within itself
	reasonDeep    = "too-deep"    // more than maxDepth directories below a root
	reasonMany    = "too-many"    // maxNames or maxDirs are there already
	reasonListing = "not-listed"  // a directory cannot be read
	reasonSpecial = "not-regular" // a pipe, socket or device
)

// Watcher watches the roots of one layout.
type Watcher struct {
	layout   Layout
	roots    []string
	interval time.Duration
	unread   func(reason string)
	logger   *slog.Logger
	openDir  func(path string, through bool) (*os.File, error)

	open    func() (*notifier, error)
	notify  *notifier // nil: scans only
	waiting atomic.Pointer[notifier]
	retry   time.Time // when to try inotify again
	told    map[string]bool
	blind   int // directories of the last scan of which inotify does not tell
	dirs    map[string]*dir
	names   int
	scan    uint64
	news    News
	reports chan News
	absent  map[string]bool // roots that were not there
	moved   bool            // something else than a write was told of
	fresh   bool            // likewise, and not delivered yet
	unsure  bool            // the last scan could not see or watch everything
	rests   int             // intervals since the last scan
	sent    time.Time       // when something was delivered last
}

// New makes a watcher that scans everything once in interval (0 means 5 s), and less
// often while inotify tells of everything. unread, which may be nil, is called once for each thing that is not followed.
func New(l Layout, interval time.Duration, unread func(reason string), logger *slog.Logger) *Watcher {
	if interval <= 0 {
		interval = 5 * time.Second
	}
	if unread == nil {
		unread = func(string) {}
	}
	return &Watcher{
		layout: l, roots: l.Roots(), interval: interval, unread: unread, logger: logger, openDir: openDir,
		dirs: map[string]*dir{}, told: map[string]bool{}, absent: map[string]bool{}, reports: make(chan News, 1),
		open: newNotifier,
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
	// writtenEvery is the least time between two deliveries of nothing else: the
	// receiver reads files that grow less often.
	writtenEvery = 100 * time.Millisecond
)

// restsAtMost is how many intervals may pass without a scan where inotify tells of all.
const restsAtMost = 5

// pollEvery is the time between two scans at most where inotify does not tell of
// all that happens, and retryEvery that between two attempts to start it.
const (
	pollEvery  = time.Second
	retryEvery = time.Minute
)

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	w.start(ctx)
	defer w.end()
	defer context.AfterFunc(ctx, w.interrupt)()
	var next, rested time.Time // rested: when scans take no more than a fifth of the time
	for ctx.Err() == nil {
		now := time.Now()
		switch {
		case now.Before(next):
		case w.mayRest():
			w.rests++
			w.news.Rested = true
			next = now.Add(w.interval)
		default:
			w.rests = 0
			w.again(ctx)
			w.scanAll()
			end := time.Now()
			rested = end.Add(4 * end.Sub(now))
			next = later(end.Add(w.period()), rested)
		}
		until := next
		switch hold := w.hold(); {
		case hold > 0:
			until = time.Now().Add(hold)
		case !w.deliver():
			until = time.Now().Add(settle) // the receiver is busy
		}
		if w.wait(ctx, until) {
			next, w.news.Blind, w.unsure = rested, true, true // events were lost
			if w.once("queue") {
				w.logger.Warn("inotify lost events: what they told of is found by a scan", "hint", "raise fs.inotify.max_queued_events")
			}
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// period is shorter while a root is not there and where inotify does not tell.
func (w *Watcher) period() time.Duration {
	if w.notify == nil || len(w.absent) > 0 || w.blind > 0 {
		return min(w.interval, pollEvery)
	}
	return w.interval
}

// mayRest reports whether nothing can have happened that inotify did not tell of.
func (w *Watcher) mayRest() bool {
	return w.scan > 0 && w.rests < restsAtMost && !w.unsure && w.notify != nil && w.blind == 0 && len(w.absent) == 0
}

// hold is for how long not to deliver what is pending: 0 if it is more than that
// files have grown.
func (w *Watcher) hold() time.Duration {
	if w.fresh || w.news.Scanned || w.news.Rested || w.news.Blind || len(w.news.Events) == 0 {
		return 0
	}
	return max(0, writtenEvery-time.Since(w.sent))
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
		w.end()
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

// deliver hands over what is pending, and reports whether that is done: the receiver
// may be busy with the last.
func (w *Watcher) deliver() bool {
	if n := &w.news; len(n.Events) == 0 && !n.Scanned && !n.Rested && !n.Blind {
		return true
	}
	for i := range w.news.Events {
		e := &w.news.Events[i]
		e.What, e.Turns = e.Name.pending, e.Name.turns
	}
	select {
	case w.reports <- w.news:
		for _, e := range w.news.Events {
			e.Name.pending, e.Name.turns = 0, 0
		}
		// As many are to be expected again.
		w.news, w.fresh, w.sent = News{Events: make([]Event, 0, min(len(w.news.Events), 64))}, false, time.Now()
		return true
	default:
		return false
	}
}

func (w *Watcher) tell(n *Name, what What) {
	if n.pending == 0 {
		w.news.Events = append(w.news.Events, Event{Name: n})
	}
	n.pending |= what
	// With its first bytes a file becomes one to hold: it may be deleted at once.
	more := what != Written || n.unwritten
	n.unwritten = what&Appeared != 0
	w.moved, w.fresh = w.moved || more, w.fresh || more
}

// once is true the first time it is asked about a thing.
func (w *Watcher) once(what string) bool {
	if w.told[what] {
		return false
	}
	w.told[what] = true
	return true
}
