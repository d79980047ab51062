package embedded

import (
	"context"
	"slices"
	"sync"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/store"
)

// What waits for one follower at most.
const (
	followRing  = 10_000   // records
	followBytes = 32 << 20 // of their lines
)

// followers get records from the appliers, not from the engine.
type followers struct {
	mu     sync.RWMutex
	all    map[*follower]struct{}
	closed bool
}

type follower struct {
	tenants  []string
	residual *residual

	mu      sync.Mutex
	records []logs.Record
	bytes   int // of their lines
	lost    int
	wake    chan struct{}
	ended   chan struct{}
}

// Follow passes on records as they are applied; see store.Store.
func (e *Engine) Follow(ctx context.Context, tenants []string, sel logs.Selection, to store.Follower) error {
	for _, name := range tenants {
		if err := store.ValidTenant(name); err != nil {
			return &store.InvalidError{Reason: err.Error()}
		}
	}
	r, err := newResidual(&sel, false)
	if err != nil {
		return err
	}
	// What was acknowledged before is not followed, however late it is applied.
	if err := e.catchUp(ctx); err != nil {
		return err
	}
	f := &follower{tenants: slices.Clone(tenants), residual: r, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	if !e.followers.add(f) {
		return e.Ready()
	}
	defer e.followers.remove(f)
	to.Begun()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.ended:
			return errClosing
		case <-f.wake:
		}
		records, missed := f.take()
		if missed > 0 {
			to.Lost(missed)
		}
		for i := range records {
			if err := to.Record(&records[i]); err != nil {
				return err
			}
		}
	}
}

func (fs *followers) add(f *follower) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.closed {
		return false
	}
	if fs.all == nil {
		fs.all = make(map[*follower]struct{})
	}
	fs.all[f] = struct{}{}
	return true
}

func (fs *followers) remove(f *follower) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.all, f)
}

func (fs *followers) close() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.closed = true
	for f := range fs.all {
		close(f.ended)
	}
	clear(fs.all)
}

// offer gives a job's new lines to those who follow. It never waits for them.
func (fs *followers) offer(j *job) {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	for f := range fs.all {
		if slices.Contains(f.tenants, j.tenant) {
			f.offer(j)
		}
	}
}

func (f *follower) offer(j *job) {
	for i := range j.push.Streams {
		s := &j.push.Streams[i]
		if !f.residual.stream(s.Labels) {
			continue
		}
		news(s, j.verdicts[i], j.received, func(e *logs.Entry, _ uint64) {
			rec := logs.Record{Stream: s.Labels, Entry: *e}
			if s.Range != nil {
				rec.Metadata = logs.Normalize(slices.Concat(s.Range.Metadata, e.Metadata))
			}
			if f.residual.passes(&rec) {
				f.put(rec)
			}
		})
	}
}

func (f *follower) put(rec logs.Record) {
	f.mu.Lock()
	if len(f.records) >= followRing || f.bytes >= followBytes {
		f.lost++
	} else {
		// A copy: the record's strings are parts of a whole push, which must not stay
		// in memory for the sake of one line.
		f.records = append(f.records, rec.Clone())
		f.bytes += len(rec.Line)
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *follower) take() ([]logs.Record, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	records, lost := f.records, f.lost
	f.records, f.bytes, f.lost = nil, 0, 0
	return records, lost
}
