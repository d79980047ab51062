package embedded

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// One question to two tenants that have the same stream: each line tells whose
// it is, and the streams are counted apart from others.
func TestLinesOfSeveralTenantsTellWhoseTheyAre(t *testing.T) {
	e := openTest(t, nil)
	streams := []logs.Labels{logs.LabelsOf("app", "x"), logs.LabelsOf("app", "x", "pod", `a "b", c`)}
	for i, tenant := range []string{"a", "b", "c"} {
		p := &loki.Push{}
		for j, ls := range streams {
			at := base.UnixNano() + int64(10*j+i)
			p.Streams = append(p.Streams, loki.Stream{Labels: ls, Entries: []logs.Entry{{Time: at, Line: "line of " + tenant, Metadata: logs.LabelsOf("pod", "meta")}}})
		}
		if _, err := e.Append(context.Background(), store.Batch{Tenant: tenant, Received: base, Push: p}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	sel := logs.Selection{Start: 0, End: math.MaxInt64, Direction: logs.Forward}
	ask := func(tenants ...string) []string {
		got = nil
		err := e.Select(context.Background(), tenants, sel, func(r *logs.Record) error {
			got = append(got, r.Tenant+": "+r.Line)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if d := cmp.Diff([]string{"a: line of a", "b: line of b", "a: line of a", "b: line of b"}, ask("a", "b")); d != "" {
		t.Errorf("of two tenants (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{": line of c", ": line of c"}, ask("c")); d != "" {
		t.Errorf("of one tenant (-want +got):\n%s", d)
	}
	// The second stream's own pod counts, never the metadata of the first.
	for _, lines := range [][]logs.LineFilter{nil, {{Op: logs.MatchesRegexp, Any: []string{"li.e"}}}} {
		var buckets []string
		q := logs.BucketQuery{Selection: sel, Origin: 0, Width: 1 << 62, ByStream: true}
		q.Lines = lines
		if err := e.Buckets(context.Background(), []string{"a", "b"}, q, func(b logs.Bucket) error {
			buckets = append(buckets, b.Group.String())
			if b.Lines != 2 || b.Bytes != 2*uint64(len("line of a")) {
				t.Errorf("%s: %d lines, %d bytes", b.Group, b.Lines, b.Bytes)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(buckets)
		if d := cmp.Diff([]string{streams[1].String(), streams[0].String()}, buckets); d != "" {
			t.Errorf("streams (-want +got):\n%s", d)
		}
	}
}
