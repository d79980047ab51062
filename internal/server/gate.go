package server

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// gate lets a number of queries work and a number wait.
type gate struct {
	places  chan struct{}
	queued  atomic.Int64
	atQueue int64
}

func newGate(places, queue int) *gate {
	return &gate{places: make(chan struct{}, places), atQueue: int64(queue)}
}

func (g *gate) running() int { return len(g.places) }
func (g *gate) waiting() int { return int(g.queued.Load()) }

// enter waits for a place until ctx ends; call leave after it.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-g.places }
	select {
	case g.places <- struct{}{}:
		return leave, nil
	default:
	}
	defer g.queued.Add(-1)
	if g.queued.Add(1) > g.atQueue {
		return nil, &httpError{status: http.StatusTooManyRequests, msg: "too many outstanding requests", retry: time.Second}
	}
	select {
	case g.places <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// budget bounds the bytes that pushes hold in memory. The first bytes of a push
// wait for room, so that no push waits while it holds any; what it needs beyond
// them is given at once or not at all, from a reserve as large as the budget.
type budget struct {
	mu     sync.Mutex
	size   int64
	used   int64
	change chan struct{} // closed and replaced when bytes come back
}

func newBudget(size int64) *budget { return &budget{size: size, change: make(chan struct{})} }

func (b *budget) held() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// take waits for n bytes until ctx ends.
func (b *budget) take(ctx context.Context, n int64) error {
	for {
		b.mu.Lock()
		// A push larger than all there is may work alone.
		if b.used+n <= b.size || b.used == 0 {
			b.used += n
			b.mu.Unlock()
			return nil
		}
		change := b.change
		b.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// grow takes n more bytes for a push that holds some, if the reserve has them.
func (b *budget) grow(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+n > 2*b.size {
		return false
	}
	b.used += n
	return true
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	close(b.change)
	b.change = make(chan struct{})
}
