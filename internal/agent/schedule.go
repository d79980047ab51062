package agent

import (
	"context"
	"time"

	"github.com/remora-ray/remora/internal/agent/tail"
)

// queue notes that a stream is to be looked at in the next round.
func (a *agent) queue(f *follower) {
	switch {
	case f.running:
		f.again = true
	case !f.queued:
		f.queued = true
		if len(a.dirty) == 0 {
			a.firstDirty = time.Now()
		}
		a.dirty = append(a.dirty, f)
	}
}

// settle has a stream looked at again soon.
func (a *agent) settle(f *follower) {
	if !f.settles {
		f.settles = true
		a.settling = append(a.settling, f)
	}
}

// schedule begins a round when one is due and gives work to readers that have none.
func (a *agent) schedule(ctx context.Context) {
	now := time.Now()
	a.askAgain()
	a.ask(ctx)
	if !a.wired {
		return
	}
	if len(a.settling) > 0 && now.Sub(a.lastRound) >= tick {
		some := a.settling
		a.settling = nil
		for _, f := range some {
			f.settles = false
			a.queue(f)
		}
	}
	if len(a.dirty) > 0 && a.due(now) {
		a.lastRound = now
		a.ready = append(a.ready, a.dirty...)
		a.dirty = a.dirty[:0]
	}
	for a.running < cap(a.jobs) && len(a.ready) > 0 {
		f := a.ready[0]
		a.ready[0] = nil
		a.ready = a.ready[1:]
		f.queued = false
		a.step(f, now)
	}
	if a.running == 0 && len(a.ready) == 0 {
		a.builder.Flush()
	}
}

// due reports whether to read now. After a quiet time lines go out soon; under
// load a round begins when a batch is full or BatchWait is over.
func (a *agent) due(now time.Time) bool {
	wait := a.conf.BatchWait
	switch {
	case a.draining || now.Sub(a.lastRound) >= wait && now.Sub(a.firstDirty) >= min(tick, wait):
		return true
	case now.Sub(a.firstDirty) < tick || now.Sub(a.weighed) < tick:
		return false
	}
	a.weighed = now
	return a.pending() >= int64(a.conf.BatchBytes)
}

// weighAtMost is how many files are asked for their size to know about how much there
// is to read.
const weighAtMost = 64

// pending is about how many bytes the next round would read.
func (a *agent) pending() (n int64) {
	some := a.dirty[:min(len(a.dirty), weighAtMost)]
	for _, f := range some {
		if g := f.reading(); g != nil && g.fd >= 0 {
			if st, err := tail.StatFD(g.fd); err == nil {
				n += max(0, st.Size-f.cursor.Offset)
			}
		}
	}
	if len(some) > 0 {
		n = n / int64(len(some)) * int64(len(a.dirty))
	}
	return n
}
