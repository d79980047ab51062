package embedded

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/store"
)

// A question of the engine that would take too much memory is told as one to
// narrow, any other fault of the engine as a fault.
func TestAQuestionThatIsTooLarge(t *testing.T) {
	err := engineError("*", errors.New("cannot calculate [stats by (a) count(*) as b], since it requires more than 256MB of memory"))
	var memory *store.MemoryError
	if !errors.As(err, &memory) || memory.Limit != 256<<20 || !strings.Contains(err.Error(), "narrow it") {
		t.Errorf("%v", err)
	}
	if err := engineError("*", errors.New("requires more than luck")); errors.As(err, &memory) {
		t.Errorf("%v", err)
	}
}

// Lines of one moment cannot be cut into smaller slices: beyond some megabytes of
// them a question is refused, and what is in reach is answered.
func TestLinesOfOneMomentAreBounded(t *testing.T) {
	e := openTest(t, func(c *Config) { c.MemoryBytes = 4 << 20 })
	at := base.UnixNano()
	offset := uint64(0)
	for range 20 {
		p := filePush(1, offset, "")
		for range 100 {
			line := strings.Repeat("x", 1000) + fmt.Sprint(offset)
			p.Streams[0].Entries = append(p.Streams[0].Entries, logs.Entry{Time: at, Line: line, Metadata: logs.LabelsOf("offset", fmt.Sprint(offset))})
			offset += uint64(len(line) + 1)
		}
		p.Streams[0].Range.To = offset
		appendPush(t, e, p)
	}
	sel := logs.Selection{Start: at, End: at + 1}
	var memory *store.MemoryError
	if err := e.Select(context.Background(), []string{"fake"}, sel, func(*logs.Record) error { return nil }); !errors.As(err, &memory) {
		t.Errorf("all of two megabytes: %v", err)
	}
	sel.Limit = 10
	n := 0
	if err := e.Select(context.Background(), []string{"fake"}, sel, func(*logs.Record) error { n++; return nil }); err != nil || n != 10 {
		t.Errorf("%d lines: %v", n, err)
	}
}

// Counts of one tenant are not gathered before they are given on.
func TestCountsEndWhenNobodyWantsThem(t *testing.T) {
	e := openTest(t, nil)
	for i := range uint64(50) {
		appendPush(t, e, filePush(byte(i), 0, "", "a line", "another"))
	}
	enough := errors.New("enough")
	q := logs.BucketQuery{Selection: everything(), Width: int64(time.Second), By: []string{"offset", "filename"}}
	n := 0
	err := e.Buckets(context.Background(), []string{"fake"}, q, func(logs.Bucket) error { n++; return enough })
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("%v after %d buckets", err, n)
	}
}

// A question ends when its asker has gone, whatever it is at.
func TestAQuestionEndsWithItsAsker(t *testing.T) {
	e := openTest(t, nil)
	for i := range uint64(40) {
		lines := make([]string, 500)
		for j := range lines {
			lines[j] = fmt.Sprintf("line %d of %d", j, i)
		}
		appendPush(t, e, filePush(byte(i), 0, "", lines...))
	}
	for name, ask := range map[string]func(ctx context.Context, seen func()) error{
		"lines": func(ctx context.Context, seen func()) error {
			return e.Select(ctx, []string{"fake"}, everything(), func(*logs.Record) error { seen(); return ctx.Err() })
		},
		"counts": func(ctx context.Context, seen func()) error {
			q := logs.BucketQuery{Selection: everything(), Width: 1000, By: []string{"offset"}}
			return e.Buckets(ctx, []string{"fake"}, q, func(logs.Bucket) error { seen(); return ctx.Err() })
		},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		var seen atomic.Int64
		err := ask(ctx, func() {
			if seen.Add(1) == 3 {
				cancel()
			}
		})
		cancel()
		if !errors.Is(err, context.Canceled) || seen.Load() != 3 {
			t.Errorf("%s: %v after %d", name, err, seen.Load())
		}
	}
}
