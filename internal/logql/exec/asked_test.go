package exec_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
)

// asked records what an engine asks a source for.
type asked struct{ list []string }

func (a *asked) Select(_ context.Context, s logs.Selection, _ func(*logs.Record) error) error {
	a.list = append(a.list, fmt.Sprintf("lines [%s, %s) %s limit %d", since(s.Start), since(s.End), s.Direction, s.Limit))
	return nil
}

func (a *asked) Buckets(_ context.Context, q logs.BucketQuery, _ func(logs.Bucket) error) error {
	a.list = append(a.list, fmt.Sprintf("buckets of %s at %s [%s, %s) by %q", time.Duration(q.Width), since(q.Origin), since(q.Start), since(q.End), q.By))
	return nil
}

func since(ns int64) string { return time.Duration(ns).String() }

// TestWhatIsAskedOfTheSource shows times, limits and buckets; what is asked of
// lines and labels is in ../plan/testdata.
func TestWhatIsAskedOfTheSource(t *testing.T) {
	hour := exec.Params{Start: int64(time.Hour), End: int64(2 * time.Hour), Step: int64(time.Minute), Limit: 50, Direction: logs.Backward}
	instant := exec.Params{Start: int64(time.Hour), End: int64(time.Hour)}
	odd := exec.Params{Start: int64(time.Hour), End: int64(2 * time.Hour), Step: 7919 * 1009 * 1_001}
	for _, c := range []struct {
		params      exec.Params
		query, want string
	}{
		{hour, `{app="a"} |= "x"`, "lines [1h0m0s, 2h0m0s) backward limit 50"},
		{hour, `{app="a"} | json | x="y"`, "lines [1h0m0s, 2h0m0s) backward limit 0"},
		{hour, `sum(count_over_time({app="a"}[1m]))`, "buckets of 1m0s at 1h0m0s [59m0.000000001s, 2h0m0.000000001s) by []"},
		{hour, `sum by (b, a) (rate({app="a"}[5m]))`, "buckets of 1m0s at 1h0m0s [55m0.000000001s, 2h0m0.000000001s) by [\"a\" \"b\"]"},
		{hour, `sum(rate({app="a"}[90s]))`, "buckets of 30s at 1h0m0s [58m30.000000001s, 2h0m0.000000001s) by []"},
		{hour, `sum(rate({app="a"}[1m] offset 10m))`, "buckets of 1m0s at 50m0s [49m0.000000001s, 1h50m0.000000001s) by []"},
		{hour, `count_over_time({app="a"}[1m])`, "lines [59m0.000000001s, 2h0m0.000000001s) forward limit 0"},
		{instant, `sum(count_over_time({app="a"}[1h]))`, "buckets of 1h0m0s at 1h0m0s [1ns, 1h0m0.000000001s) by []"},
		// A step that has little in common with the range would need too many buckets.
		{odd, `sum(count_over_time({app="a"}[5m]))`, "lines [54m59.217571951s, 2h0m6.433405172s) forward limit 0"},
	} {
		src := &asked{}
		c.params.Query = c.query
		if _, err := exec.New(plan.Limits{MaxPoints: 1 << 20, MaxCells: 1 << 24}).Run(context.Background(), src, c.params); err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		if len(src.list) != 1 || src.list[0] != c.want {
			t.Errorf("%s\nasks %q\nwant %q", c.query, src.list, c.want)
		}
	}
}
