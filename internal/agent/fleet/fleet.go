// Package fleet runs the engines of a configuration, one for each source and
// output, and changes them when the configuration does.
//
//	config ──plan──▶ specs ──▶ engine (source, output) ──▶ agent.Run
//	   ▲                         each with a state directory of its own
//	   └── SIGHUP, POST /-/reload, a file that changes
//
// One goroutine, the loop, owns which engines there are. Invariant: a new
// configuration is checked whole before anything changes; an engine whose settings
// are the same goes on undisturbed; one whose settings differ has ended, its
// positions on disk, before the next one opens the same directory.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/remora-ray/remora/internal/agent/config"
	"github.com/remora-ray/remora/internal/agent/kube"
)

// Options are what a fleet needs beside its configuration.
type Options struct {
	Load     func() (*config.Config, error) // reads the configuration again; nil: it never changes
	Hangup   <-chan os.Signal               // asks for a reload; may be nil
	Once     bool                           // read what is there, deliver it, return
	Version  string
	Logger   *slog.Logger         // nil means slog.Default
	Level    *slog.LevelVar       // follows log_level; may be nil
	Registry *prometheus.Registry // nil makes one
	Output   io.Writer            // of outputs to standard output; nil means it
	Poll     time.Duration        // between two looks at the file; 0 means 2 s
	Env      func(string) string  // nil means os.Getenv
	Retry    time.Duration        // before an engine that could not start after a reload is tried again; 0 means 10 s

	// For tests.
	listening func(addr string)
	podLogs   string
	inCluster func(env func(string) string, node string) (*kube.API, error)
}

// fleet is a running one.
type fleet struct {
	o       Options
	log     *slog.Logger
	met     *metrics
	web     *server
	pods    *pods
	began   time.Time
	ended   chan *engine
	reloads chan reload
	drained chan struct{} // closed when the loop has ended

	mu      sync.Mutex // guards what follows; the loop alone writes it
	conf    *config.Config
	watched []config.File      // of the configuration that was last read, in force or refused
	engines map[string]*engine // by name
	last    outcome
}

// reload is a request; the answer says what came of it.
type reload struct {
	why    string
	answer chan error // with room for one; may be nil
}

// outcome is what came of the last reload.
type outcome struct {
	Time  time.Time `json:"time"`
	Error string    `json:"error,omitempty"`
}

// Run runs the engines of conf until ctx ends, then drains them, each for at most
// its drain timeout. With Once it returns when everything that is there has been
// acknowledged. It fails if an engine cannot start.
func Run(ctx context.Context, conf *config.Config, o Options) error {
	f, err := open(conf, o)
	if err != nil {
		return err
	}
	defer f.met.unregister()
	defer f.pods.close()
	if !o.Once {
		if err := f.web.listen(conf.Listen, f.handler()); err != nil {
			return err
		}
		defer f.web.close()
	}
	return f.run(ctx, plan(conf))
}

func open(conf *config.Config, o Options) (*fleet, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Output == nil {
		o.Output = os.Stdout
	}
	o.Output = &shared{w: o.Output}
	if o.Env == nil {
		o.Env = os.Getenv
	}
	or(&o.Poll, 2*time.Second)
	or(&o.Retry, 10*time.Second)
	f := &fleet{
		o: o, log: o.Logger, met: newMetrics(o.Registry), web: &server{log: o.Logger, told: o.listening}, conf: conf,
		pods: newPods(o.Env), began: time.Now(), ended: make(chan *engine), reloads: make(chan reload), drained: make(chan struct{}),
		watched: conf.Files, engines: map[string]*engine{}, last: outcome{Time: time.Now()},
	}
	if o.podLogs != "" {
		f.pods.logs = o.podLogs
	}
	if o.inCluster != nil {
		f.pods.inCluster = o.inCluster
	}
	if err := f.met.register(); err != nil {
		return nil, err
	}
	f.met.loaded(f.last.Time)
	if o.Level != nil {
		o.Level.Set(conf.LogLevel)
	}
	return f, nil
}

// run is the loop. Engines end with their own goroutines; it ends with the last.
func (f *fleet) run(ctx context.Context, specs []*spec) error {
	helpers, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	defer close(f.drained)
	f.change(specs, false)
	if !f.o.Once {
		wg.Go(func() { f.sample(helpers) })
		if f.o.Load != nil {
			wg.Go(func() { f.watch(helpers) })
		}
	}
	var failed error
	ending := ctx.Done()
	for f.running() > 0 {
		select {
		case <-ending:
			ending = nil
			f.endAll()
		case <-f.o.Hangup:
			if ending != nil {
				_ = f.reload("SIGHUP")
			}
		case r := <-f.reloads:
			r.answer <- f.reloadUnless(ending == nil, r.why)
		case e := <-f.ended:
			if err := f.after(e, ending == nil); err != nil {
				failed = errors.Join(failed, err)
				if !f.o.Once {
					ending = nil
					f.endAll()
				}
			}
		}
	}
	return failed
}

var errEnding = errors.New("the agent is stopping")

func (f *fleet) reloadUnless(ending bool, why string) error {
	if ending {
		return errEnding
	}
	return f.reload(why)
}

// reload reads the configuration and, if all of it is right, changes to it.
func (f *fleet) reload(why string) error {
	if f.o.Load == nil {
		return errors.New("there is no configuration file to read again")
	}
	conf, err := f.o.Load()
	if err == nil {
		err = f.web.listen(conf.Listen, f.handler())
	}
	now := time.Now()
	f.met.reloaded(err == nil, now)
	f.mu.Lock()
	f.last = outcome{Time: now}
	var refusal *config.Refusal
	switch {
	case conf != nil:
		f.watched = conf.Files
	case errors.As(err, &refusal):
		f.watched = refusal.Files
	}
	if err != nil {
		f.last.Error = err.Error()
	} else {
		f.conf = conf
	}
	f.mu.Unlock()
	if err != nil {
		f.log.Error("the new configuration is not used, the agent goes on as it was", "because", why, "error", err)
		return err
	}
	if f.o.Level != nil {
		f.o.Level.Set(conf.LogLevel)
	}
	specs := plan(conf)
	kept, changed := f.change(specs, true)
	f.log.Info("configuration read again", "because", why, "engines", len(specs), "changed", changed, "kept", kept)
	return nil
}

// change brings the engines to what specs say. Those of a reload are tried again
// when they cannot start; at first that ends the program.
func (f *fleet) change(specs []*spec, later bool) (kept, changed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	wanted := map[string]*spec{}
	for _, s := range specs {
		wanted[s.name()] = s
		switch e := f.engines[s.name()]; {
		case e == nil:
			f.start(s, later)
			changed++
		case e.stopped == nil && e.spec.same(s):
			kept++
			e.hold.Store(s.hold)
		default:
			e.end(s)
			changed++
		}
	}
	for name, e := range f.engines {
		if wanted[name] == nil {
			e.end(nil)
			changed++
		}
	}
	return kept, changed
}

// after takes note of an engine that has ended and starts what comes after it. An
// error is one to end with.
func (f *fleet) after(e *engine, ending bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.engines, e.spec.name())
	switch {
	case ending || f.o.Once:
		return e.failure()
	case e.next != nil:
		if e.err != nil {
			f.log.Warn("an engine was changed before everything was delivered: the next one goes on there", "engine", e.spec.name(), "error", e.err)
		}
		f.start(e.next, true)
	case e.stopped != nil:
		f.log.Info("an engine has ended as it is not in the configuration any longer", "engine", e.spec.name())
	case e.later:
		f.log.Error("an engine cannot start, trying again", "engine", e.spec.name(), "error", e.err, "wait", f.o.Retry)
		f.startIn(e.spec, f.o.Retry)
	default:
		return e.failure()
	}
	return nil
}

func (f *fleet) endAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.engines {
		e.end(nil)
	}
}

func (f *fleet) running() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.engines)
}

// all are the engines in the order of their names.
func (f *fleet) all() []*engine {
	f.mu.Lock()
	defer f.mu.Unlock()
	var es []*engine
	for _, name := range slices.Sorted(maps.Keys(f.engines)) {
		es = append(es, f.engines[name])
	}
	return es
}

// shared lets several outputs write whole pieces to one writer.
type shared struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.w.Write(b)
	if err != nil {
		return n, fmt.Errorf("write to standard output: %w", err)
	}
	return n, nil
}

func or[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}
