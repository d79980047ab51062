package embedded

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

func TestWhichDaysAreDue(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 30, 0, 0, time.UTC)
	days := []storedDay{{"20261016", 5}, {"20261117", 5}, {"20261118", 5}, {"20261119", 5}, {"20261120", 5}}
	for _, tc := range []struct {
		name   string
		keep   Keep
		want   []string
		reason string
	}{
		{"all are kept", Keep{Age: forEver, Bytes: 25}, nil, ""},
		{"by age", Keep{Age: 48 * time.Hour, Bytes: 25}, []string{"20261016", "20261117"}, "age"},
		{"by age, all of them", Keep{Age: 24 * time.Hour}, []string{"20261016", "20261117", "20261118"}, "age"},
		{"by size", Keep{Age: forEver, Bytes: 24}, []string{"20261016"}, "size"},
		{"by size, a day that fits is kept", Keep{Age: forEver, Bytes: 15}, []string{"20261016", "20261117"}, "size"},
		{"by size, never the last two", Keep{Age: forEver, Bytes: 1}, []string{"20261016", "20261117", "20261118"}, "size"},
		{"by both", Keep{Age: 72 * time.Hour, Bytes: 15}, []string{"20261016", "20261117"}, "size"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, reason := dueDays(days, tc.keep, now)
			if d := cmp.Diff(tc.want, got); d != "" || reason != tc.reason {
				t.Errorf("reason %q (-want +got):\n%s", reason, d)
			}
		})
	}
	if got, _ := dueDays(days[:1], Keep{Age: 24 * time.Hour}, now); len(got) != 1 {
		t.Errorf("of the only day, which is too old: %v", got)
	}
}

// daysPush has a line on each of the given days before base.
func daysPush(back ...int) *loki.Push {
	s := loki.Stream{Labels: logs.LabelsOf("app", "x")}
	for _, n := range back {
		at := base.AddDate(0, 0, -n)
		s.Entries = append(s.Entries, logs.Entry{Time: at.UnixNano(), Line: at.Format(time.DateOnly)})
	}
	return &loki.Push{Streams: []loki.Stream{s}}
}

func tenantLines(t *testing.T, e *Engine, tenant string) []string {
	t.Helper()
	lines := []string{}
	sel := logs.Selection{Start: 0, End: math.MaxInt64, Direction: logs.Forward}
	if err := e.Select(context.Background(), []string{tenant}, sel, func(r *logs.Record) error {
		lines = append(lines, r.Line)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

func appendTo(t *testing.T, e *Engine, tenant string, p *loki.Push) {
	t.Helper()
	if _, err := e.Append(context.Background(), store.Batch{Tenant: tenant, Received: base, Push: p}); err != nil {
		t.Fatal(err)
	}
}

// Each tenant's days go by what is set for it, from its directory too, whether
// the tenant is open or was not asked for since the start.
func TestDaysThatAreNotKeptAreRemoved(t *testing.T) {
	var clock atomic.Int64
	clock.Store(base.UnixNano())
	dir := t.TempDir()
	config := func(c *Config) {
		c.Retention = 10 * 24 * time.Hour
		c.Tenants = map[string]Keep{"short": {Age: 48 * time.Hour}, "small": {Bytes: 1}, "long": {Age: 40 * 24 * time.Hour}}
		c.Now = func() time.Time { return time.Unix(0, clock.Load()) }
	}
	e := openAt(t, dir, config)
	for _, tenant := range []string{"usual", "short", "small", "long"} {
		appendTo(t, e, tenant, daysPush(3, 2, 1, 0))
	}
	if err := e.retain(context.Background()); err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[string][]string{
		"usual": {"2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20"},
		"short": {"2026-11-18", "2026-11-19", "2026-11-20"}, // the first was too old when it came
	} {
		if d := cmp.Diff(want, tenantLines(t, e, tenant)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tenant, d)
		}
	}
	if err := e.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := e.retain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"2026-11-19", "2026-11-20"}, tenantLines(t, e, "small")); d != "" {
		t.Errorf("by size (-want +got):\n%s", d)
	}
	if n := testutil.ToFloat64(e.metrics.removedDays.WithLabelValues("size")); n != 2 {
		t.Errorf("%v days counted as removed by size", n)
	}
	// A late line of a day that is gone is taken, and goes with the next look.
	appendTo(t, e, "small", daysPush(2))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}

	clock.Store(base.AddDate(0, 0, 12).UnixNano())
	e = openAt(t, dir, config)
	if err := e.retain(context.Background()); err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[string][]string{
		"usual": {}, "short": {}, "small": {},
		"long": {"2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20"},
	} {
		if d := cmp.Diff(want, tenantLines(t, e, tenant)); d != "" {
			t.Errorf("later, %s (-want +got):\n%s", tenant, d)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "tenants", "*", "partitions", "*"))
	if err != nil || len(left) != 4 {
		t.Errorf("days on disk: %v, error %v", left, err)
	}
	for _, l := range left {
		if !strings.Contains(l, "6c6f6e67") { // long
			t.Errorf("%s is still there", l)
		}
	}
	// The tenant goes on, and so do checkpoints.
	clock.Store(base.UnixNano())
	appendTo(t, e, "short", daysPush(0))
	if err := e.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// Lines come and questions are asked while days go: no answer fails, and what is
// kept is there.
func TestDaysAreRemovedUnderLoad(t *testing.T) {
	e := openTest(t, func(c *Config) { c.Tenants = map[string]Keep{"fake": {Bytes: 1}} })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			tenantLines(t, e, "fake")
		}
	}()
	for i := range 8 {
		appendTo(t, e, "fake", daysPush(20-i, 19-i, 1, 0))
		if err := e.Checkpoint(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := e.retain(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	<-done
	got := tenantLines(t, e, "fake")
	n := map[string]int{}
	for _, l := range got {
		n[l]++
	}
	if d := cmp.Diff(map[string]int{"2026-11-19": 8, "2026-11-20": 8}, n); d != "" {
		t.Errorf("lines (-want +got):\n%s", d)
	}
}
