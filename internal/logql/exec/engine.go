package exec

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// Engine runs queries. It holds no state between them and may be used by
// several goroutines.
type Engine struct{ limits plan.Limits }

// New returns an engine that keeps to the limits; zero fields are defaults.
func New(limits plan.Limits) *Engine { return &Engine{limits: limits.WithDefaults()} }

// Limits are the engine's, defaults filled in.
func (e *Engine) Limits() plan.Limits { return e.limits }

// LimitError is a query that asks for more than it may have.
type LimitError struct{ Msg string }

func (e *LimitError) Error() string { return e.Msg }

func limitErrorf(format string, args ...any) error {
	return &LimitError{Msg: fmt.Sprintf(format, args...)}
}

// query is one query while it runs, in one goroutine.
type query struct {
	ctx    context.Context
	src    Source
	limits plan.Limits
	params Params
	steps  steps
	stats  Stats
	cells  int // points held, see plan.Limits.MaxCells
}

// Run answers a query. The error is *syntax.Error or *plan.Error for a mistake
// in it, *LimitError, the context's or the source's.
func (e *Engine) Run(ctx context.Context, src Source, p Params) (*Result, error) {
	expr, err := e.parse(p.Query)
	if err != nil {
		return nil, err
	}
	node, err := plan.New(expr)
	if err != nil {
		return nil, err
	}
	q := &query{ctx: ctx, src: src, limits: e.limits, params: p}
	if err := q.check(expr); err != nil {
		return nil, err
	}
	var v Value
	if l, ok := node.(*plan.Log); ok {
		v, err = q.runLog(l)
	} else {
		v, err = q.runMetric(node)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return &Result{Value: v, Stats: q.stats}, nil
}

func (e *Engine) parse(text string) (syntax.Expr, error) {
	if len(text) > e.limits.MaxQueryBytes {
		return nil, &syntax.Error{Msg: fmt.Sprintf("input size too long (%d > %d)", len(text), e.limits.MaxQueryBytes)}
	}
	expr, err := syntax.Parse(text)
	if err != nil {
		return nil, err
	}
	return expr, syntax.CheckStages(expr)
}

// check refuses what the limits do not allow, before anything is read.
func (q *query) check(expr syntax.Expr) error {
	p := &q.params
	_, isLog := expr.(*syntax.LogQuery)
	switch {
	case isLog && p.instant():
		return &plan.Error{Msg: "log queries are not supported as an instant query type, please change your query to a range query type"}
	case p.End < p.Start:
		return limitErrorf("end timestamp must not be before or equal to start time")
	case !p.instant() && time.Duration(satSub(p.End, p.Start)) > q.limits.MaxRange:
		return limitErrorf("the query time range exceeds the limit (query length: %s, limit: %s)",
			time.Duration(satSub(p.End, p.Start)), syntax.FormatDuration(q.limits.MaxRange))
	}
	if isLog {
		if p.Limit <= 0 {
			p.Limit = min(100, q.limits.MaxEntries)
		}
		if p.Limit > q.limits.MaxEntries {
			return limitErrorf("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", p.Limit, q.limits.MaxEntries)
		}
		return nil
	}
	return q.layOut()
}

func (p *Params) instant() bool { return p.Step == 0 && p.Start == p.End }

// layOut decides at which moments a metric query is evaluated.
func (q *query) layOut() error {
	p := q.params
	if p.instant() {
		q.steps = steps{start: p.Start, step: 1, n: 1}
		return nil
	}
	if p.Step <= 0 {
		return limitErrorf("zero or negative query resolution step widths are not accepted. Try a positive integer")
	}
	if satSub(p.End, p.Start)/p.Step > int64(q.limits.MaxPoints) {
		return limitErrorf("exceeded maximum resolution of %s points per time series. Try decreasing the query resolution (?step=XX)", thousands(q.limits.MaxPoints))
	}
	start, end := p.Start, p.End
	if !q.limits.ExactSteps {
		first, last := floorDiv(start, p.Step)*p.Step, ceilDiv(end, p.Step)*p.Step
		// At the ends of time there is no room to round.
		if first <= start && end <= last {
			start, end = first, last
		}
	}
	q.steps = steps{start: start, step: p.Step, n: int((end-start)/p.Step) + 1}
	return nil
}

// thousands writes 11000 as 11,000.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// steps are the moments of evaluation, start, start+step …, in Unix nanoseconds.
type steps struct {
	start, step int64
	n           int
}

func (s steps) at(i int) int64 { return s.start + int64(i)*s.step }

func (s steps) millis(i int) int64 { return floorDiv(s.at(i), int64(time.Millisecond)) }

// windows returns the first and last step whose window (t-width-offset,
// t-offset] holds ts; none does where first > last.
func (s steps) windows(ts, width, offset int64) (first, last int) {
	since := satSub(ts, s.start-offset)
	f := ceilDiv(since, s.step)
	l := ceilDiv(satAdd(since, width), s.step) - 1
	return int(max(f, 0)), int(min(l, int64(s.n-1)))
}

// span is the half-open time of all lines that some window holds.
func (s steps) span(width, offset int64) (start, end int64) {
	return satAdd(satSub(satSub(s.start, offset), width), 1), satAdd(satSub(s.at(s.n-1), offset), 1)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func ceilDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) == (b < 0) {
		q++
	}
	return q
}

func satAdd(a, b int64) int64 {
	switch c := a + b; {
	case a > 0 && b > 0 && c < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && c >= 0:
		return math.MinInt64
	default:
		return c
	}
}

func satSub(a, b int64) int64 {
	if b == math.MinInt64 {
		return satAdd(satAdd(a, math.MaxInt64), 1)
	}
	return satAdd(a, -b)
}

// hold accounts for series with so many points each.
func (q *query) hold(series, points int) error {
	q.cells += series * (points + 256)
	if q.cells > q.limits.MaxCells {
		return limitErrorf("the query has too many series to hold in memory: " +
			"reduce the time range, use a larger step, or aggregate with sum by (…)")
	}
	return nil
}

func (q *query) release(series, points int) { q.cells -= series * (points + 256) }

func (q *query) tooManySeries() error {
	return limitErrorf("maximum number of series (%d) reached for a single query; consider reducing query cardinality by adding "+
		"more specific stream selectors, reducing the time range, or aggregating results with functions like sum(), count() or topk()",
		q.limits.MaxSeries)
}

// count adds a record to the statistics.
func (q *query) count(r *logs.Record) {
	q.stats.Lines++
	q.stats.Bytes += uint64(len(r.Line))
}
