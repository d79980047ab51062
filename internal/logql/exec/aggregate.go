package exec

import (
	"cmp"
	"math"
	"slices"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
)

// evalAggregate computes a vector aggregation at all steps.
func (q *query) evalAggregate(a *plan.Aggregate) (table, error) {
	if a.Op == "approx_topk" && !q.params.instant() {
		return nil, plan.Errorf(a.At, "%s is only supported for instant queries", a.Op)
	}
	in, err := q.eval(a.Input, 0)
	if err != nil {
		return nil, err
	}
	switch a.Op {
	case "sort", "sort_desc":
		if !q.params.instant() {
			return in, nil // a matrix has an order of its own
		}
		return sortRows(in, a.Op == "sort_desc"), nil
	case "topk", "approx_topk", "bottomk":
		return q.best(in, a)
	}
	groups := groupRows(in, a)
	out := make(table, 0, len(groups))
	for _, g := range groups {
		if err := q.hold(1, q.steps.n); err != nil {
			return nil, err
		}
		r := row{labels: g.labels, vals: make([]float64, q.steps.n)}
		for i := range r.vals {
			r.vals[i] = g.value(a, i)
		}
		out = append(out, r)
	}
	q.release(len(in), q.steps.n)
	return out, nil
}

// group is the rows that an aggregation makes one of.
type group struct {
	labels logs.Labels
	rows   table
}

// groupRows sorts rows into groups, in the order in which these appear.
func groupRows(in table, a *plan.Aggregate) []*group {
	in = in.sorted()
	index := map[string]*group{}
	var groups []*group
	var key []byte
	for _, r := range in {
		ls := pick(a.Grouping, r.labels)
		key = appendKey(key[:0], ls)
		g := index[string(key)]
		if g == nil {
			g = &group{labels: ls}
			index[string(key)] = g
			groups = append(groups, g)
		}
		g.rows = append(g.rows, r)
	}
	return groups
}

// value is the group's at a step, absent where none of its rows has one.
func (g *group) value(a *plan.Aggregate, step int) float64 {
	var acc accumulator
	for _, r := range g.rows {
		if v := r.vals[step]; !isAbsent(v) {
			acc.add(0, v, false)
		}
	}
	if acc.n == 0 {
		return absent
	}
	switch a.Op {
	case "sum":
		return acc.sum
	case "avg":
		return acc.average()
	case "min":
		return acc.min
	case "max":
		return acc.max
	case "count":
		return acc.n
	}
	switch { // stdvar and stddev
	case acc.n == 1:
		return 0 // of NaN and Inf too
	case a.Op == "stdvar":
		return acc.m2 / acc.n
	}
	return math.Sqrt(acc.m2 / acc.n)
}

// best keeps at each step the k largest or smallest values of each group.
func (q *query) best(in table, a *plan.Aggregate) (table, error) {
	var out table
	for _, g := range groupRows(in, a) {
		order := make([]int, 0, len(g.rows))
		chosen := make([]bool, len(g.rows))
		for step := range q.steps.n {
			if err := q.ctx.Err(); err != nil {
				return nil, err
			}
			order = order[:0]
			for i, r := range g.rows {
				if !isAbsent(r.vals[step]) {
					order = append(order, i)
				}
			}
			slices.SortStableFunc(order, func(x, y int) int {
				return compareValues(g.rows[x].vals[step], g.rows[y].vals[step], a.Op != "bottomk")
			})
			clear(chosen)
			for _, i := range order[:min(a.Param, len(order))] {
				chosen[i] = true
			}
			for i, r := range g.rows {
				if !chosen[i] {
					r.vals[step] = absent
				}
			}
		}
		rows := g.rows
		if q.steps.n == 1 {
			rows = sortRows(rows, a.Op != "bottomk")
		}
		out = append(out, rows...)
	}
	return dropEmpty(out), nil
}

// sortRows orders rows by their value at the only step.
func sortRows(t table, down bool) table {
	slices.SortStableFunc(t, func(a, b row) int { return compareValues(a.vals[0], b.vals[0], down) })
	return t
}

// compareValues orders numbers; what is none comes last.
func compareValues(a, b float64, down bool) int {
	switch {
	case math.IsNaN(a) && math.IsNaN(b):
		return 0
	case math.IsNaN(a):
		return 1
	case math.IsNaN(b):
		return -1
	case down:
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

// dropEmpty removes rows without any value.
func dropEmpty(t table) table {
	return slices.DeleteFunc(t, func(r row) bool {
		return !slices.ContainsFunc(r.vals, func(v float64) bool { return !isAbsent(v) })
	})
}
