package agent

import (
	"errors"
	"time"
)

// ErrReplaced is the cause to end Run's context with where another agent takes over
// the state at once: Run returns when what was read is acknowledged, or after a few
// seconds, and leaves the rest to that one.
var ErrReplaced = errors.New("another agent takes over")

// leaveWithin is how long what was sent may wait for its answer then.
const leaveWithin = 3 * time.Second

// leaves reports whether nothing more is to be read, as another agent takes over.
func (a *agent) leaves() bool {
	if a.left.IsZero() || a.holdsAlone() {
		return false
	}
	if a.running == 0 {
		a.builder.Flush()
	}
	return true
}

// gone reports whether an agent that leaves may go.
func (a *agent) gone() bool {
	return a.leaves() && (a.running+a.unacked == 0 || time.Since(a.left) > leaveWithin)
}

// holdsAlone reports whether a file would be lost with its descriptor: it was deleted
// and no name keeps it.
func (a *agent) holdsAlone() bool {
	for f := range a.all {
		for _, g := range f.gens {
			if g.fd >= 0 && g.path == "" && !g.link && !(g.done && g.acked) {
				return true
			}
		}
	}
	return false
}
