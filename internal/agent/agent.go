// Package agent follows a Ray node's log files and brings each line to a server
// once. It wires discover (which files are there), tail (what to do next with
// one), pipeline and parse (bytes to batches), ship (batches to the server) and
// state (positions on disk).
//
//	discover ──names──▶ loop ──jobs──▶ readers ──parts──▶ batches ──▶ sender ──▶ server
//	                     ▲ ▲            (pread, parse)    (bounded)      │
//	                     │ └────────────── done ◀──────────              │
//	                     └───────────── acknowledged, refused ◀──────────┘
//	                     └──▶ state (anchors before the send, positions after the answer)
//
// One goroutine, the loop, owns every follower and decides; the others do what
// takes time. Invariant: a stream is read by one reader at a time and its parts
// reach the server in order, so a position never passes a byte that was not
// acknowledged or told as a gap.
//
// Memory is bounded by construction, not by the rate of logs: per reader one read
// buffer (320 KiB) and one of entries (0.5 MiB, with the longest line 0.8 MiB);
// three batch buffers (1 MiB each) and one compressed body (1.2 MiB at most); 16 KiB
// of inotify; beyond that about 2 KiB for each file that has bytes, and 1 KiB for each
// that is empty. With two readers and 200 files that is under 6 MiB; a Loki as target
// takes about 1.5 MiB more.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/agent/ship"
	"github.com/remora-ray/remora/internal/agent/state"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
)

// ErrIncomplete is wrapped by Run's error when it returned before everything that
// was read had been acknowledged. Nothing is lost: the next run goes on there.
var ErrIncomplete = errors.New("not everything was delivered")

// batches is how many batch buffers there are: one being sent, one waiting, one
// being filled.
const batches = 3

type streamKey struct{ session, name string }

type agent struct {
	conf    Config
	log     *slog.Logger
	met     *metrics
	health  *Health
	machine string

	target  ship.Target
	state   *state.Log
	watcher *discover.Watcher
	builder *pipeline.Builder
	jobs    chan pipeline.Job
	done    chan pipeline.Done
	results chan ship.Result
	answers chan answers

	sessions  map[string]*session
	roots     map[string]struct{} // directories that sessions lie in
	linkLocks map[string]*os.File // of our directories of names
	streams   map[streamKey]*follower
	all       map[*follower]struct{}
	byKey     map[tail.Key]*generation
	restored  map[tail.Key]*generation // of the state, not seen yet; Dev is 0

	wire     parse.Wire
	wired    bool // the target has said what it is
	deaf     bool // it knows nothing of what it was sent: standard output
	asking   bool
	toAsk    []*follower
	fresh    bool        // nothing seen yet: streams that the state does not know may be known to the server
	missing  bool        // the state is new, or part of it is lost
	born     int64       // when this run began, Unix nanoseconds
	began    int64       // likewise, by wall.Mono
	starved  bool        // a file could not be opened for want of descriptors
	blind    bool        // something may have happened of which inotify did not tell
	era      int         // in which inotify told of everything that happened; see moment
	doubted  []*follower // to be asked about again in a while
	heardAt  int64       // when the server first answered, by wall.Mono
	adopting int         // for how many sweeps kept files are yet to be looked at again
	scanned  bool        // everything that is there was looked at once
	awake    int64       // since when nothing was missed, Unix nanoseconds of the file systems' clock
	turned   int64       // when the loop last went round, by wall.Mono
	there    bool        // the last scan found a root
	begun    bool        // and the root was there

	dirty       []*follower // something happened; read in the next round
	firstDirty  time.Time
	lastRound   time.Time
	shut        map[string]shut
	placed      time.Time   // when it was last asked whose files are
	touched     time.Time   // when this agent last said that it lives
	weighed     time.Time   // when pending bytes were last added up
	ready       []*follower // to be read now, in turn
	settling    []*follower // to be looked at again soon, whatever happens
	running     int
	unacked     int         // parts
	descriptors int         // descriptors
	unpacking   *generation // the compressed file that is being read
	toUnpack    []*follower // that wait for their turn to read one

	draining                bool
	closing                 bool      // half lines are taken as lines
	left                    time.Time // when another agent took over
	lastGrowth              time.Time
	progress                time.Time
	bytesRead, acknowledged uint64
	slimmed                 uint64          // bytesRead when memory was given back
	slimmedAt               time.Time       // and when that was
	lost                    int             // bytes and lines that could not be had, for Once's answer
	unread                  map[string]bool // paths that could not be read when they were last tried
	head                    [tail.HeadLen]byte
}

// Run follows conf.RayRoot until ctx ends, then drains: it goes on until files are
// quiet and everything is acknowledged, or DrainTimeout is over. With Once it
// returns when everything that is there has been acknowledged. It may run in one
// process with a server.
func Run(ctx context.Context, conf Config) error {
	return RunUntil(ctx, context.WithoutCancel(ctx), conf)
}

// RunUntil is Run that ends at once, without reading to the end, when now does: the
// next run with the same state goes on from there.
func RunUntil(ctx, now context.Context, conf Config) error {
	if err := conf.validate(); err != nil {
		return err
	}
	a, err := open(conf)
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.met.register(conf.Registerer); err != nil {
		return err
	}
	defer a.met.unregister(conf.Registerer)
	conf.Health(a.health)
	return a.runUntil(ctx, now)
}

// open opens the state and takes up where the last run ended.
func open(conf Config) (*agent, error) {
	target, err := conf.target()
	if err != nil {
		return nil, err
	}
	st, found, err := state.Open(conf.State)
	if err != nil {
		return nil, err
	}
	a := newAgent(conf, target, st)
	a.restore(found)
	if found.Full != nil {
		a.stateResult(found.Full)
	}
	return a, nil
}

func newAgent(conf Config, target ship.Target, st *state.Log) *agent {
	readers := conf.Readers
	if readers <= 0 {
		readers = min(runtime.GOMAXPROCS(0), 4)
	}
	a := &agent{
		conf: conf, log: conf.Logger, met: newMetrics(), health: &Health{ask: make(chan question)}, machine: conf.machine(),
		target: target, state: st,
		builder:  pipeline.NewBuilder(conf.BatchBytes, batches),
		jobs:     make(chan pipeline.Job, readers),
		done:     make(chan pipeline.Done, readers),
		results:  make(chan ship.Result, batches),
		answers:  make(chan answers, 1),
		sessions: map[string]*session{}, roots: map[string]struct{}{}, streams: map[streamKey]*follower{}, all: map[*follower]struct{}{},
		byKey: map[tail.Key]*generation{}, restored: map[tail.Key]*generation{}, linkLocks: map[string]*os.File{}, unread: map[string]bool{}, shut: map[string]shut{}, born: wall.Now().UnixNano(), began: wall.Mono(), awake: math.MaxInt64,
	}
	a.watcher = discover.New(conf.Source, conf.ScanEvery, func(reason string) { a.met.drops.WithLabelValues(reason).Inc() }, conf.Logger)
	if conf.RayRoot != "" {
		a.roots[conf.RayRoot] = struct{}{}
	}
	return a
}

// runUntil starts everything, runs the loop, and waits for all that it started.
// It drains when ctx ends, and drops everything when hard does.
func (a *agent) runUntil(ctx, hard context.Context) error {
	work, stop := context.WithCancel(hard)
	var wg sync.WaitGroup
	for range cap(a.jobs) {
		wg.Go(func() { pipeline.NewReader(a.builder).Run(work, a.jobs, a.done) })
	}
	sender := a.sender()
	wg.Go(func() { sender.Run(work, a.builder.Out(), a.results) })
	wg.Go(func() { a.watcher.Run(work) })
	err := a.loop(ctx, work)
	stop()
	wg.Wait()
	return err
}

func (a *agent) sender() *ship.Sender {
	return &ship.Sender{
		Target: a.target, Logger: a.log, MinWait: a.conf.MinWait, MaxWait: a.conf.MaxWait,
		Before:   a.beforeSend,
		Rewind:   func(f pipeline.Follower) { f.(*follower).epoch.Add(1) },
		Bury:     a.bury,
		Retrying: func(error) { a.health.failed() },
		Attempted: func(x ship.Attempt) {
			a.met.pushes.WithLabelValues(x.Status).Inc()
			if x.Kind == ship.KindRetry {
				a.met.retries.WithLabelValues(x.Status).Inc()
			}
		},
	}
}

// tick is how often the loop looks at what waits for time to pass.
const tick = 100 * time.Millisecond

func (a *agent) loop(ctx, work context.Context) error {
	timer := time.NewTicker(tick)
	defer timer.Stop()
	ticks := timer.C // nil while nothing waits for time to pass
	pulse := time.NewTicker(pulseEvery)
	defer pulse.Stop()
	ending := ctx.Done()
	var deadline <-chan time.Time
	if a.conf.Once {
		a.draining, ending = true, nil
	}
	a.progress = time.Now()
	a.ask(work)
	a.turned = wall.Mono()
	for {
		a.wakes()
		if !a.leaves() {
			a.schedule(work)
		}
		if done, err := a.finished(); done {
			return err
		}
		switch waits := a.waits(); {
		case waits && ticks == nil:
			timer.Reset(tick)
			ticks = timer.C
		case !waits && ticks != nil:
			timer.Stop()
			ticks = nil
		}
		select {
		case n := <-a.watcher.News():
			a.news(n)
		case d := <-a.done:
			a.jobDone(d)
		case r := <-a.results:
			a.result(r)
		case x := <-a.answers:
			a.answered(x)
		case q := <-a.health.ask:
			q.answer <- a.status(q.files)
		case now := <-ticks:
			a.placeSessions(now)
		case <-pulse.C:
		case <-ending:
			a.draining, ending = true, nil
			if errors.Is(context.Cause(ctx), ErrReplaced) {
				a.left = time.Now()
			}
			a.log.Info("stopping: reading to the end first", "deadline", a.conf.DrainTimeout)
			deadline = time.After(a.conf.DrainTimeout)
		case <-work.Done():
			return context.Cause(work)
		case <-deadline:
			return fmt.Errorf("%w within %s: %d bytes are not acknowledged", ErrIncomplete, a.conf.DrainTimeout, a.status(false).Behind)
		}
	}
}

// pulseEvery is how often the loop goes round even if nothing happens.
const pulseEvery = 500 * time.Millisecond

// wakes notes that the process did not run for a while, as one that was stopped.
func (a *agent) wakes() {
	now := wall.Mono()
	if now-a.turned > 2*int64(pulseEvery) {
		a.awake = time.Now().UnixNano()
	}
	a.turned = now
}

// waits reports whether anything is to be looked at again when time has passed.
func (a *agent) waits() bool {
	return a.draining || !a.wired || a.asking || a.running+a.unacked > 0 || a.unplaced() ||
		len(a.toAsk)+len(a.doubted)+len(a.toUnpack)+len(a.dirty)+len(a.ready)+len(a.settling) > 0
}

// finished reports whether a drain has come to its end.
func (a *agent) finished() (bool, error) {
	if !a.draining || a.gone() {
		return a.draining, nil
	}
	now := time.Now()
	if a.conf.Once && now.Sub(a.progress) > a.conf.DrainTimeout {
		return true, fmt.Errorf("%w: nothing went forward for %s", ErrIncomplete, a.conf.DrainTimeout)
	}
	idle := a.scanned && (a.wired && !a.asking || len(a.all) == 0) && len(a.toAsk)+len(a.doubted)+len(a.toUnpack)+len(a.dirty)+len(a.ready)+a.running+a.unacked == 0 && !a.behind()
	if !idle || (!a.conf.Once && now.Sub(a.lastGrowth) < a.conf.QuietBefore) {
		return false, nil
	}
	if !a.closing {
		a.closing = true
		for f := range a.all {
			a.queue(f)
		}
		return false, nil
	}
	if a.conf.Once && !a.begun {
		return true, fmt.Errorf("%w: %w", ErrIncomplete, a.health.Ready())
	}
	if a.conf.Once && len(a.unread) > 0 {
		return true, fmt.Errorf("%w: cannot read %s, run the agent as the user who runs Ray, or as root", ErrIncomplete, a.unreadPaths())
	}
	if a.conf.Once && a.lost > 0 {
		return true, fmt.Errorf("%w: %d gaps or refused parts, see the log", ErrIncomplete, a.lost)
	}
	return true, nil
}

// behind reports whether a stream waits for time to pass before it goes on.
func (a *agent) behind() bool {
	for _, f := range a.settling {
		if f.cur+1 < len(f.gens) {
			return true
		}
	}
	return false
}

func (a *agent) close() {
	for f := range a.all {
		for _, g := range f.gens {
			a.closeFD(g)
		}
	}
	for _, f := range a.linkLocks {
		f.Close()
	}
	if err := a.state.Close(); err != nil {
		a.log.Error("close state", "error", err)
	}
}

// beforeSend makes the anchors of a batch durable: a line without a time of its
// own must get the same one if it is sent again after a crash. A Loki takes lines
// twice if their times differ: how far it may have them is recorded, not synced.
func (a *agent) beforeSend(b *pipeline.Batch) {
	durable := false
	var streams []state.Anchored
	for i := range b.Parts {
		p := &b.Parts[i]
		s := state.Anchored{File: p.File, Anchors: p.Anchors}
		durable = durable || len(s.Anchors) > 0
		if p.Wire == parse.Loki {
			s.Anchors = append(slices.Clip(s.Anchors), parse.SentTo(p.To))
		}
		if len(s.Anchors) > 0 {
			streams = append(streams, s)
		}
	}
	if len(streams) == 0 {
		return
	}
	err := a.state.Anchor(streams...)
	if durable {
		err = errors.Join(err, a.state.Sync())
	}
	a.stateResult(err)
}

// stateResult tells of a state directory that cannot be written to. Lines go on:
// our server knows each file's offset anyway.
func (a *agent) stateResult(err error) {
	if err == nil {
		a.health.stateWritten()
		return
	}
	a.met.stateErrors.Inc()
	if a.health.stateFailed(err) {
		a.log.Error("positions cannot be recorded, lines are sent on: a restart may send some again", "error", err, "path", a.conf.State)
	}
}
