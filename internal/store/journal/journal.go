// Package journal is the log of accepted pushes: records are appended, synced
// in groups, handed on in order, read again at the next start and dropped once
// what they carry is safe elsewhere. It does not know what a record means.
//
// Invariant: a record whose append was acknowledged is read back whole after a
// crash at any moment, and one whose append failed is never read back unless
// the failure was that of a sync, after which nothing more is taken.
package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Config says where the journal lies. Dir must exist.
type Config struct {
	Dir string
	// SegmentBytes is the size from which on a new segment begins; 0 means 64 MiB.
	SegmentBytes int64
	Logger       *slog.Logger
	// Synced is called after each group with what it took (for metrics).
	Synced func(records int, bytes int64, took time.Duration)
	// Deliver is called, in order and from one goroutine, with each record that
	// has become durable and each Mark whose turn has come. It may block: that
	// holds up later groups' delivery, not their durability.
	Deliver func(Entry)
	// Judging is held by callers of Append, Mark and Settled from before they look
	// at what earlier records changed; the journal holds it while it calls undo.
	// So nothing is ever judged on the ground of a record that is being undone.
	Judging sync.Locker
	// Fault, where set, is called at named steps; an error fails the step.
	Fault func(step string) error
}

// Entry is what Append and Mark hand on to Deliver.
type Entry struct {
	Record *Record // nil for a mark
	End    int64   // position after the record
	Value  any
}

// Journal is the open log. Its methods are safe for concurrent use.
type Journal struct {
	cfg Config

	mu      sync.Mutex
	pending []pending // in order, not yet written
	buf     []byte    // their bytes
	end     int64     // position after the last pending record
	synced  int64     // position up to which all is durable
	failed  error     // set for ever after a failed sync
	closed  bool
	wake    chan struct{}

	f        *os.File // the segment being written
	segStart int64
	segments []int64 // starts, ascending; the last one is being written

	delivery delivery
	done     sync.WaitGroup
}

// delivery is the groups that are durable and not handed on yet. It has no
// bound: a slow Deliver must not hold up syncs, and who appends bounds what is
// on its way.
type delivery struct {
	mu     sync.Mutex
	groups [][]pending
	ended  bool
	wake   chan struct{}
}

func (d *delivery) put(group []pending, ended bool) {
	d.mu.Lock()
	if group != nil {
		d.groups = append(d.groups, group)
	}
	d.ended = d.ended || ended
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// take waits for the next group; nil means that there will be none.
func (d *delivery) take() []pending {
	for {
		d.mu.Lock()
		if len(d.groups) > 0 {
			group := d.groups[0]
			d.groups = d.groups[1:]
			d.mu.Unlock()
			return group
		}
		ended := d.ended
		d.mu.Unlock()
		if ended {
			return nil
		}
		<-d.wake
	}
}

type pending struct {
	entry Entry
	wait  *Ticket
}

// Ticket is a record on its way to disk.
type Ticket struct {
	done chan struct{}
	err  error
	undo func()
}

// Wait returns when the record is durable, or with what prevented it.
func (t *Ticket) Wait() error {
	<-t.done
	return t.err
}

// ErrClosed is the answer of a journal that was closed.
var ErrClosed = errors.New("the journal is closed")

// WriteError means that a group could not be written and was cut off again:
// none of its records are there, the journal goes on.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return "write journal: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// SyncError means that a sync failed: nobody knows what is on disk, and the
// journal takes nothing more until it is opened again.
type SyncError struct{ Err error }

func (e *SyncError) Error() string { return "sync journal: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SyncError) Unwrap() error { return e.Err }

// Append takes a record. Its undo is called, newest record first, where the
// record's group could not be written; it must not call the journal. Append
// returns at once.
func (j *Journal) Append(r *Record, value any, undo func()) (*Ticket, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return nil, err
	}
	before := len(j.buf)
	j.buf = r.append(j.buf)
	j.end += int64(len(j.buf) - before)
	t := &Ticket{done: make(chan struct{}), undo: undo}
	j.pending = append(j.pending, pending{Entry{Record: r, End: j.end, Value: value}, t})
	j.kick()
	return t, nil
}

// Mark puts a value between the records: Deliver gets it after all records
// appended before. The ticket tells whether they became durable; where they did
// not the value is not delivered.
func (j *Journal) Mark(value any) (*Ticket, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return nil, err
	}
	t := &Ticket{done: make(chan struct{})}
	j.pending = append(j.pending, pending{Entry{End: j.end, Value: value}, t})
	j.kick()
	return t, nil
}

// Settled returns a ticket that is done when every record appended before is
// durable.
func (j *Journal) Settled() *Ticket {
	j.mu.Lock()
	defer j.mu.Unlock()
	t := &Ticket{done: make(chan struct{})}
	if err := j.usable(); err != nil || j.synced == j.end {
		t.err = err
		close(t.done)
		return t
	}
	j.pending = append(j.pending, pending{Entry{End: j.end}, t})
	j.kick()
	return t
}

// End is the position after the last record taken.
func (j *Journal) End() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.end
}

// Err is nil, or why the journal takes nothing more.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.usable()
}

func (j *Journal) usable() error {
	if j.failed != nil {
		return j.failed
	}
	if j.closed {
		return ErrClosed
	}
	return nil
}

func (j *Journal) kick() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Close writes what is pending, waits until it was delivered, and closes.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	close(j.wake)
	j.mu.Unlock()
	j.done.Wait()
	return j.f.Close()
}

// run writes groups until the journal is closed: whatever came while the last
// group was being synced is the next one.
func (j *Journal) run() {
	defer j.done.Done()
	defer j.delivery.put(nil, true)
	var spare []byte
	for range j.wake {
		for {
			j.mu.Lock()
			group, buf := j.pending, j.buf
			j.pending, j.buf = nil, spare[:0]
			j.mu.Unlock()
			if len(group) == 0 {
				spare = buf
				break
			}
			j.commit(group, buf)
			spare = buf
			if cap(spare) > 16<<20 {
				spare = nil
			}
		}
	}
}

func (j *Journal) commit(group []pending, buf []byte) {
	err := j.usableForWrite()
	if err == nil && len(buf) > 0 {
		err = j.writeGroup(buf, len(group))
	}
	if err != nil {
		j.fail(group, err)
		return
	}
	j.mu.Lock()
	j.synced = group[len(group)-1].entry.End
	j.mu.Unlock()
	for _, p := range group {
		close(p.wait.done)
	}
	j.delivery.put(group, false)
}

func (j *Journal) usableForWrite() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

func (j *Journal) writeGroup(buf []byte, records int) error {
	start := time.Now()
	size := j.synced - j.segStart
	if size >= j.cfg.SegmentBytes {
		if err := j.rotate(); err != nil {
			return &WriteError{err}
		}
		size = 0
	}
	if err := j.fault("write"); err != nil {
		return j.cut(size, err)
	}
	if _, err := j.f.WriteAt(buf, headerSize+size); err != nil {
		return j.cut(size, err)
	}
	if err := j.fault("sync"); err != nil {
		return &SyncError{err}
	}
	if err := j.f.Sync(); err != nil {
		return &SyncError{err}
	}
	if err := j.fault("synced"); err != nil {
		return &SyncError{err}
	}
	if j.cfg.Synced != nil {
		j.cfg.Synced(records, int64(len(buf)), time.Since(start))
	}
	return nil
}

// cut takes back a torn write. Where even that fails nobody knows what a
// reader would find, as after a failed sync.
func (j *Journal) cut(size int64, cause error) error {
	if err := j.f.Truncate(headerSize + size); err != nil {
		return &SyncError{fmt.Errorf("cut the torn record off after %w: %w", cause, err)}
	}
	return &WriteError{cause}
}

// fail answers everything pending: what came later was judged on the ground
// that the group was there.
func (j *Journal) fail(group []pending, err error) {
	j.cfg.Judging.Lock()
	defer j.cfg.Judging.Unlock()
	j.mu.Lock()
	var syncErr *SyncError
	if errors.As(err, &syncErr) {
		j.failed = err
	}
	all := append(group, j.pending...)
	j.pending, j.buf = nil, j.buf[:0]
	j.end = j.synced
	j.mu.Unlock()
	for i := len(all) - 1; i >= 0; i-- {
		all[i].wait.err = err
		if undo := all[i].wait.undo; undo != nil {
			undo()
		}
	}
	for _, p := range all {
		close(p.wait.done)
	}
	if syncErr != nil {
		j.cfg.Logger.Error("the journal cannot be synced: the store takes no more lines until it is opened again",
			"dir", j.cfg.Dir, "error", err)
	}
}

func (j *Journal) deliverAll() {
	defer j.done.Done()
	for group := j.delivery.take(); group != nil; group = j.delivery.take() {
		for _, p := range group {
			if p.entry.Record != nil || p.entry.Value != nil {
				j.cfg.Deliver(p.entry)
			}
		}
	}
}

func (j *Journal) fault(step string) error {
	if j.cfg.Fault == nil {
		return nil
	}
	return j.cfg.Fault("journal " + step)
}

func (j *Journal) segmentPath(start int64) string {
	return filepath.Join(j.cfg.Dir, fmt.Sprintf("%016x.journal", start))
}

// Synced is the position up to which all is durable.
func (j *Journal) Synced() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.synced
}
