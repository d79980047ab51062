package exec_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/logqltest"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
)

// TestWindowsAgainstDefinition compares range aggregations over random lines,
// ranges, steps and offsets with what their definition says, read literally: at
// each step all lines in (t-range-offset, t-offset].
func TestWindowsAgainstDefinition(t *testing.T) {
	ops := []struct {
		query string // of %s, the window
		value func(vals []float64, lines []string, window time.Duration) float64
	}{
		{`sum(count_over_time({app="a"}%s))`, func(v []float64, _ []string, _ time.Duration) float64 { return float64(len(v)) }},
		{`sum by (app) (bytes_rate({app="a"}%s))`, func(_ []float64, l []string, w time.Duration) float64 {
			return float64(len(strings.Join(l, ""))) / w.Seconds()
		}},
		{`sum without (n) (count_over_time({app="a"} | n != "" %s))`, func(v []float64, _ []string, _ time.Duration) float64 { return float64(len(v)) }},
		{`sum(sum_over_time({app="a"} | unwrap n %s))`, func(v []float64, _ []string, _ time.Duration) float64 { return sum(v) }},
		{`avg_over_time({app="a"} | unwrap n %s) by (app)`, func(v []float64, _ []string, _ time.Duration) float64 { return sum(v) / float64(len(v)) }},
		{`max_over_time({app="a"} | unwrap n %s) by (app)`, func(v []float64, _ []string, _ time.Duration) float64 { return slices.Max(v) }},
		{`min_over_time({app="a"} | unwrap n %s) by (app)`, func(v []float64, _ []string, _ time.Duration) float64 { return slices.Min(v) }},
		{`first_over_time({app="a"} | unwrap n %s) by (app)`, func(v []float64, _ []string, _ time.Duration) float64 { return v[0] }},
		{`last_over_time({app="a"} | unwrap n %s) by (app)`, func(v []float64, _ []string, _ time.Duration) float64 { return v[len(v)-1] }},
		{`stdvar_over_time({app="a"} | unwrap n %s) by (app)`, func(v []float64, _ []string, _ time.Duration) float64 {
			mean, total := sum(v)/float64(len(v)), 0.0
			for _, x := range v {
				total += (x - mean) * (x - mean)
			}
			return total / float64(len(v))
		}},
		{`quantile_over_time(0.5, {app="a"} | unwrap n %s) by (app)`, func(v []float64, _ []string, _ time.Duration) float64 {
			s := slices.Sorted(slices.Values(v))
			return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
		}},
	}
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		var records logqltest.Memory
		for range rnd.IntN(60) {
			n := rnd.IntN(20)
			records = append(records, logs.Record{Stream: app, Entry: logs.Entry{
				Time: rnd.Int64N(120) * 1e9, Line: strings.Repeat("x", n), Metadata: logs.LabelsOf("n", fmt.Sprint(n)),
			}})
		}
		slices.SortStableFunc(records, func(a, b logs.Record) int { return int(a.Time/1e9) - int(b.Time/1e9) })
		window := time.Duration(1+rnd.IntN(40)) * time.Second
		offset := time.Duration(rnd.IntN(40)-20) * time.Second
		p := exec.Params{Start: rnd.Int64N(60) * 1e9, Step: (1 + rnd.Int64N(40)) * 1e9}
		p.End = p.Start + rnd.Int64N(90)*1e9
		for _, op := range ops {
			p.Query = fmt.Sprintf(op.query, fmt.Sprintf("[%s] offset %s", shortDuration(window), shortDuration(offset)))
			want := map[int64]float64{}
			for at := p.Start; at <= p.End; at += p.Step {
				var vals []float64
				var lines []string
				for _, r := range records {
					if r.Time > at-int64(window)-int64(offset) && r.Time <= at-int64(offset) {
						vals = append(vals, float64(len(r.Line)))
						lines = append(lines, r.Line)
					}
				}
				if len(vals) > 0 {
					want[at/1e6] = op.value(vals, lines, window)
				}
			}
			compareSeries(t, fmt.Sprintf("seed %d, %s from %d to %d step %d", seed, p.Query, p.Start/1e9, p.End/1e9, p.Step/1e9), records, p, want)
		}
	}
}

func shortDuration(d time.Duration) string { return fmt.Sprintf("%ds", int(d.Seconds())) }

func sum(v []float64) float64 {
	total := 0.0
	for _, x := range v {
		total += x
	}
	return total
}

func compareSeries(t *testing.T, name string, src exec.Source, p exec.Params, want map[int64]float64) {
	t.Helper()
	res, err := exec.New(plan.Limits{ExactSteps: true}).Run(context.Background(), src, p)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	got := map[int64]float64{}
	for _, s := range res.Value.(exec.Matrix) {
		for _, point := range s.Points {
			got[point.T] = point.V
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: got %v, want %v", name, got, want)
	}
	for at, v := range want {
		if math.Abs(got[at]-v) > 1e-9 {
			t.Fatalf("%s: at %d got %v, want %v", name, at, got[at], v)
		}
	}
}
