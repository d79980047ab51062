// Package store is the contract between those who keep log lines and those who
// ask for them. It knows no LogQL and no HTTP.
//
// Invariant: when Append returns nil, every line of the batch that was not
// there before is durable on disk and will be in the answer to every later
// query exactly once, also after a kill at any moment.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// Batch is one accepted push.
type Batch struct {
	Tenant   string    // checked with ValidTenant
	Received time.Time // when the server began to read it
	Push     *loki.Push
	// Body is Push as snappy block-compressed protobuf where the caller has it;
	// nil makes the store encode Push itself.
	Body []byte
	// Known marks, for each stream of Push that comes without a range, entries that are
	// stored already; nil marks none. They are not stored again, but count where a batch
	// is compared with those before it: of one that is sent again only some may be
	// known. The store takes them out of Push.
	Known [][]bool
}

// Store keeps lines. All methods may be called from several goroutines.
type Store interface {
	// Append stores a batch, each file of it judged by its range and each other
	// stream by the hash of its entries (stored already: counted, not stored).
	// The error is *RefusedError where some files must go on from elsewhere (the
	// rest of the batch is then stored and durable), ErrDiskFull or ErrReadOnly
	// where nothing was taken, *TooLargeError or *InvalidError where the batch
	// holds what cannot be kept and nothing was taken: sending it again is no use.
	// Anything else means that nothing is known about the batch: send it
	// again.
	Append(ctx context.Context, b Batch) (AppendResult, error)

	// Select calls yield for each selected record in order of time (sel.Direction)
	// and, where times are equal, of offset or arrival. Records come one at a time
	// from one goroutine. It stops with yield's error. Where several tenants are
	// asked, each record tells whose it is.
	Select(ctx context.Context, tenants []string, sel logs.Selection, yield func(*logs.Record) error) error

	// Buckets calls yield for each non-empty bucket, in no particular order.
	Buckets(ctx context.Context, tenants []string, q logs.BucketQuery, yield func(logs.Bucket) error) error

	// Streams lists the label sets of the streams with lines in [start, end) that
	// pass the matchers (none: all), sorted.
	Streams(ctx context.Context, tenants []string, matchers []logs.Matcher, start, end int64) ([]logs.Labels, error)

	// LabelNames and LabelValues list stream labels, sorted.
	LabelNames(ctx context.Context, tenants []string, matchers []logs.Matcher, start, end int64) ([]string, error)
	LabelValues(ctx context.Context, tenants []string, name string, matchers []logs.Matcher, start, end int64) ([]string, error)

	// Stats counts what a selection by matchers and time would read.
	Stats(ctx context.Context, tenants []string, matchers []logs.Matcher, start, end int64) (Stats, error)

	// Offsets answers for each file asked about, in that order.
	Offsets(ctx context.Context, tenant string, files []loki.FileID) ([]loki.FileOffsets, error)

	// Holding answers with the files that have a generation of the same inode and
	// birth time as one of the given fingerprints, each once; of their generations
	// with the first and those asked about. The caller must compare the hashes.
	Holding(ctx context.Context, tenant string, fingerprints [][]byte) ([]loki.FileOffsets, error)

	// Follow gives f each record that passes from now on, soon after it is
	// appended, until ctx ends or f fails. A follower that is slower than the appends
	// loses records and is told how many; appends never wait for it.
	Follow(ctx context.Context, tenants []string, sel logs.Selection, f Follower) error

	// Delete removes the selected records; it returns when the request is durable.
	// The query is what a list of requests shows for it. With match, of the selected
	// records those for which it is true are removed; it is called from one goroutine
	// at a time, before Delete returns.
	Delete(ctx context.Context, tenant string, sel logs.Selection, query string, match func(*logs.Record) bool) error

	// Deletions lists the last requests to delete, oldest first.
	Deletions(tenant string) ([]Deletion, error)

	// Snapshot writes a consistent copy of everything into the empty directory dir.
	Snapshot(ctx context.Context, dir string) error

	// Ready is nil when appends and queries are served, else the reason.
	Ready() error

	Close() error
}

// Follower takes what Follow gives, from one goroutine.
type Follower struct {
	Begun  func()                   // called once: every later append is followed
	Record func(*logs.Record) error // ends following with its error
	Lost   func(n int)              // that many records came too fast
}

// AppendResult counts what happened to a batch.
type AppendResult struct {
	Stored    int // lines
	Duplicate int // lines that were there already
	Gaps      int // gap lines written
}

// Deletion is a request to delete lines.
type Deletion struct {
	ID         string
	Query      string
	Start, End int64 // Unix nanoseconds, the end not included
	Created    int64
	Done       bool // nothing of it is left to do
}

// Stats is the size of a selection.
type Stats struct {
	Streams, Chunks, Bytes, Entries uint64
}

// ErrDiskFull means that the disk is below its floor: nothing was taken, the
// sender keeps its lines and tries again.
var ErrDiskFull = errors.New("the disk is too full to take more lines")

// ErrReadOnly means that the store takes no lines until it is opened again.
var ErrReadOnly = errors.New("the store is read-only")

// RefusedError lists the files of a batch of which nothing was stored, as their
// ranges begin after what is committed.
type RefusedError struct {
	Files []loki.FileOffset
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%d files begin after what is committed", len(e.Files))
}

// TooLargeError names what cannot be kept, before anything was taken.
type TooLargeError struct {
	What        string // "line", "label name", "labels of a stream", …
	Size, Limit int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s has %d bytes, at most %d are kept", e.What, e.Size, e.Limit)
}

// InvalidError says why a batch or a question cannot be right as it is: a time
// out of bounds, a line that is not in its file's range, a tenant's name.
type InvalidError struct {
	Reason string
}

func (e *InvalidError) Error() string { return e.Reason }

// MemoryError says that a question would take more memory than one may have.
type MemoryError struct {
	What  string // that takes it
	Limit int64  // bytes
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("the query needs more than %d MiB of memory for %s: narrow it by more specific matchers and filters, a shorter range, "+
		"a larger step, or fewer labels to group by", e.Limit>>20, e.What)
}

// ValidTenant checks a tenant's name by Loki's rules: 1 to 150 bytes of letters,
// digits and !-_.*'(), but not "." or "..".
func ValidTenant(name string) error {
	switch {
	case name == "":
		return errors.New("tenant name is empty")
	case len(name) > 150:
		return fmt.Errorf("tenant name has %d bytes, at most 150 are allowed", len(name))
	case name == "." || name == "..":
		return fmt.Errorf("tenant name %q is not allowed", name)
	}
	for _, c := range []byte(name) {
		ok := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !ok {
			switch c {
			case '!', '-', '_', '.', '*', '\'', '(', ')':
			default:
				return fmt.Errorf("tenant name %q holds %q: letters, digits and !-_.*'() are allowed", name, c)
			}
		}
	}
	return nil
}
