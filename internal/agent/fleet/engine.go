package fleet

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/remora-ray/remora/internal/agent"
)

// engine is one agent.Run. What is not atomic belongs to the loop, under its lock.
type engine struct {
	spec  *spec
	later bool // it was started by a reload
	// stopped is set when it has been told to end; next is what comes after it.
	stopped *time.Time
	next    *spec
	cancel  context.CancelCauseFunc
	err     error // of a run that has ended

	hold     atomic.Int64 // its part of hold_bytes, which changes with the number of engines
	health   atomic.Pointer[agent.Health]
	progress progress
}

// start begins to run a spec.
func (f *fleet) start(s *spec, later bool) { f.startEngine(&engine{spec: s, later: later}, 0) }

// startIn begins to run a spec of a reload after a while.
func (f *fleet) startIn(s *spec, wait time.Duration) {
	f.startEngine(&engine{spec: s, later: true}, wait)
}

func (f *fleet) startEngine(e *engine, wait time.Duration) {
	ctx, cancel := context.WithCancelCause(context.Background())
	e.cancel = cancel
	e.hold.Store(e.spec.hold)
	f.engines[e.spec.name()] = e
	go func() {
		defer cancel(nil)
		if pause(ctx, wait) {
			e.err = f.runEngine(ctx, e)
		}
		e.health.Store(nil)
		f.ended <- e
	}()
}

func (f *fleet) runEngine(ctx context.Context, e *engine) error {
	conf, err := f.configOf(e)
	if err != nil {
		return err
	}
	return agent.Run(ctx, conf)
}

// pause waits; it is false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// end tells an engine to deliver what it has and to end; next comes after it.
func (e *engine) end(next *spec) {
	e.next = next
	if e.stopped == nil {
		now := time.Now()
		e.stopped = &now
		if next != nil {
			e.cancel(agent.ErrReplaced)
		} else {
			e.cancel(nil)
		}
	}
}

// failure is why an engine failed, with its name where there are others.
func (e *engine) failure() error {
	if e.err == nil || e.spec.alone {
		return e.err
	}
	return fmt.Errorf("%s: %w", e.spec.name(), e.err)
}
