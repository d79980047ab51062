// Package pipe sends what is written to its standard input: the terminal of a Ray
// that runs with RAY_LOG_TO_STDERR=1, or any program's.
//
//	standard input ──▶ spool (files on disk, bounded) ──▶ agents ──▶ outputs
//	       └──tee──▶ standard output
//
// Invariant: a byte read from standard input stays on disk until every output has
// acknowledged it. Where the spool is full, standard input is read no faster than
// the slowest output takes lines.
package pipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/remora-ray/remora/internal/agent"
	"github.com/remora-ray/remora/internal/agent/state"
)

// Pipe is a run of the agent with a spool for its source.
type Pipe struct {
	State   string   // directory that the spool is made in
	Outputs []Output // one at least
	Input   io.Reader
	Tee     io.Writer     // gets a copy of Input; may be nil
	Most    int64         // bytes of the spool; 0 means 256 MiB
	Drain   time.Duration // longest time without an acknowledgement after the end; 0 means 25 s
	Logger  *slog.Logger
}

// Output is where lines go.
type Output struct {
	Name string       // in errors; may be empty where there is one
	Conf agent.Config // of its own State; Source is filled in
}

// mostOutputs is how many outputs a spool can tell apart.
const mostOutputs = 64

const (
	defaultMost = 256 << 20
	quiet       = 100 * time.Millisecond // no one writes to the spool any more
	forever     = 1000 * time.Hour
)

// Run reads Input to its end and returns when everything is acknowledged, or an
// error that wraps agent.ErrIncomplete when nothing was acknowledged for Drain after
// the end of the input, or something is not when that time has gone by after the end
// of ctx. What is left is sent by the next run with the same directories.
func (p *Pipe) Run(ctx context.Context) error {
	if n := len(p.Outputs); n > mostOutputs {
		return fmt.Errorf("%d outputs are too many for one pipe: at most %d", n, mostOutputs)
	}
	if p.Most == 0 {
		p.Most = defaultMost
	}
	if p.Drain == 0 {
		p.Drain = 25 * time.Second
	}
	dir := filepath.Join(p.State, "pipe")
	s, err := openSpool(dir, p.Most)
	if err != nil {
		return err
	}
	defer s.close()
	s.wants = 1<<len(p.Outputs) - 1
	for i := range p.Outputs {
		c := &p.Outputs[i].Conf
		c.Source, c.QuietBefore = layout{dir}, quiet
		c.Spent = func(inode uint64) { s.spent(i, inode) }
	}
	deadline, stop := context.WithCancel(context.Background())
	defer stop()
	// Of an end that is asked for, the drain timeout begins at once.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(p.Drain, stop) })()
	readErr, err := p.follow(s, deadline)
	if err != nil {
		return errors.Join(readErr, err)
	}
	return errors.Join(readErr, p.deliver(s, deadline))
}

// run is an agent that follows the spool.
type run struct {
	now    context.Context // its end is the agent's, without reading on
	give   func()
	health atomic.Pointer[agent.Health]
	err    error
}

// follow runs an agent for each output while there is input.
func (p *Pipe) follow(s *spool, deadline context.Context) (readErr, err error) {
	input, stop := context.WithCancel(deadline)
	defer stop()
	runs := make([]run, len(p.Outputs))
	ended := make(chan int, len(runs))
	for i := range runs {
		r := &runs[i]
		r.now, r.give = context.WithCancel(deadline)
		defer r.give()
		conf := p.Outputs[i].Conf
		conf.DrainTimeout = forever
		conf.Health = func(h *agent.Health) { r.health.Store(h) }
		go func() {
			r.err = agent.RunUntil(input, r.now, conf)
			ended <- i
		}()
	}
	read := make(chan error, 1)
	go func() { read <- s.input(p.Input, p.Tee, p.failed()) }()
	left := len(runs)
	select {
	case readErr = <-read:
		readErr = errors.Join(readErr, s.finish())
		stop()
		for i := range runs {
			go p.giveUp(&runs[i])
		}
	case <-ended: // it could not begin, or the time is over
		left--
		s.end()
		for i := range runs {
			runs[i].give()
		}
	}
	for range left {
		<-ended
	}
	return readErr, p.outcome(s, runs, deadline)
}

// outcome is what came of following the spool.
func (p *Pipe) outcome(s *spool, runs []run, deadline context.Context) error {
	var errs []error
	late := false
	for i := range runs {
		switch r := &runs[i]; {
		case r.err == nil:
		case r.now.Err() != nil && errors.Is(r.err, context.Canceled):
			late = true
		default:
			errs = append(errs, p.named(i, r.err))
		}
	}
	select {
	case <-s.ended:
		if deadline.Err() != nil {
			return fmt.Errorf("%w: standard input has not ended, and %d bytes of it wait in %s", agent.ErrIncomplete, s.left(), s.dir)
		}
	default:
		if late && len(errs) == 0 {
			return p.incomplete(s)
		}
	}
	return errors.Join(errs...)
}

// named says of which output an error is.
func (p *Pipe) named(i int, err error) error {
	if err == nil || len(p.Outputs) == 1 {
		return err
	}
	return fmt.Errorf("%s: %w", p.Outputs[i].Name, err)
}

// giveUp ends the agent when nothing was acknowledged for the drain timeout.
func (p *Pipe) giveUp(r *run) {
	ticks := time.NewTicker(min(time.Second, p.Drain/4))
	defer ticks.Stop()
	last, since := uint64(0), time.Now()
	for time.Since(since) < p.Drain {
		select {
		case <-r.now.Done():
			return
		case <-ticks.C:
		}
		h := r.health.Load()
		if h == nil {
			continue
		}
		one, stop := context.WithTimeout(r.now, time.Second)
		st, err := h.Status(one)
		stop()
		if err == nil && st.Acknowledged != last {
			last, since = st.Acknowledged, time.Now()
		}
	}
	r.give()
}

// removeAcknowledged removes the files of which the states say that all is
// acknowledged.
func (p *Pipe) removeAcknowledged(s *spool) error {
	var errs []error
	for i := range p.Outputs {
		l, found, err := state.Open(p.Outputs[i].Conf.State)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, stream := range found.Streams {
			for _, g := range stream.Generations {
				if g.Done || g.Begun && g.Base+uint64(g.Size) <= stream.Position.Offset {
					s.spentIf(i, g.Key.Ino, g.Size)
				}
			}
		}
		errs = append(errs, l.Close())
	}
	s.removeEmpty()
	return errors.Join(errs...)
}

func (p *Pipe) incomplete(s *spool) error {
	return fmt.Errorf("%w: %d bytes wait in %s, and are sent by the next run with this state directory", agent.ErrIncomplete, s.left(), s.dir)
}

// failed tells of each kind of failure once in a minute.
func (p *Pipe) failed() func(error) {
	var last time.Time
	return func(err error) {
		if time.Since(last) > time.Minute {
			last = time.Now()
			p.Logger.Error("input cannot be taken, will try again", "error", err)
		}
	}
}

// deliver reads what is in the spool to its end and sends it.
func (p *Pipe) deliver(s *spool, deadline context.Context) error {
	errs := make([]error, len(p.Outputs))
	var wg sync.WaitGroup
	for i := range p.Outputs {
		conf := p.Outputs[i].Conf
		conf.Once, conf.DrainTimeout = true, p.Drain
		wg.Go(func() {
			errs[i] = p.named(i, agent.RunUntil(context.WithoutCancel(deadline), deadline, conf))
		})
	}
	wg.Wait()
	err := errors.Join(errors.Join(errs...), p.removeAcknowledged(s))
	switch left := s.left(); {
	case deadline.Err() != nil || err == nil && left > 0:
		return p.incomplete(s)
	case err != nil && left > 0:
		return fmt.Errorf("%w (%d bytes wait in %s)", err, left, s.dir)
	}
	return err
}
