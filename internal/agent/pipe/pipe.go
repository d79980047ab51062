// Package pipe sends what is written to its standard input: the terminal of a Ray
// that runs with RAY_LOG_TO_STDERR=1, or any program's.
//
//	standard input ──▶ spool (files on disk, bounded) ──▶ agent ──▶ server
//	       └──tee──▶ standard output
//
// Invariant: a byte read from standard input stays on disk until it is
// acknowledged. Where the spool is full, standard input is read no faster than
// the server takes lines.
package pipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/remora-ray/remora/internal/agent"
	"github.com/remora-ray/remora/internal/agent/state"
)

// Pipe is a run of the agent with a spool for its source.
type Pipe struct {
	Conf   agent.Config // State is where the spool is, too; Source is filled in
	Input  io.Reader
	Tee    io.Writer // gets a copy of Input; may be nil
	Most   int64     // bytes of the spool; 0 means 256 MiB
	Logger *slog.Logger
}

const (
	defaultMost = 256 << 20
	quiet       = 100 * time.Millisecond // no one writes to the spool any more
	forever     = 1000 * time.Hour
)

// Run reads Input to its end and returns when everything is acknowledged, or an
// error that wraps agent.ErrIncomplete when nothing was acknowledged for
// Conf.DrainTimeout after the end of the input, or something is not when that time
// has gone by after the end of ctx. What is left is sent by the next run with the same
// state directory.
func (p *Pipe) Run(ctx context.Context) error {
	if p.Most == 0 {
		p.Most = defaultMost
	}
	if p.Conf.DrainTimeout == 0 {
		p.Conf.DrainTimeout = 25 * time.Second
	}
	dir := filepath.Join(p.Conf.State, "pipe")
	s, err := openSpool(dir, p.Most)
	if err != nil {
		return err
	}
	defer s.close()
	p.Conf.Source, p.Conf.Spent, p.Conf.Logger = layout{dir}, s.spent, p.Logger
	p.Conf.QuietBefore = quiet
	deadline, stop := context.WithCancel(context.Background())
	defer stop()
	// Of an end that is asked for, the drain timeout begins at once.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(p.Conf.DrainTimeout, stop) })()
	readErr, err := p.follow(s, deadline)
	if err != nil {
		return errors.Join(readErr, err)
	}
	return errors.Join(readErr, p.deliver(s, deadline))
}

// follow runs the agent while there is input.
func (p *Pipe) follow(s *spool, deadline context.Context) (readErr, err error) {
	input, stop := context.WithCancel(deadline)
	defer stop()
	now, give := context.WithCancel(deadline)
	defer give()
	conf := p.Conf
	conf.DrainTimeout = forever
	var health atomic.Pointer[agent.Health]
	conf.Health = func(h *agent.Health) { health.Store(h) }
	ran := make(chan error, 1)
	go func() { ran <- agent.RunUntil(input, now, conf) }()
	read := make(chan error, 1)
	go func() { read <- s.input(p.Input, p.Tee, p.failed()) }()
	select {
	case readErr = <-read:
		readErr = errors.Join(readErr, s.finish())
		stop()
		go p.giveUp(now, &health, give)
		if err = <-ran; now.Err() != nil {
			err = p.incomplete(s)
		}
		return readErr, err
	case err = <-ran: // it could not begin, or the time is over
		s.end()
	}
	if deadline.Err() != nil {
		err = fmt.Errorf("%w: standard input has not ended, and %d bytes of it wait in %s", agent.ErrIncomplete, s.left(), s.dir)
	}
	return nil, err
}

// giveUp ends the agent when nothing was acknowledged for the drain timeout.
func (p *Pipe) giveUp(ctx context.Context, health *atomic.Pointer[agent.Health], end func()) {
	ticks := time.NewTicker(min(time.Second, p.Conf.DrainTimeout/4))
	defer ticks.Stop()
	last, since := uint64(0), time.Now()
	for time.Since(since) < p.Conf.DrainTimeout {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		h := health.Load()
		if h == nil {
			continue
		}
		one, stop := context.WithTimeout(ctx, time.Second)
		st, err := h.Status(one)
		stop()
		if err == nil && st.Acknowledged != last {
			last, since = st.Acknowledged, time.Now()
		}
	}
	end()
}

// removeAcknowledged removes the files of which the state says that all is
// acknowledged.
func (p *Pipe) removeAcknowledged(s *spool) error {
	l, found, err := state.Open(p.Conf.State)
	if err != nil {
		return err
	}
	for _, stream := range found.Streams {
		for _, g := range stream.Generations {
			if g.Done || g.Begun && g.Base+uint64(g.Size) <= stream.Position.Offset {
				s.spentIf(g.Key.Ino, g.Size)
			}
		}
	}
	s.removeEmpty()
	return l.Close()
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
	conf := p.Conf
	conf.Once = true
	err := agent.RunUntil(context.WithoutCancel(deadline), deadline, conf)
	err = errors.Join(err, p.removeAcknowledged(s))
	switch left := s.left(); {
	case deadline.Err() != nil || err == nil && left > 0:
		return p.incomplete(s)
	case err != nil && left > 0:
		return fmt.Errorf("%w (%d bytes wait in %s)", err, left, s.dir)
	}
	return err
}
