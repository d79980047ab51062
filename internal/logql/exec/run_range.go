package exec

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
)

// evalRange computes a range aggregation at all steps.
func (q *query) evalRange(r *plan.Range, max int) (table, error) {
	switch {
	case r.Op == "absent_over_time":
		return q.evalAbsent(r)
	case r.Buckets && q.bucketWidth(r) > 0:
		return q.evalBuckets(r, max)
	case r.Unwrap != nil:
		return q.evalUnwrapped(r, max)
	}
	return q.evalCounts(r, max)
}

// evalAbsent has a value at the steps whose windows hold nothing.
func (q *query) evalAbsent(r *plan.Range) (table, error) {
	sums := q.newSums(r, 0)
	if _, err := sums.grid.row(nil, 0); err != nil {
		return nil, err
	}
	if err := q.presence(r, func(ts int64) error { return sums.add(nil, ts, 1, 1) }); err != nil {
		return nil, err
	}
	t := sums.table()
	t[0].labels = r.AbsentLabels
	for i, v := range t[0].vals {
		if isAbsent(v) {
			t[0].vals[i] = 1
		} else {
			t[0].vals[i] = absent
		}
	}
	return dropEmpty(t), nil
}

// presence yields the times at which there are lines, or samples of an unwrap.
func (q *query) presence(r *plan.Range, yield func(ts int64) error) error {
	if r.Buckets && q.bucketWidth(r) > 0 {
		return q.buckets(r, func(b logs.Bucket) error { return yield(b.End) })
	}
	if r.Unwrap == nil {
		return q.samples(r, func(l *line) error { return yield(l.time) })
	}
	u, err := newUnwrapper(r.Unwrap)
	if err != nil {
		return err
	}
	return q.samples(r, func(l *line) error {
		if _, ok, err := u.sample(l); !ok {
			return err
		}
		return yield(l.time)
	})
}

// maxBuckets bounds how many buckets a query asks of each group.
const maxBuckets = 1 << 20

// bucketWidth is the widest bucket of which every window is made up, or 0 where
// there would be too many, or a window holds no time.
func (q *query) bucketWidth(r *plan.Range) int64 {
	width := int64(r.Window)
	if width <= 0 {
		return 0
	}
	if q.steps.n > 1 {
		width = gcd(width, q.steps.step)
	}
	start, end := q.steps.span(int64(r.Window), int64(r.Offset))
	if satSub(end, start)/width > maxBuckets {
		return 0
	}
	return width
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// evalBuckets lets the source count.
func (q *query) evalBuckets(r *plan.Range, max int) (table, error) {
	sums := q.newSums(r, max)
	err := q.buckets(r, func(b logs.Bucket) error {
		v := b.Lines
		if sums.bytes {
			v = b.Bytes
		}
		return sums.add(b.Group, b.End, v, b.Lines)
	})
	return sums.table(), err
}

// buckets asks the source for counts.
func (q *query) buckets(r *plan.Range, yield func(logs.Bucket) error) error {
	bq := logs.BucketQuery{
		Selection: r.Selection,
		Origin:    q.steps.start - int64(r.Offset),
		Width:     q.bucketWidth(r),
		By:        slices.Compact(slices.Sorted(slices.Values(r.Grouping.Labels))),
		LinesOnly: r.Op != "bytes_over_time" && r.Op != "bytes_rate",
	}
	bq.Start, bq.End = q.steps.span(int64(r.Window), int64(r.Offset))
	return q.src.Buckets(q.ctx, bq, func(b logs.Bucket) error {
		if err := q.ctx.Err(); err != nil {
			return err
		}
		q.stats.Buckets++
		return yield(b)
	})
}

// evalCounts counts lines that the pipeline lets pass.
func (q *query) evalCounts(r *plan.Range, max int) (table, error) {
	sums := q.newSums(r, max)
	labels := grouper{grouping: r.Grouping, perLine: q.limits.LineLabels}
	err := q.samples(r, func(l *line) error {
		v := uint64(1)
		if sums.bytes {
			v = uint64(len(l.text))
		}
		return sums.add(labels.of(l), l.time, v, 1)
	})
	if err != nil {
		return nil, err
	}
	return sums.table(), nil
}

// samples runs the lines of a range aggregation through its pipeline, oldest
// first.
func (q *query) samples(r *plan.Range, yield func(*line) error) error {
	sel := r.Selection
	sel.Direction = logs.Forward
	sel.Start, sel.End = q.steps.span(int64(r.Window), int64(r.Offset))
	var ln line
	if !r.NeedsAll {
		ln.want, ln.whole = r.Needed, r.Errors
	}
	err := q.pass(r, sel, &ln, yield)
	var mistake *plan.Error
	if sel.Metadata == nil || !errors.As(err, &mistake) {
		return err
	}
	// The line is told with all its labels.
	sel.Metadata, sel.NoLines = nil, false
	if again := q.pass(r, sel, &ln, yield); again != nil {
		return again
	}
	return err
}

// pass runs the lines of a selection through the pipeline once.
func (q *query) pass(r *plan.Range, sel logs.Selection, ln *line, yield func(*line) error) error {
	pipe, err := compile(r.Stages)
	if err != nil {
		return err
	}
	return q.src.Select(q.ctx, sel, func(rec *logs.Record) error {
		if err := q.ctx.Err(); err != nil {
			return err
		}
		q.count(rec)
		// With steps longer than windows some lines are in none.
		if first, last := q.steps.windows(rec.Time, int64(r.Window), int64(r.Offset)); first > last {
			return nil
		}
		ln.reset(rec)
		if !pipe.run(ln) {
			return nil
		}
		// A line that gives no sample fails no query.
		if ln.err != "" && r.Unwrap == nil && !(r.Forgives && ln.misread) {
			return pipelineError(ln)
		}
		return yield(ln)
	})
}

// pipelineError fails a metric query on a line that could not be processed.
func pipelineError(l *line) error {
	series := strings.ReplaceAll(logs.Labels(l.all()).String(), "\n", " ")
	return &plan.Error{Msg: "pipeline error: '" + l.err + "' for series: '" + series + "'.\n" +
		"Use a label filter to intentionally skip this error. (e.g | __error__!=\"" + l.err + "\").\n" +
		"To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n" +
		"The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n"}
}

// sums adds up counts in windows. Each addition is made once, as a difference
// between neighbouring steps, however many windows hold it; as the numbers are
// whole that is exact.
type sums struct {
	q      *query
	grid   *grid
	window int64
	offset int64
	bytes  bool
	per    float64 // seconds to divide by
}

func (q *query) newSums(r *plan.Range, max int) *sums {
	s := &sums{q: q, window: int64(r.Window), offset: int64(r.Offset), per: 1}
	s.bytes = r.Op == "bytes_over_time" || r.Op == "bytes_rate"
	if r.Op == "rate" || r.Op == "bytes_rate" {
		s.per = time.Duration(r.Window).Seconds()
	}
	points := q.steps.n
	if s.bytes {
		// A window of empty lines has no bytes and yet a value.
		points *= 2
	}
	s.grid = q.newGrid(points, max)
	return s
}

func (s *sums) add(ls []logs.Label, ts int64, value, lines uint64) error {
	first, last := s.q.steps.windows(ts, s.window, s.offset)
	if first > last {
		return nil
	}
	i, err := s.grid.row(ls, 0)
	if err != nil {
		return err
	}
	vals, n := s.grid.rows[i].vals, s.q.steps.n
	vals[first] += float64(value)
	if last+1 < n {
		vals[last+1] -= float64(value)
	}
	if s.bytes {
		vals[n+first] += float64(lines)
		if last+1 < n {
			vals[n+last+1] -= float64(lines)
		}
	}
	return nil
}

// table turns differences into values.
func (s *sums) table() table {
	n := s.q.steps.n
	for r := range s.grid.rows {
		vals := s.grid.rows[r].vals
		lines := vals[:n]
		if s.bytes {
			lines = vals[n:]
		}
		value, count := 0.0, 0.0
		for i := range n {
			delta := lines[i]
			value += vals[i]
			count += delta
			vals[i] = value / s.per
			if count == 0 {
				vals[i] = absent
			}
		}
		s.grid.rows[r].vals = vals[:n]
	}
	return s.grid.rows
}
