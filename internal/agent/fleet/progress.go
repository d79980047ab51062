package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/remora-ray/remora/internal/agent"
)

// sample is how far an engine was at a moment.
type sample struct {
	at           time.Time
	acknowledged uint64
	behind       int64
}

// progress tells how fast an engine catches up. The zero value is ready.
type progress struct {
	mu      sync.Mutex
	samples []sample
	base    uint64 // acknowledged when it was last level with its files
}

const (
	maxSamples = 7       // a minute
	level      = 1 << 20 // as good as nothing behind
)

func (p *progress) note(s sample) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.behind < level {
		p.base = s.acknowledged
	}
	p.samples = append(p.samples, s)
	if n := len(p.samples); n > maxSamples {
		p.samples = p.samples[n-maxSamples:]
	}
}

// CatchUp is how an engine comes level with its files.
type CatchUp struct {
	Percent   float64       `json:"percent"`                // of what was there and came since it was last level
	Rate      float64       `json:"bytes_per_second"`       // acknowledged
	Remaining time.Duration `json:"remaining_ns,omitempty"` // 0 where it cannot be said
	Growing   bool          `json:"falls_behind,omitempty"` // files grow faster than they are delivered
}

// at tells of a catch-up at a moment; nil where there is nothing to catch up with.
func (p *progress) at(now sample) *CatchUp {
	if now.behind < level {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	done := float64(now.acknowledged - min(p.base, now.acknowledged))
	c := &CatchUp{Percent: 100 * done / (done + float64(now.behind))}
	if len(p.samples) == 0 {
		return c
	}
	from := p.samples[0]
	seconds := now.at.Sub(from.at).Seconds()
	if seconds < 1 || now.acknowledged < from.acknowledged {
		return c
	}
	c.Rate = float64(now.acknowledged-from.acknowledged) / seconds
	closing := float64(from.behind-now.behind) / seconds
	switch {
	case closing > 0:
		c.Remaining = time.Duration(float64(now.behind) / closing * float64(time.Second)).Round(time.Second)
	case closing < 0:
		c.Growing = true
	}
	return c
}

// sampleEvery is how often it is noted how far engines are.
const sampleEvery = 10 * time.Second

// sample notes how far the engines are, now and then.
func (f *fleet) sample(ctx context.Context) {
	for pause(ctx, sampleEvery) {
		for _, e := range f.all() {
			if s, err := e.ask(ctx, (*agent.Health).Progress); err == nil {
				e.progress.note(sample{time.Now(), s.Acknowledged, s.Behind})
			}
		}
	}
}

// answerWithin is how long an engine may take to tell its status.
const answerWithin = 5 * time.Second

func (e *engine) status(ctx context.Context) (agent.Status, error) {
	return e.ask(ctx, (*agent.Health).Status)
}

func (e *engine) ask(ctx context.Context, what func(*agent.Health, context.Context) (agent.Status, error)) (agent.Status, error) {
	h := e.health.Load()
	if h == nil {
		return agent.Status{}, errStarting
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return what(h, ctx)
}
