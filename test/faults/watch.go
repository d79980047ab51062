package main

import (
	"sync"
	"time"
)

// watch is when the agent was able to see files, as far as the fault made it blind.
type watch struct {
	mu     sync.Mutex
	spans  []span
	stalls []stall
}

type span struct {
	from, to time.Time // to is zero while it lasts
	slow     bool      // inotify did not work: files are found by scanning
}

// stall is a while in which this machine let nobody run.
type stall struct {
	at   time.Time
	late time.Duration
}

// How long a file must be there for a healthy agent to get hold of it, and for one
// that scans once a second.
const (
	grace     = 80 * time.Millisecond
	slowGrace = 2500 * time.Millisecond
)

func (w *watch) begin(slow bool) {
	w.stop()
	w.mu.Lock()
	w.spans = append(w.spans, span{from: time.Now(), slow: slow})
	w.mu.Unlock()
}

func (w *watch) stop() {
	w.mu.Lock()
	if n := len(w.spans); n > 0 && w.spans[n-1].to.IsZero() {
		w.spans[n-1].to = time.Now()
	}
	w.mu.Unlock()
}

// seen reports whether the agent had time enough to get hold of a file.
func (w *watch) seen(g *generation) bool {
	if g.removed.IsZero() {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.spans {
		from, to := s.from, s.to
		if from.Before(g.born) {
			from = g.born
		}
		if to.IsZero() || to.After(g.removed) {
			to = g.removed
		}
		need := grace
		if s.slow {
			need = slowGrace
		}
		if to.Sub(from) >= need+w.stalled(from, to) {
			return true
		}
	}
	return false
}

func (w *watch) stalled(from, to time.Time) (d time.Duration) {
	for _, s := range w.stalls {
		if s.at.After(from) && s.at.Add(-s.late).Before(to) {
			d += s.late
		}
	}
	return d
}

// meter notes stalls until done.
func (w *watch) meter(done <-chan struct{}) {
	const tick = 10 * time.Millisecond
	last := time.Now()
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-t.C:
		}
		now := time.Now()
		if late := now.Sub(last) - tick; late > tick {
			w.mu.Lock()
			w.stalls = append(w.stalls, stall{now, late})
			w.mu.Unlock()
		}
		last = now
	}
}
