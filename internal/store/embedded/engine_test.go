package embedded

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

var base = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func openTest(t *testing.T, change func(*Config)) *Engine {
	t.Helper()
	return openAt(t, t.TempDir(), change)
}

func openAt(t *testing.T, dir string, change func(*Config)) *Engine {
	t.Helper()
	cfg := Config{Dir: dir}
	if change != nil {
		change(&cfg)
	}
	e, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

func fileID(n byte) loki.FileID { return loki.FileID{15: n} }

// filePush is a push of whole lines of one file from offset from on; every line
// takes 10 bytes of the file.
func filePush(file byte, from uint64, gap string, lines ...string) *loki.Push {
	s := loki.Stream{
		Labels: logs.LabelsOf("component", "raylet", "job", "ray/logs"),
		Range: &loki.FileRange{
			File: fileID(file), From: from, To: from + 10*uint64(len(lines)), Gap: gap,
			Generation: []byte("gen"), Metadata: logs.LabelsOf("filename", fmt.Sprintf("raylet%d.out", file), "session", "s1"),
		},
	}
	for i, l := range lines {
		offset := from + 10*uint64(i)
		s.Entries = append(s.Entries, logs.Entry{
			Time: base.UnixNano() + int64(offset), Line: l,
			Metadata: logs.LabelsOf("offset", fmt.Sprint(offset)),
		})
	}
	return &loki.Push{Streams: []loki.Stream{s}}
}

func foreignPush(labels logs.Labels, lines ...string) *loki.Push {
	s := loki.Stream{Labels: labels}
	for _, l := range lines {
		s.Entries = append(s.Entries, logs.Entry{Time: base.UnixNano(), Line: l})
	}
	return &loki.Push{Streams: []loki.Stream{s}}
}

func appendPush(t *testing.T, e *Engine, p *loki.Push) store.AppendResult {
	t.Helper()
	r, err := e.Append(context.Background(), store.Batch{Tenant: "fake", Received: base, Push: p})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func everything() logs.Selection {
	return logs.Selection{Start: 0, End: base.Add(24 * time.Hour).UnixNano(), Direction: logs.Forward}
}

func selectLines(t *testing.T, e *Engine, sel logs.Selection) []string {
	t.Helper()
	lines := []string{}
	err := e.Select(context.Background(), []string{"fake"}, sel, func(r *logs.Record) error {
		lines = append(lines, r.Line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func wantLines(t *testing.T, e *Engine, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), selectLines(t, e, everything())); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestLinesAreThereAtOnceAndAfterReopen(t *testing.T) {
	dir := t.TempDir()
	e := openAt(t, dir, nil)
	appendPush(t, e, filePush(1, 0, "", "one", "two", "three"))
	wantLines(t, e, "one", "two", "three")
	if r := appendPush(t, e, filePush(1, 10, "", "two", "three", "four")); r != (store.AppendResult{Stored: 1, Duplicate: 2}) {
		t.Errorf("result %+v", r)
	}
	wantLines(t, e, "one", "two", "three", "four")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = openAt(t, dir, nil)
	wantLines(t, e, "one", "two", "three", "four")
	if r := appendPush(t, e, filePush(1, 0, "", "one", "two", "three", "four")); r != (store.AppendResult{Duplicate: 4}) {
		t.Errorf("result %+v", r)
	}
}

func TestARecordIsWhatWasPushed(t *testing.T) {
	e := openTest(t, nil)
	p := filePush(1, 0, "", "a\x00b\xffc", "", strings.Repeat("x", 1<<20))
	appendPush(t, e, p)
	var got []logs.Record
	err := e.Select(context.Background(), []string{"fake", "nobody"}, everything(), func(r *logs.Record) error {
		got = append(got, *r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []logs.Record
	for _, en := range p.Streams[0].Entries {
		en.Metadata = logs.LabelsOf("filename", "raylet1.out", "session", "s1", "offset", en.Metadata.Get("offset"))
		want = append(want, logs.Record{Tenant: "fake", Stream: p.Streams[0].Labels, Entry: en})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Many write, ask and checkpoint at once: what was acknowledged is in the very
// next answer, once.
func TestManyAtOnce(t *testing.T) {
	e := openTest(t, func(c *Config) { c.CheckpointBytes = 20_000; c.QueueBytes = 1 << 20 })
	const writers, pushes = 6, 25
	var wg sync.WaitGroup
	for w := range byte(writers) {
		wg.Go(func() {
			mine := everything()
			mine.Labels = []logs.Matcher{{Name: "filename", Value: fmt.Sprintf("raylet%d.out", w)}}
			for i := range uint64(pushes) {
				lines := []string{fmt.Sprintf("%d a", i), fmt.Sprintf("%d b", i)}
				p := filePush(w, 20*i, "", lines...)
				if _, err := e.Append(context.Background(), store.Batch{Tenant: "fake", Received: base, Push: p}); err != nil {
					t.Error(err)
					return
				}
				n := 0
				err := e.Select(context.Background(), []string{"fake"}, mine, func(*logs.Record) error { n++; return nil })
				if want := 2 * int(i+1); err != nil || n != want {
					t.Errorf("writer %d sees %d lines of %d, error %v", w, n, want, err)
					return
				}
			}
		})
	}
	for range 5 {
		if err := e.Checkpoint(context.Background()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if got := selectLines(t, e, everything()); len(got) != writers*pushes*2 {
		t.Errorf("%d lines, want %d", len(got), writers*pushes*2)
	}
}
