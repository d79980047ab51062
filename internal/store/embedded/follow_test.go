package embedded

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// following starts Follow and returns once it listens; what it yields comes on
// the channel.
func following(t *testing.T, e *Engine, sel logs.Selection, lost func(int)) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	lines := make(chan string)
	ended := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		ended <- e.Follow(ctx, []string{"fake"}, sel, store.Follower{
			Begun: func() { close(begun) },
			Record: func(r *logs.Record) error {
				select {
				case lines <- r.Line + " " + r.Label("filename"):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			},
			Lost: lost,
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) && !errors.Is(err, errClosing) {
			t.Errorf("follow ended with %v", err)
		}
	})
	<-begun
	return lines
}

func TestFollowYieldsNewLinesThatPass(t *testing.T) {
	e := openTest(t, nil)
	appendPush(t, e, filePush(1, 0, "", "old warn"))
	wantLines(t, e, "old warn")
	sel := logs.Selection{
		Matchers: []logs.Matcher{{Name: "component", Value: "raylet"}},
		Lines:    []logs.LineFilter{{Op: logs.Contains, Any: []string{"warn"}}},
		Labels:   []logs.Matcher{{Name: "session", Value: "s1"}},
	}
	lines := following(t, e, sel, func(int) { t.Error("lines were lost") })
	appendPush(t, e, filePush(1, 0, "", "old warn", "info", "new warn"))
	appendPush(t, e, foreignPush(logs.LabelsOf("component", "other"), "warn of another stream"))
	if _, err := e.Append(context.Background(), store.Batch{Tenant: "other", Received: base, Push: filePush(1, 0, "", "warn of another tenant")}); err != nil {
		t.Fatal(err)
	}
	appendPush(t, e, filePush(1, 30, "", "last warn"))
	var got []string
	for range 2 {
		got = append(got, <-lines)
	}
	if diff := cmp.Diff([]string{"new warn raylet1.out", "last warn raylet1.out"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestASlowFollowerIsToldWhatItLost(t *testing.T) {
	e := openTest(t, nil)
	counted := make(chan int, 10)
	lines := following(t, e, logs.Selection{}, func(n int) { counted <- n })
	appendPush(t, e, filePush(1, 0, "", "first"))
	if got := <-lines; got != "first raylet1.out" {
		t.Fatalf("got %q", got)
	}
	var many []string
	for i := range 3 * followRing {
		many = append(many, fmt.Sprint(i))
	}
	appendPush(t, e, filePush(1, 10, "", many...))
	// All are there before the follower takes the next one but those it took.
	if err := e.catchUp(context.Background()); err != nil {
		t.Fatal(err)
	}
	got, lost := 0, 0
	for got+lost < len(many) {
		select {
		case <-lines:
			got++
		case n := <-counted:
			lost += n
		}
	}
	if lost == 0 || got < followRing {
		t.Errorf("%d lines came, %d were lost", got, lost)
	}
}

func TestListings(t *testing.T) {
	e := openTest(t, nil)
	ctx := context.Background()
	p := &loki.Push{Streams: []loki.Stream{
		foreignPush(logs.LabelsOf("app", "a", "zone", "x\"y\n\xff"), "1", "22").Streams[0],
		foreignPush(logs.LabelsOf("app", "b"), "333").Streams[0],
		foreignPush(logs.LabelsOf("app", "c"), "of yesterday").Streams[0],
	}}
	p.Streams[2].Entries[0].Time -= nanosPerDay
	appendPush(t, e, p)
	other := foreignPush(logs.LabelsOf("app", "b", "of", "other"), "x")
	if _, err := e.Append(ctx, store.Batch{Tenant: "other", Received: base, Push: other}); err != nil {
		t.Fatal(err)
	}
	tenants := []string{"fake", "other", "fake", "nobody"}
	start, end := base.UnixNano(), base.UnixNano()+1
	streams, err := e.Streams(ctx, tenants, nil, start, end)
	if diff := cmp.Diff([]logs.Labels{p.Streams[0].Labels, p.Streams[1].Labels, other.Streams[0].Labels}, streams); err != nil || diff != "" {
		t.Errorf("streams: %v %s", err, diff)
	}
	names, err := e.LabelNames(ctx, tenants, []logs.Matcher{matcher(t, "app", logs.NotEqual, "a")}, start, end)
	if diff := cmp.Diff([]string{"app", "of"}, names); err != nil || diff != "" {
		t.Errorf("names: %v %s", err, diff)
	}
	values, err := e.LabelValues(ctx, tenants, "app", nil, start-nanosPerDay, end)
	if diff := cmp.Diff([]string{"a", "b", "c"}, values); err != nil || diff != "" {
		t.Errorf("values: %v %s", err, diff)
	}
	if values, err := e.LabelValues(ctx, tenants, "zone", nil, start-nanosPerDay, start); err != nil || len(values) != 0 {
		t.Errorf("values outside of the range: %v %v", err, values)
	}
	st, err := e.Stats(ctx, []string{"fake"}, nil, start-nanosPerDay, end)
	if diff := cmp.Diff(store.Stats{Streams: 3, Chunks: 3, Bytes: 18, Entries: 4}, st); err != nil || diff != "" {
		t.Errorf("stats: %v %s", err, diff)
	}
}

// A cancelled query ends with the reason, never with a part of the answer that
// looks whole.
func TestACancelledQuerySaysSo(t *testing.T) {
	e := openTest(t, nil)
	appendPush(t, e, filePush(1, 0, "", "x"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Select(ctx, []string{"fake"}, everything(), func(*logs.Record) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("select: %v", err)
	}
	if err := e.Buckets(ctx, []string{"fake"}, logs.BucketQuery{Selection: everything(), Width: 1e9}, func(logs.Bucket) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("buckets: %v", err)
	}
	if _, err := e.Streams(ctx, []string{"fake"}, nil, 0, everything().End); !errors.Is(err, context.Canceled) {
		t.Errorf("streams: %v", err)
	}
}

// Lines of one time keep the order in which they came, in both directions, over
// pushes and a restart, and a limit cuts at the right end.
func TestLinesOfOneTimeKeepTheirOrder(t *testing.T) {
	dir := t.TempDir()
	e := openAt(t, dir, nil)
	var want []string
	for i := range 30 {
		var lines []string
		for j := range 40 {
			lines = append(lines, fmt.Sprintf("%d/%d", i, j))
		}
		want = append(want, lines...)
		appendPush(t, e, foreignPush(logs.LabelsOf("app", fmt.Sprint(i%3)), lines...))
		if i == 15 {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = openAt(t, dir, nil)
		}
	}
	wantLines(t, e, want...)
	sel := everything()
	sel.Limit = 5
	if diff := cmp.Diff(want[:5], selectLines(t, e, sel)); diff != "" {
		t.Error(diff)
	}
	sel.Direction = logs.Backward
	if diff := cmp.Diff([]string{"29/39", "29/38", "29/37", "29/36", "29/35"}, selectLines(t, e, sel)); diff != "" {
		t.Error(diff)
	}
}
