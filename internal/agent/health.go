package agent

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Health tells how an agent is. Its methods may be called from any goroutine.
type Health struct {
	mu      sync.Mutex
	rootErr error
	state   error
	scan    time.Time
	away    time.Time // since when nothing was delivered though there was something
	told    map[string]bool
	ask     chan question
}

// Live is nil while the agent works: it looked at its files not long ago.
func (h *Health) Live() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.scan.IsZero() && time.Since(h.scan) > 2*time.Minute {
		return fmt.Errorf("the files were last looked at %s ago", time.Since(h.scan).Round(time.Second))
	}
	return nil
}

// Ready is nil when files are followed, sent and recorded, else says what is not.
func (h *Health) Ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	switch {
	case h.scan.IsZero():
		errs = append(errs, errors.New("starting"))
	case h.rootErr != nil:
		errs = append(errs, fmt.Errorf("the directory to follow: %w", h.rootErr))
	}
	if h.state != nil {
		errs = append(errs, h.state)
	}
	if !h.away.IsZero() {
		errs = append(errs, fmt.Errorf("the server has not taken lines for %s", time.Since(h.away).Round(time.Second)))
	}
	return errors.Join(errs...)
}

func (h *Health) root(err error) {
	h.mu.Lock()
	h.rootErr = err
	h.mu.Unlock()
}

func (h *Health) scanned(now time.Time) {
	h.mu.Lock()
	h.scan = now
	h.mu.Unlock()
}

func (h *Health) failed() {
	h.mu.Lock()
	if h.away.IsZero() {
		h.away = time.Now()
	}
	h.mu.Unlock()
}

func (h *Health) delivered() {
	h.mu.Lock()
	h.away = time.Time{}
	h.mu.Unlock()
}

// stateFailed reports whether this failure is the first after a success.
func (h *Health) stateFailed(err error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := h.state == nil
	h.state = err
	return first
}

func (h *Health) stateWritten() {
	h.mu.Lock()
	h.state = nil
	h.mu.Unlock()
}

// once is true the first time it is asked about a thing.
func (h *Health) once(what string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told[what] {
		return false
	}
	if h.told == nil {
		h.told = map[string]bool{}
	}
	h.told[what] = true
	return true
}
