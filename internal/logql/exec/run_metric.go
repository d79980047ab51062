package exec

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
)

// runMetric answers a metric query: a Matrix, or for one moment a Vector or
// Scalar.
func (q *query) runMetric(n plan.Node) (Value, error) {
	if s, ok := n.(*plan.Scalar); ok {
		return q.number(s.Value), nil
	}
	t, err := q.eval(n, q.limits.MaxSeries)
	if err != nil {
		return nil, err
	}
	if q.params.instant() {
		return q.vector(t, n)
	}
	return q.matrix(t, n)
}

// number is the answer of a query that is a number: over a range a series
// without labels, as in Loki.
func (q *query) number(v float64) Value {
	if q.params.instant() {
		return Scalar{T: q.steps.millis(0), V: v}
	}
	points := make([]Point, q.steps.n)
	for i := range points {
		points[i] = Point{T: q.steps.millis(i), V: v}
	}
	return Matrix{{Metric: logs.Labels{}, Points: points}}
}

// eval computes a node at all steps. max bounds the rows where they are the
// answer itself.
func (q *query) eval(n plan.Node, max int) (table, error) {
	if err := q.ctx.Err(); err != nil {
		return nil, err
	}
	switch n := n.(type) {
	case *plan.Range:
		return q.evalRange(n, max)
	case *plan.Vector:
		g := q.newGrid(q.steps.n, 0)
		_, err := g.row(nil, n.Value)
		return g.rows, err
	case *plan.Aggregate:
		return q.evalAggregate(n)
	case *plan.Binary:
		return q.evalBinary(n)
	case *plan.LabelReplace:
		return q.evalLabelReplace(n)
	}
	return nil, &plan.Error{Msg: fmt.Sprintf("%T is not supported yet", n)}
}

func (q *query) matrix(t table, n plan.Node) (Value, error) {
	out := make(Matrix, 0, len(t))
	if q.pieces(n) {
		t = t.sortedAsText()
	} else {
		t = t.sorted()
	}
	for _, r := range t {
		n := 0
		for _, v := range r.vals {
			if !isAbsent(v) {
				n++
			}
		}
		if n == 0 {
			continue
		}
		points := make([]Point, 0, n)
		for i, v := range r.vals {
			if !isAbsent(v) {
				points = append(points, Point{T: q.steps.millis(i), V: v})
			}
		}
		// label_replace may have given several series one name.
		if last := len(out) - 1; last >= 0 && out[last].Metric.Equal(r.labels) {
			points = append(out[last].Points, points...)
			slices.SortStableFunc(points, func(a, b Point) int { return cmp.Compare(a.T, b.T) })
			out[last].Points = points
			continue
		}
		out = append(out, Series{Metric: r.labels, Points: points})
	}
	if len(out) > q.limits.MaxSeries {
		return nil, q.tooManySeries()
	}
	return out, nil
}

// pieces reports whether Loki would answer the query in pieces, an hour or the
// longest range each. What is joined from pieces is ordered by how labels are
// written, other matrices by the labels.
func (q *query) pieces(n plan.Node) bool {
	piece := int64(max(time.Hour, longestRange(n)))
	last := q.steps.at(q.steps.n - 1)
	return floorDiv(q.steps.start, piece) < floorDiv(last-1, piece)
}

func longestRange(n plan.Node) time.Duration {
	switch n := n.(type) {
	case *plan.Range:
		return n.Window
	case *plan.Aggregate:
		return longestRange(n.Input)
	case *plan.LabelReplace:
		return longestRange(n.Input)
	case *plan.Binary:
		return max(longestRange(n.Left), longestRange(n.Right))
	}
	return 0
}

func (q *query) vector(t table, n plan.Node) (Value, error) {
	if !keepsOrder(n) {
		t = t.sorted()
	}
	out := make(Vector, 0, len(t))
	for _, r := range t {
		if !isAbsent(r.vals[0]) {
			out = append(out, Sample{Metric: r.labels, Point: Point{T: q.steps.millis(0), V: r.vals[0]}})
		}
	}
	if len(out) > q.limits.MaxSeries {
		return nil, q.tooManySeries()
	}
	return out, nil
}

// keepsOrder reports whether the rows of a node are in an order that was asked
// for.
func keepsOrder(n plan.Node) bool {
	a, ok := n.(*plan.Aggregate)
	if !ok {
		return false
	}
	switch a.Op {
	case "sort", "sort_desc":
		return true
	}
	return false
}
