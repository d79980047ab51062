package ship

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/loki"
)

// Result is what became of a batch. Parts that are in neither map are
// acknowledged. The batch belongs to the receiver.
type Result struct {
	Batch   *pipeline.Batch
	Refused map[loki.FileID]uint64 // go on from there
	Dead    map[loki.FileID]string // refused for good: kept as dead letters, and why
	Sent    bool
}

// Sender sends batches one after the other.
type Sender struct {
	Target Target
	Logger *slog.Logger
	// Before is called before a batch is first sent: its anchors must be durable.
	Before func(*pipeline.Batch)
	// Rewind is called for each refused file before the next batch is looked at.
	Rewind func(pipeline.Follower)
	// Bury keeps what is refused for good.
	Bury func(p *pipeline.Part, body []byte, why error) error
	// Retrying is told about each attempt that did not arrive.
	Retrying func(err error)

	MinWait, MaxWait time.Duration // between attempts; 0 means 200 ms and 30 s
}

// Run sends until in closes or ctx ends; a batch that ctx interrupts is not
// answered.
func (s *Sender) Run(ctx context.Context, in <-chan *pipeline.Batch, out chan<- Result) {
	for {
		var b *pipeline.Batch
		select {
		case <-ctx.Done():
			return
		case b = <-in:
		}
		r, ok := s.deliver(ctx, b)
		if !ok {
			return
		}
		select {
		case out <- r:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Sender) deliver(ctx context.Context, b *pipeline.Batch) (Result, bool) {
	r := Result{Batch: b, Refused: map[loki.FileID]uint64{}, Dead: map[loki.FileID]string{}}
	b.Cut()
	if len(b.Parts) == 0 {
		return r, true
	}
	s.Before(b)
	r.Sent = true
	ok := s.some(ctx, b, 0, len(b.Parts), &r)
	if c, is := s.Target.(interface{ Forget() }); is {
		c.Forget()
	}
	return r, ok
}

// some sends the parts [from, to). What is rejected is sent again in halves, so
// that one bad part costs the others nothing.
func (s *Sender) some(ctx context.Context, b *pipeline.Batch, from, to int, r *Result) bool {
	body := b.Span(from, to)
	if len(body) == 0 {
		return true // nothing that this target wants to hear
	}
	a, ok := s.insist(ctx, body)
	switch {
	case !ok:
		return false
	case a.Kind == KindRefused:
		s.refuse(b, from, to, a.Refused, r)
	case a.Kind == KindReject && to-from > 1:
		mid := from + (to-from)/2
		return s.some(ctx, b, from, mid, r) && s.some(ctx, b, mid, to, r)
	case a.Kind == KindReject:
		return s.bury(ctx, b, from, a.Err, r)
	}
	return true
}

func (s *Sender) refuse(b *pipeline.Batch, from, to int, files []loki.FileOffset, r *Result) {
	for _, f := range files {
		for i := from; i < to; i++ {
			if b.Parts[i].File == f.File {
				r.Refused[f.File] = f.Committed
				s.Rewind(b.Parts[i].Follower)
			}
		}
	}
}

func (s *Sender) bury(ctx context.Context, b *pipeline.Batch, i int, why error, r *Result) bool {
	for wait := s.first(); ; wait = s.next(wait) {
		err := s.Bury(&b.Parts[i], b.Bytes(i), why)
		if err == nil {
			r.Dead[b.Parts[i].File] = why.Error()
			return true
		}
		s.Logger.Error("cannot keep what the server refused, trying again", "error", err)
		if !sleep(ctx, jitter(wait)) {
			return false
		}
	}
}

// insist sends the same bytes until they are answered.
func (s *Sender) insist(ctx context.Context, body []byte) (Answer, bool) {
	told := time.Time{}
	for wait := s.first(); ; wait = s.next(wait) {
		a := s.Target.Push(ctx, body)
		if a.Kind != KindRetry {
			if !told.IsZero() {
				s.Logger.Info("the server takes lines again")
			}
			return a, true
		}
		if ctx.Err() != nil {
			return a, false
		}
		s.Retrying(a.Err)
		if now := time.Now(); now.Sub(told) > 30*time.Second {
			s.Logger.Warn("the server does not take lines, trying again", "error", a.Err)
			told = now
		}
		if !sleep(ctx, max(a.RetryAfter, jitter(wait))) {
			return a, false
		}
	}
}

func (s *Sender) first() time.Duration {
	if s.MinWait > 0 {
		return s.MinWait
	}
	return 200 * time.Millisecond
}

func (s *Sender) next(wait time.Duration) time.Duration {
	most := s.MaxWait
	if most <= 0 {
		most = 30 * time.Second
	}
	return min(2*wait, most)
}

// jitter is between half of d and all of it.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
