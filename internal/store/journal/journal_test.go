package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// log is a journal under test and what it delivered.
type log struct {
	*Journal
	judging   sync.Mutex
	mu        sync.Mutex
	delivered []string
}

func open(t *testing.T, cfg Config, from int64) (*log, []string) {
	t.Helper()
	l := &log{}
	cfg.Judging = &l.judging
	cfg.Deliver = func(e Entry) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if e.Record != nil {
			l.delivered = append(l.delivered, string(e.Record.Body))
		} else {
			l.delivered = append(l.delivered, fmt.Sprint("mark ", e.Value))
		}
	}
	var replayed []string
	j, err := Open(cfg, from, func(r *Record, end int64) error {
		replayed = append(replayed, fmt.Sprintf("%d %s %d %d %s", r.Kind, r.Tenant, r.Received, r.Row, r.Body))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	l.Journal = j
	t.Cleanup(func() { _ = j.Close() })
	return l, replayed
}

func (l *log) add(t *testing.T, body string) error {
	t.Helper()
	l.judging.Lock()
	ticket, err := l.Append(record(body), nil, nil)
	l.judging.Unlock()
	if err != nil {
		return err
	}
	return ticket.Wait()
}

func record(body string) *Record {
	return &Record{Kind: 1, Tenant: "t", Received: 5, Row: 9, Body: []byte(body)}
}

func texts(bodies ...string) []string {
	var out []string
	for _, b := range bodies {
		out = append(out, "1 t 5 9 "+b)
	}
	return out
}

func TestRecordsAreReadBackInOrder(t *testing.T) {
	dir := t.TempDir()
	// Segments so small that each record gets one.
	cfg := Config{Dir: dir, SegmentBytes: 1}
	l, replayed := open(t, cfg, 0)
	if replayed != nil {
		t.Errorf("a new journal holds %v", replayed)
	}
	var mid int64
	for _, b := range []string{"a", "", strings.Repeat("c", 100_000)} {
		if err := l.add(t, b); err != nil {
			t.Fatal(err)
		}
		if b == "" {
			mid = l.End()
			if _, err := l.Mark("m"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "", "mark m", strings.Repeat("c", 100_000)}, l.delivered); diff != "" {
		t.Error(diff)
	}
	_, replayed = open(t, cfg, 0)
	if diff := cmp.Diff(texts("a", "", strings.Repeat("c", 100_000)), replayed); diff != "" {
		t.Error(diff)
	}
	l, replayed = open(t, cfg, mid)
	if diff := cmp.Diff(texts(strings.Repeat("c", 100_000)), replayed); diff != "" {
		t.Error(diff)
	}
	if err := l.RemoveBefore(mid); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.journal"))
	if len(names) != 1 || len(l.Segments(mid)) != 1 {
		t.Errorf("segments left: %v", names)
	}
}

func TestATornEndIsCutWhereverItIsTorn(t *testing.T) {
	whole := t.TempDir()
	l, _ := open(t, Config{Dir: whole}, 0)
	var ends []int64
	for _, b := range []string{"first", "second", "third"} {
		if err := l.add(t, b); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, headerSize+l.End())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(l.Segments(0)[0])
	if err != nil {
		t.Fatal(err)
	}
	for size := range int64(len(data)) + 1 {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "0000000000000000.journal"), data[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		var want []string
		for i, b := range []string{"first", "second", "third"} {
			if size >= ends[i] {
				want = append(want, texts(b)...)
			}
		}
		l, replayed := open(t, Config{Dir: dir}, 0)
		if diff := cmp.Diff(want, replayed); diff != "" {
			t.Fatalf("cut at %d: %s", size, diff)
		}
		if err := l.add(t, "after"); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		_, replayed = open(t, Config{Dir: dir}, 0)
		if diff := cmp.Diff(append(want, texts("after")...), replayed); diff != "" {
			t.Fatalf("cut at %d and appended to: %s", size, diff)
		}
	}
}

func TestDamageBeforeLaterSegmentsIsNotPassedOver(t *testing.T) {
	dir := t.TempDir()
	l, _ := open(t, Config{Dir: dir, SegmentBytes: 1}, 0)
	for _, b := range []string{"a", "b", "c"} {
		if err := l.add(t, b); err != nil {
			t.Fatal(err)
		}
	}
	paths := l.Segments(0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"flipped": append(data[:len(data)-1:len(data)-1], data[len(data)-1]^1), "cut": data[:len(data)-1], "empty": nil, "missing": nil,
	} {
		if name == "missing" {
			err = os.Remove(paths[1])
		} else {
			err = os.WriteFile(paths[1], damaged, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err := Open(Config{Dir: dir}, 0, func(*Record, int64) error { return nil })
		var want *DamagedError
		if !errors.As(err, &want) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestAWriteThatFailsIsTakenBack(t *testing.T) {
	dir := t.TempDir()
	fail := false
	l, _ := open(t, Config{Dir: dir, Fault: func(step string) error {
		if fail && step == "journal write" {
			return unix.ENOSPC
		}
		return nil
	}}, 0)
	if err := l.add(t, "before"); err != nil {
		t.Fatal(err)
	}
	end := l.End()
	fail = true
	undone := ""
	l.judging.Lock()
	a, errA := l.Append(record("a"), nil, func() { undone += "a" })
	b, errB := l.Append(record("b"), nil, func() { undone += "b" })
	settled := l.Settled()
	mark, errM := l.Mark("never")
	l.judging.Unlock()
	if errM != nil {
		t.Fatal(errM)
	}
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	var writeErr *WriteError
	for _, ticket := range []*Ticket{a, b, settled, mark} {
		if err := ticket.Wait(); !errors.As(err, &writeErr) || !errors.Is(err, unix.ENOSPC) {
			t.Errorf("error %v", err)
		}
	}
	if undone != "ba" {
		t.Errorf("undone %q, want the newest first", undone)
	}
	fail = false
	if l.End() != end {
		t.Errorf("end is %d, was %d before the failed write", l.End(), end)
	}
	if err := l.add(t, "after"); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"before", "after"}, l.delivered); diff != "" {
		t.Error(diff)
	}
	_, replayed := open(t, Config{Dir: dir}, 0)
	if diff := cmp.Diff(texts("before", "after"), replayed); diff != "" {
		t.Error(diff)
	}
}

func TestAfterAFailedSyncNothingIsTaken(t *testing.T) {
	fail := false
	l, _ := open(t, Config{Dir: t.TempDir(), Fault: func(step string) error {
		if fail && step == "journal sync" {
			return unix.EIO
		}
		return nil
	}}, 0)
	if err := l.add(t, "before"); err != nil {
		t.Fatal(err)
	}
	fail = true
	var syncErr *SyncError
	if err := l.add(t, "lost"); !errors.As(err, &syncErr) {
		t.Errorf("error %v", err)
	}
	fail = false
	if err := l.add(t, "later"); !errors.As(err, &syncErr) {
		t.Errorf("error %v after a failed sync", err)
	}
	if err := l.Settled().Wait(); !errors.As(err, &syncErr) {
		t.Errorf("settled after a failed sync: %v", err)
	}
	if err := l.Err(); !errors.As(err, &syncErr) {
		t.Errorf("error %v", err)
	}
}

func TestAppendsFromManyShareSyncs(t *testing.T) {
	var mu sync.Mutex
	groups, records := 0, 0
	l, _ := open(t, Config{Dir: t.TempDir(), Synced: func(n int, _ int64, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		groups++
		records += n
	}}, 0)
	const writers, each = 16, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := l.add(t, fmt.Sprint(w, " ", i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if records != writers*each || len(l.delivered) != writers*each {
		t.Errorf("%d records synced, %d delivered", records, len(l.delivered))
	}
	if groups == records {
		t.Errorf("%d records took %d syncs: none was shared", records, groups)
	}
	if err := l.add(t, "x"); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed journal answers %v", err)
	}
}

func FuzzNext(f *testing.F) {
	f.Add(record("body").append(nil))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, n, err := next(data)
		if err != nil {
			return
		}
		again, _, err := next(r.append(nil))
		if err != nil || cmp.Diff(r, again) != "" {
			t.Fatalf("record of %d bytes: %v, %v", n, err, again)
		}
	})
}
