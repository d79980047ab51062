package main

import (
	"fmt"
	"os"
	"path/filepath"
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

// stall is a while in which the agent worked or waited for a processor.
type stall struct {
	from, to time.Time
	busy     time.Duration
}

// sight is how well the agent could see a file.
type sight uint8

const (
	blind  sight = iota // it did not run, or nothing told it of the file
	rushed              // it ran, but had hardly a moment for it
	plainly
)

// How long a file must be there for an agent with nothing else to do to get hold of
// it, and for one that scans once a second.
const (
	grace     = 75 * time.Millisecond
	slowGrace = 2500 * time.Millisecond
)

func (w *watch) begin(slow bool) {
	w.stop(time.Now())
	w.mu.Lock()
	w.spans = append(w.spans, span{from: time.Now(), slow: slow})
	w.mu.Unlock()
}

// stop notes since when the agent sees nothing.
func (w *watch) stop(at time.Time) {
	w.mu.Lock()
	if n := len(w.spans); n > 0 && (w.spans[n-1].to.IsZero() || at.Before(w.spans[n-1].to)) {
		w.spans[n-1].to = at
	}
	w.mu.Unlock()
}

// of is how well the agent could see a file before it was removed.
func (w *watch) of(g *generation) sight {
	if g.removed.IsZero() {
		return plainly
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	best := blind
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
		switch there := to.Sub(from); {
		case there >= need+2*w.busy(from, to):
			return plainly
		case there >= need:
			best = rushed
		}
	}
	return best
}

func (w *watch) busy(from, to time.Time) (d time.Duration) {
	for _, s := range w.stalls {
		if s.to.After(from) && s.from.Before(to) {
			d += s.busy
		}
	}
	return d
}

const meterTick = 40 * time.Millisecond

// meter notes what the agent does until done.
func (w *watch) meter(agent *process, done <-chan struct{}) {
	t := time.NewTicker(meterTick)
	defer t.Stop()
	last, of, at := time.Duration(0), 0, time.Now()
	for {
		select {
		case <-done:
			return
		case <-t.C:
		}
		pid := agent.pid()
		now, spent := time.Now(), spent(pid)
		if pid != of {
			last = 0
		}
		// Time spent waiting is known of when it is over only, and not at all of an agent
		// that was killed while it waited: it had to wait as long as we have.
		busy := max(spent-last, now.Sub(at)-meterTick)
		if busy > time.Millisecond {
			w.mu.Lock()
			w.stalls = append(w.stalls, stall{at.Add(-busy), now, busy})
			w.mu.Unlock()
		}
		last, of, at = spent, pid, now
	}
}

// spent is how long the threads of a process have run, and waited to run.
func spent(pid int) (d time.Duration) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0
	}
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var ran, waited time.Duration
		if _, err := fmt.Sscan(string(text), &ran, &waited); err == nil {
			d += ran + waited
		}
	}
	return d
}
