package embedded

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"
	"golang.org/x/sys/unix"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
	"github.com/remora-ray/remora/internal/store/journal"
	"github.com/remora-ray/remora/internal/store/ledger"
)

// The kinds of records in our journal.
const (
	kindPush   journal.Kind = 1
	kindDelete journal.Kind = 2
)

// job is a judged push on its way into the engine.
type job struct {
	tenant   string
	received time.Time
	push     *loki.Push
	verdicts []ledger.Verdict
	weight   int64
	end      int64 // of its record in the journal
	err      error // why an outgrown store will not have it
}

// Append judges, journals and queues a batch; see store.Store.
func (e *Engine) Append(ctx context.Context, b store.Batch) (store.AppendResult, error) {
	if err := e.admit(&b); err != nil {
		return store.AppendResult{}, err
	}
	if b.Received.IsZero() {
		b.Received = e.cfg.Now()
	}
	parts := partsOf(b.Push)
	if leaveOut(b.Push, b.Known, parts) || b.Body == nil {
		b.Body = encodeBody(b.Push)
	}
	weight := min(weightOf(b.Push), e.cfg.QueueBytes)
	if err := e.enter(ctx, weight); err != nil {
		return store.AppendResult{}, fmt.Errorf("wait for room in the queue: %w", err)
	}
	j := &job{tenant: b.Tenant, received: b.Received, push: b.Push, weight: weight}
	d, queued, err := e.commit(&b, j, parts)
	if !queued || err != nil {
		e.leave(weight)
	}
	if err == nil && e.cfg.Outgrown != nil {
		err = e.taken(ctx, j)
	}
	if err != nil {
		return store.AppendResult{}, err
	}
	res := count(b.Push, d)
	e.metrics.appended(b.Push, d, res)
	if len(d.Refused) > 0 {
		return res, &store.RefusedError{Files: d.Refused}
	}
	return res, nil
}

// taken returns when an outgrown store has taken what was appended, with why it
// will not have the job.
func (e *Engine) taken(ctx context.Context, j *job) error {
	if err := e.catchUp(ctx); err != nil {
		return fmt.Errorf("wait for %s to take the lines: %w", e.cfg.Outgrown, err)
	}
	return j.err
}

var plainBodies = sync.Pool{New: func() any { return new([]byte) }}

// encodeBody is a push as the journal keeps it.
func encodeBody(p *loki.Push) []byte {
	plain := plainBodies.Get().(*[]byte)
	defer plainBodies.Put(plain)
	*plain = loki.AppendPush((*plain)[:0], p)
	body := s2.EncodeSnappy(nil, *plain)
	if cap(*plain) > maxPooledBody {
		*plain = nil
	}
	return body
}

// Buffers larger than this are left to the garbage collector.
const maxPooledBody = 8 << 20

// enter takes room in the queue, waiting for it where there is none.
func (e *Engine) enter(ctx context.Context, weight int64) error {
	if !e.room.TryAcquire(weight) {
		done := e.hurry()
		defer done()
		if err := e.room.Acquire(ctx, weight); err != nil {
			return err
		}
	}
	e.queued.Add(weight)
	return nil
}

// leave gives a job's room in the queue back.
func (e *Engine) leave(weight int64) {
	e.queued.Add(-weight)
	e.room.Release(weight)
}

// admit is what is checked before anything is taken.
func (e *Engine) admit(b *store.Batch) error {
	if err := store.ValidTenant(b.Tenant); err != nil {
		return &store.InvalidError{Reason: err.Error()}
	}
	if err := e.Ready(); err != nil {
		return err
	}
	if err := e.limits().check(b.Push); err != nil {
		return err
	}
	if err := e.disk.check(); err != nil {
		return err
	}
	_, err := e.tenants.open(b.Tenant)
	return err
}

// commit returns when the batch is durable; queued tells whether it was news
// and the appliers have it.
func (e *Engine) commit(b *store.Batch, j *job, parts []ledger.Part) (d *ledger.Decision, queued bool, err error) {
	e.judging.Lock()
	d = e.ledger.Judge(b.Tenant, b.Received, parts)
	if !d.News() {
		// A repeat may have overtaken what it repeats: wait for that one.
		e.ledger.Undo(d)
		settled := e.journal.Settled()
		e.judging.Unlock()
		return d, false, appendError(settled.Wait())
	}
	j.verdicts = d.Parts
	record := &journal.Record{Kind: kindPush, Tenant: b.Tenant, Received: b.Received.UnixNano(), Row: d.FirstRow, Body: b.Body}
	ticket, err := e.journal.Append(record, j, func() { e.ledger.Undo(d) })
	if err != nil {
		e.ledger.Undo(d)
	}
	e.judging.Unlock()
	if err == nil {
		err = ticket.Wait()
	}
	return d, err == nil, appendError(err)
}

// appendError turns the journal's errors into the contract's.
func appendError(err error) error {
	var syncErr *journal.SyncError
	var writeErr *journal.WriteError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syncErr):
		return fmt.Errorf("%w: %w", store.ErrReadOnly, err)
	case errors.As(err, &writeErr) && (errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)):
		return fmt.Errorf("%w: %w", store.ErrDiskFull, err)
	}
	return err
}

func partsOf(p *loki.Push) []ledger.Part {
	parts := make([]ledger.Part, len(p.Streams))
	for i := range p.Streams {
		s := &p.Streams[i]
		parts[i] = ledger.Part{Range: s.Range, Lines: len(s.Entries)}
		if s.Range == nil {
			parts[i].Hash = ledger.HashBatch(s.Labels, s.Entries)
		}
	}
	return parts
}

// leaveOut takes the entries out that are known and reports whether there were any.
// What a batch is known by stays.
func leaveOut(p *loki.Push, known [][]bool, parts []ledger.Part) (changed bool) {
	for i, marked := range known {
		s := &p.Streams[i]
		if marked == nil || s.Range != nil {
			continue
		}
		kept := s.Entries[:0]
		for j, e := range s.Entries {
			if !marked[j] {
				kept = append(kept, e)
			}
		}
		s.Entries, parts[i].Lines, changed = kept, len(kept), true
	}
	return changed
}

// weightOf estimates what a decoded push holds in memory.
func weightOf(p *loki.Push) int64 {
	n := int64(0)
	for i := range p.Streams {
		s := &p.Streams[i]
		n += 256
		for j := range s.Entries {
			n += int64(len(s.Entries[j].Line) + 48*len(s.Entries[j].Metadata) + 48)
		}
	}
	return n
}

// news calls yield for each line of stream that its verdict says is new, gap
// lines among them.
func news(s *loki.Stream, v ledger.Verdict, received time.Time, yield func(e *logs.Entry, row uint64)) {
	switch v.Action {
	case ledger.Done, ledger.Refuse:
		return
	case ledger.Gap:
		gap := gapEntry(s, v, received)
		yield(&gap, 0)
	}
	row := v.Row
	for i := range s.Entries {
		e := &s.Entries[i]
		if v.Action == ledger.Cut {
			// Ranges were checked: every entry has an offset.
			if offset, _ := entryOffset(e); offset < v.From {
				continue
			}
		}
		yield(e, row)
		row++
	}
}

// gapEntry is the line that stands for missing bytes, where they are missing.
func gapEntry(s *loki.Stream, v ledger.Verdict, received time.Time) logs.Entry {
	at := received.UnixNano()
	switch {
	case len(s.Entries) > 0:
		at = s.Entries[0].Time
	case s.Range.GapTime != 0:
		at = s.Range.GapTime
	}
	line := fmt.Sprintf("remora: bytes %d to %d of this file are missing: %s", v.GapFrom, v.From, s.Range.Gap)
	if v.From <= v.GapFrom+1 { // how many is not known
		line = fmt.Sprintf("remora: lines may be missing here: %s", s.Range.Gap)
	}
	return logs.Entry{Time: at, Line: line, Metadata: logs.LabelsOf(
		loki.MetadataOffset, fmt.Sprint(v.GapFrom), gapName, s.Range.Gap, "detected_level", "warn")}
}

func count(p *loki.Push, d *ledger.Decision) (r store.AppendResult) {
	for i := range p.Streams {
		s, v := &p.Streams[i], d.Parts[i]
		switch v.Action {
		case ledger.Done:
			r.Duplicate += len(s.Entries)
		case ledger.Gap:
			r.Gaps++
			r.Stored += len(s.Entries)
		case ledger.Store:
			r.Stored += len(s.Entries)
		case ledger.Cut:
			stored := 0
			news(s, v, time.Time{}, func(*logs.Entry, uint64) { stored++ })
			r.Stored += stored
			r.Duplicate += len(s.Entries) - stored
		}
	}
	return r
}
