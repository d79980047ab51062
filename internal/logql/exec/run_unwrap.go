package exec

import (
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// unwrapper makes a sample of a line.
type unwrapper struct {
	label   string
	parse   func(string) (float64, error)
	filters pipeline
}

func newUnwrapper(u *syntax.Unwrap) (*unwrapper, error) {
	stages := make([]syntax.Stage, 0, len(u.Filters))
	for _, f := range u.Filters {
		stages = append(stages, f)
	}
	filters, err := compile(stages)
	if err != nil {
		return nil, err
	}
	w := &unwrapper{label: u.Label, parse: parseNumber, filters: filters}
	switch u.Conversion {
	case "bytes":
		w.parse = func(s string) (float64, error) { n, err := syntax.ParseBytes(s); return float64(n), err }
	case "duration", "duration_seconds":
		w.parse = func(s string) (float64, error) { d, err := time.ParseDuration(s); return d.Seconds(), err }
	}
	return w, nil
}

// sample returns the line's value; false where the line has none.
func (w *unwrapper) sample(l *line) (v float64, ok bool, err error) {
	text := l.get(w.label)
	if text == "" {
		return 0, false, nil
	}
	v, bad := w.parse(text)
	if bad != nil {
		l.fail("SampleExtractionErr", bad.Error())
	}
	if !w.filters.run(l) {
		return 0, false, nil
	}
	if l.err != "" {
		return 0, false, pipelineError(l)
	}
	return v, true, nil
}

// evalUnwrapped computes an aggregation of samples. Lines come in order of time,
// so each step is computed as soon as a later line is seen, and only what the
// windows of coming steps need is held.
func (q *query) evalUnwrapped(r *plan.Range, max int) (table, error) {
	u, err := newUnwrapper(r.Unwrap)
	if err != nil {
		return nil, err
	}
	w := q.newWindows(r, max)
	labels := grouper{grouping: r.Grouping, perLine: q.limits.LineLabels, samples: true, inner: r.Outer == ""}
	by := r.Grouping != nil && !r.Grouping.Without && slices.Contains(r.Grouping.Labels, u.label)
	err = q.samples(r, func(l *line) error {
		v, ok, err := u.sample(l)
		if !ok {
			return err
		}
		if !by {
			l.remove(u.label)
		}
		return w.add(labels.of(l), l.time, v)
	})
	if err == nil {
		err = w.finish()
	}
	return w.grid.rows, err
}

// windows holds the samples that overlap steps to come, in buckets of which
// every window is made up.
type windows struct {
	q              *query
	r              *plan.Range
	grid           *grid
	series         []windowSeries // by row
	active         []int          // rows that hold buckets
	next           int            // the first step that is not computed
	window, offset int64
	width          int64
	keep           bool // the values themselves
	held           int
	total          accumulator
}

type windowSeries struct {
	buckets []bucket
	active  bool
}

// bucket is the samples in (end-width, end].
type bucket struct {
	end int64
	accumulator
}

// bucketCost is what a bucket counts for in samples held.
const bucketCost = 8

func (q *query) newWindows(r *plan.Range, max int) *windows {
	w := &windows{q: q, r: r, grid: q.newGrid(q.steps.n, max), window: int64(r.Window), offset: int64(r.Offset)}
	w.width = w.window
	if q.steps.n > 1 {
		w.width = gcd(w.window, q.steps.step)
	}
	w.keep = r.Op == "quantile_over_time"
	return w
}

func (w *windows) add(ls []logs.Label, ts int64, v float64) error {
	first, last := w.q.steps.windows(ts, w.window, w.offset)
	if first > last {
		return nil
	}
	if err := w.compute(first); err != nil {
		return err
	}
	i, err := w.grid.row(ls, absent)
	if err != nil {
		return err
	}
	if i == len(w.series) {
		w.series = append(w.series, windowSeries{})
	}
	s := &w.series[i]
	if !s.active {
		s.active = true
		w.active = append(w.active, i)
	}
	origin := w.q.steps.start - w.offset
	end := origin + ceilDiv(ts-origin, w.width)*w.width
	if n := len(s.buckets); n == 0 || s.buckets[n-1].end != end {
		s.buckets = append(s.buckets, bucket{end: end})
		w.held += bucketCost
	}
	s.buckets[len(s.buckets)-1].add(ts, v, w.keep)
	if w.keep {
		w.held++
	}
	if w.held > w.q.limits.MaxSamples {
		return limitErrorf("the query has too many samples in windows of %s to hold in memory: "+
			"use a shorter range or more specific stream selectors", w.r.Window)
	}
	return nil
}

// compute computes the steps before to. No sample that comes is in their
// windows.
func (w *windows) compute(to int) error {
	for ; w.next < to && len(w.active) > 0; w.next++ {
		if err := w.q.ctx.Err(); err != nil {
			return err
		}
		end := w.q.steps.at(w.next) - w.offset
		w.active = slices.DeleteFunc(w.active, func(i int) bool {
			s := &w.series[i]
			w.discard(s, end-w.window)
			if len(s.buckets) == 0 {
				s.active = false
				return true
			}
			w.grid.rows[i].vals[w.next] = w.value(s)
			return false
		})
	}
	w.next = max(w.next, to)
	return nil
}

// discard lets go of the buckets that end at or before t.
func (w *windows) discard(s *windowSeries, t int64) {
	n := 0
	for n < len(s.buckets) && s.buckets[n].end <= t {
		w.held -= bucketCost + len(s.buckets[n].vals)
		n++
	}
	if n > 0 {
		s.buckets = slices.Delete(s.buckets, 0, n)
	}
}

func (w *windows) value(s *windowSeries) float64 {
	if len(s.buckets) == 1 {
		return s.buckets[0].result(w.r.Op, w.r.Param, w.window)
	}
	w.total.n = 0
	for i := range s.buckets {
		w.total.merge(&s.buckets[i].accumulator)
	}
	return w.total.result(w.r.Op, w.r.Param, w.window)
}

func (w *windows) finish() error { return w.compute(w.q.steps.n) }
