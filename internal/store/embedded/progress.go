package embedded

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// progress knows up to which position of the journal everything was applied,
// while records are applied in any order.
type progress struct {
	mu      sync.Mutex
	applied int64   // everything before this position is in the engine
	begun   []int64 // ends of the records being applied, in order
	ended   map[int64]bool
	changed chan struct{} // closed when applied moves
	failed  error         // why it moves no more
}

func (p *progress) start(at int64) {
	p.applied = at
	p.ended = make(map[int64]bool)
	p.changed = make(chan struct{})
}

func (p *progress) begin(end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = append(p.begun, end)
}

func (p *progress) done(end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended[end] = true
	moved := false
	for len(p.begun) > 0 && p.ended[p.begun[0]] {
		p.applied = max(p.applied, p.begun[0])
		delete(p.ended, p.begun[0])
		p.begun = p.begun[1:]
		moved = true
	}
	if moved {
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

func (p *progress) reached(at int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.applied >= at
}

// fail ends the waiting for what will not be applied.
func (p *progress) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = err
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait returns when everything before position at was applied.
func (p *progress) wait(ctx context.Context, at int64) error {
	for {
		p.mu.Lock()
		applied, changed, failed := p.applied, p.changed, p.failed
		p.mu.Unlock()
		switch {
		case applied >= at:
			return nil
		case failed != nil:
			return failed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fresh knows which of a tenant's rows the engine may not show yet: those added
// since the last flush began.
type fresh struct {
	mu       sync.Mutex
	min, max int64 // times of the rows, where any
	any      bool
	lastAdd  time.Time
	hidden   time.Duration // how long rows may not be shown; 0: visibleAfter

	flushing  sync.Mutex
	lastFlush time.Time
}

const (
	// The engine shows rows by itself a second after they were added.
	visibleAfter = 2 * time.Second
	// A flush makes a small part, which costs merging: not more often than this.
	flushEvery = 200 * time.Millisecond
)

// added is called after rows of these times went to the engine.
func (f *fresh) added(oldest, newest int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.any {
		f.min, f.max, f.any = oldest, newest, true
	}
	f.min, f.max = min(f.min, oldest), max(f.max, newest)
	f.lastAdd = time.Now()
}

// hides reports whether rows with start ≤ time < end may not be visible.
func (f *fresh) hides(start, end int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.any && time.Since(f.lastAdd) > max(visibleAfter, f.hidden) {
		f.any = false
	}
	return f.any && f.min < end && f.max >= start
}

// show makes rows with start ≤ time < end visible that were applied before.
func (t *tenant) show(ctx context.Context, start, end int64) error {
	f := &t.fresh
	if !f.hides(start, end) {
		// One flush may be on its way that took them off the books.
		f.flushing.Lock()
		defer f.flushing.Unlock()
		return nil
	}
	f.flushing.Lock()
	defer f.flushing.Unlock()
	if !f.hides(start, end) {
		return nil
	}
	if wait := flushEvery - time.Since(f.lastFlush); wait > 0 && !f.lastFlush.IsZero() {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	f.any = false
	f.mu.Unlock()
	if err := t.rows.show(ctx); err != nil {
		f.mu.Lock()
		f.any = true
		f.mu.Unlock()
		return fmt.Errorf("show the newest lines: %w", err)
	}
	f.lastFlush = time.Now()
	return nil
}
