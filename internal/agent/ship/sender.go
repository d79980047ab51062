package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/loki"
)

// Result is what became of a batch. Parts that are in neither map are
// acknowledged. The batch belongs to the receiver.
type Result struct {
	Batch   *pipeline.Batch
	Refused map[loki.FileID]uint64 // go on from there
	Dead    map[loki.FileID]string // refused for good: kept as dead letters, and why
	Buried  int                    // lines of acknowledged parts that a Loki refused: kept as dead letters
	Filed   int                    // lines sent in streams of their own, as they came too far behind
	Sent    bool
}

// Attempt is one push and its answer.
type Attempt struct {
	Kind   Kind
	Status string // see Answer.StatusLabel
	Bytes  int    // of the body, before compression
	Took   time.Duration
	Err    error
}

// Sender sends batches one after the other.
type Sender struct {
	Target Target
	Logger *slog.Logger
	// Before is called before a batch is first sent: its anchors must be durable.
	Before func(*pipeline.Batch)
	// Rewind is called for each refused file before the next batch is looked at.
	Rewind func(pipeline.Follower)
	// Bury keeps what is refused for good: a part as it was sent, or, with an
	// EntryError, entries of it as a stream of their own.
	Bury func(p *pipeline.Part, body []byte, why error) error
	// Retrying is told about each attempt that did not arrive.
	Retrying func(err error)
	// Attempted, if it is not nil, is told about each attempt.
	Attempted func(Attempt)

	MinWait, MaxWait time.Duration // between attempts; 0 means 200 ms and 30 s
	KnockFor         time.Duration // before a tenant that was never let in is given up; 0 means 10 s

	marks map[string]*marks // by tenant
	load  *load
	as    string // the tenant that is being spoken as; "" for the target's own
	guest bool   // which does not keep the files' places
	doors doors
	told  time.Time // when it was last said that the server does not take lines
	away  bool      // and it has not taken any since
}

// Run sends until in closes or ctx ends; a batch that ctx interrupts is not
// answered.
func (s *Sender) Run(ctx context.Context, in <-chan *pipeline.Batch, out chan<- Result) {
	for {
		var b *pipeline.Batch
		var open bool
		select {
		case <-ctx.Done():
			return
		case b, open = <-in:
		}
		if !open {
			return
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
	ok := true
	if t, several := s.tenants(b); several {
		ok = s.toTenants(ctx, t, b, &r)
	} else {
		ok = s.one(ctx, b, &r)
	}
	return r, ok
}

// one sends a batch to one tenant.
func (s *Sender) one(ctx context.Context, b *pipeline.Batch, r *Result) bool {
	if b.Parts[0].Wire == parse.Loki && len(b.Span(0, len(b.Parts))) > 0 {
		return s.toLoki(ctx, b, r)
	}
	return s.some(ctx, b, 0, len(b.Parts), r)
}

// toLoki sends a batch whose entries may be refused one by one, each stream by
// itself: of a push of several a Loki tells what became of the last one.
func (s *Sender) toLoki(ctx context.Context, b *pipeline.Batch, r *Result) bool {
	marks := s.marksOf()
	l := s.load
	defer l.release()
	if l.take(b) != nil {
		return s.some(ctx, b, 0, len(b.Parts), r) // nobody can read it: let the server say so
	}
	t := &trial{s: s, ctx: ctx, b: b, r: r, load: l, fill: s.backfill()}
	newest := marks.newest(l)
	if !t.fill.Disabled {
		r.Filed = l.file(t.fill, newest)
	}
	if !t.run(l.apart(l.items)) {
		return false
	}
	for i, ns := range newest {
		marks.raise(marks.key(l.streams[i]), ns)
	}
	return true
}

// mostMarked is how many tenants' streams are remembered at a time.
const mostMarked = 64

// marksOf are the marks of the tenant that is being spoken as.
func (s *Sender) marksOf() *marks {
	if s.load == nil {
		s.load = &load{}
	}
	m := s.marks[s.as]
	if m == nil {
		if s.marks == nil || len(s.marks) >= mostMarked {
			s.marks = map[string]*marks{}
		}
		m = newMarks()
		s.marks[s.as] = m
	}
	return m
}

func (s *Sender) backfill() Backfill {
	if t, ok := s.Target.(interface{ Backfill() Backfill }); ok {
		return t.Backfill().withDefaults()
	}
	return Backfill{}.withDefaults()
}

// some sends the parts [from, to). What is rejected is sent again in halves, so
// that one bad part costs the others nothing.
func (s *Sender) some(ctx context.Context, b *pipeline.Batch, from, to int, r *Result) bool {
	body := b.Span(from, to)
	if len(body) == 0 {
		return true // nothing that this target wants to hear
	}
	a, ok := s.insist(ctx, body, func(a *Answer) {
		if err := plausible(b.Parts[from:to], a.Refused); err != nil {
			a.Kind, a.Err = KindRetry, err
		}
	})
	switch {
	case !ok:
		return false
	case a.Kind == KindRefused:
		s.refuse(b, from, to, a.Refused, r)
	case a.Kind == KindReject && to-from > 1:
		mid := from + (to-from)/2
		return s.some(ctx, b, from, mid, r) && s.some(ctx, b, mid, to, r)
	case a.Kind == KindReject && (s.guest || a.Err == errShut):
		return s.buryLines(ctx, &b.Parts[from], b.Bytes(from), a.Err, r)
	case a.Kind == KindReject:
		if !s.insistBurying(ctx, &b.Parts[from], b.Bytes(from), a.Err) {
			return false
		}
		r.Dead[b.Parts[from].File] = a.Err.Error()
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

// plausible holds an answer that refuses files against what was sent. A server
// refuses a file that begins behind where it has it.
func plausible(parts []pipeline.Part, files []loki.FileOffset) error {
	for _, f := range files {
		i := slices.IndexFunc(parts, func(p pipeline.Part) bool { return p.File == f.File })
		switch {
		case i < 0:
			return fmt.Errorf("the server refused file %s, of which nothing was sent", f.File)
		case f.Committed >= parts[i].From:
			return fmt.Errorf("the server refused bytes %d to %d of file %s, though it has them up to %d", parts[i].From, parts[i].To, f.File, f.Committed)
		}
	}
	return nil
}

// insistBurying keeps what is refused for good, trying until it is kept.
func (s *Sender) insistBurying(ctx context.Context, p *pipeline.Part, body []byte, why error) bool {
	for wait := s.first(); ; wait = s.next(wait) {
		err := s.Bury(p, body, why)
		if err == nil {
			return true
		}
		s.Logger.Error("cannot keep what the server refused, trying again", "error", err)
		if !sleep(ctx, jitter(wait)) {
			return false
		}
	}
}

// insist sends the same bytes until they are answered. check looks at each answer and
// may judge it otherwise.
func (s *Sender) insist(ctx context.Context, body []byte, check func(*Answer)) (Answer, bool) {
	if c, is := s.Target.(interface{ Forget() }); is {
		defer c.Forget()
	}
	for wait := s.first(); ; wait = s.next(wait) {
		began := time.Now()
		if s.doors.shut(s.as) {
			return Answer{Kind: KindReject, Status: http.StatusForbidden, Err: errShut}, true
		}
		a := s.push(ctx, body)
		check(&a)
		if ctx.Err() == nil && s.Attempted != nil {
			s.Attempted(Attempt{Kind: a.Kind, Status: a.StatusLabel(), Bytes: len(body), Took: time.Since(began), Err: a.Err})
		}
		if a.Kind != KindRetry {
			s.doors.heard(s.as, &a, s.KnockFor)
			if s.away {
				s.away = false
				s.Logger.Info("the server takes lines again")
			}
			return a, true
		}
		if ctx.Err() != nil {
			return a, false
		}
		if s.doors.heard(s.as, &a, s.KnockFor) {
			s.Logger.Error("the server does not let the agent in as a tenant, its lines are kept in the state directory", "tenant", s.as, "error", a.Err)
			continue
		}
		s.Retrying(a.Err)
		s.tell(a)
		if !sleep(ctx, a.RetryAfter+jitter(wait)) {
			return a, false
		}
	}
}

// tellAgain is how often the log says that a server does not take lines.
const tellAgain = 30 * time.Second

func (s *Sender) tell(a Answer) {
	now := time.Now()
	if !s.told.IsZero() && now.Sub(s.told) < tellAgain {
		return
	}
	s.told, s.away = now, true
	var status *StatusError
	if errors.As(a.Err, &status) && status.Lasting() {
		s.Logger.Error("the server will not take lines until something is changed, trying again", "error", a.Err, "status", a.Status)
		return
	}
	s.Logger.Warn("the server does not take lines, trying again", "error", a.Err, "status", a.Status)
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
