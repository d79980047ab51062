package exec

import (
	"slices"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// evalBinary computes an operation at all steps.
func (q *query) evalBinary(b *plan.Binary) (table, error) {
	if s, ok := b.Left.(*plan.Scalar); ok {
		t, err := q.eval(b.Right, 0)
		return withScalar(t, b, func(v float64) (float64, float64) { return s.Value, v }), err
	}
	if s, ok := b.Right.(*plan.Scalar); ok {
		t, err := q.eval(b.Left, 0)
		return withScalar(t, b, func(v float64) (float64, float64) { return v, s.Value }), err
	}
	l, err := q.eval(b.Left, 0)
	if err != nil {
		return nil, err
	}
	r, err := q.eval(b.Right, 0)
	if err != nil {
		return nil, err
	}
	if b.Op.SetOp() {
		return q.setOperation(b, l, r)
	}
	return q.pairs(b, l, r)
}

// withScalar changes a table in place. A comparison keeps the vector's values
// on whichever side the number is.
func withScalar(t table, b *plan.Binary, sides func(float64) (l, r float64)) table {
	for _, row := range t {
		for i, v := range row.vals {
			if isAbsent(v) {
				continue
			}
			l, r := sides(v)
			row.vals[i] = operate(b.Binary, l, r, v)
		}
	}
	return dropEmpty(t)
}

// operate computes one value: keep where a comparison holds, absent where not.
func operate(b *syntax.Binary, l, r, keep float64) float64 {
	v, pass := plan.Apply(b.Op, l, r)
	switch {
	case !b.Op.Comparison():
		return v
	case b.ReturnBool && pass:
		return 1
	case b.ReturnBool:
		return 0
	case pass:
		return keep
	}
	return absent
}

// signature appends what must be equal for rows of two vectors to belong
// together.
func signature(dst []byte, m *syntax.Matching, ls logs.Labels) []byte {
	for i, l := range ls {
		if m == nil || slices.Contains(m.Labels, l.Name) == m.On {
			dst = appendKey(dst, ls[i:i+1])
		}
	}
	return dst
}

// bySignature sorts rows by what they are matched on.
func bySignature(t table, m *syntax.Matching) map[string][]int {
	index := make(map[string][]int, len(t))
	var key []byte
	for i, r := range t {
		key = signature(key[:0], m, r.labels)
		index[string(key)] = append(index[string(key)], i)
	}
	return index
}

// setOperation is and, or and unless.
func (q *query) setOperation(b *plan.Binary, l, r table) (table, error) {
	if b.Op == "or" {
		return q.union(b, l, r)
	}
	index := bySignature(r, b.Matching)
	var key []byte
	for _, row := range l {
		if err := q.ctx.Err(); err != nil {
			return nil, err
		}
		key = signature(key[:0], b.Matching, row.labels)
		others := index[string(key)]
		for i, v := range row.vals {
			if !isAbsent(v) && anyAt(r, others, i) != (b.Op == "and") {
				row.vals[i] = absent
			}
		}
	}
	return dropEmpty(l), nil
}

func anyAt(t table, rows []int, step int) bool {
	return slices.ContainsFunc(rows, func(i int) bool { return !isAbsent(t[i].vals[step]) })
}

// union is the left rows, and at each step the right ones that none of them
// matches.
func (q *query) union(b *plan.Binary, l, r table) (table, error) {
	g := q.newGrid(q.steps.n, 0)
	merge := func(rows table) error {
		for _, row := range rows {
			n, err := g.row(row.labels, absent)
			if err != nil {
				return err
			}
			for i, v := range row.vals {
				if !isAbsent(v) {
					g.rows[n].vals[i] = v
				}
			}
		}
		return nil
	}
	index := bySignature(l, b.Matching)
	var key []byte
	for _, row := range r {
		if err := q.ctx.Err(); err != nil {
			return nil, err
		}
		key = signature(key[:0], b.Matching, row.labels)
		others := index[string(key)]
		for i := range row.vals {
			if anyAt(l, others, i) {
				row.vals[i] = absent
			}
		}
	}
	if err := merge(l); err != nil {
		return nil, err
	}
	if err := merge(r); err != nil {
		return nil, err
	}
	q.release(len(l)+len(r), q.steps.n)
	return dropEmpty(g.rows), nil
}

// pairs is arithmetic and comparison between rows that belong together: one to
// one, or with group_left and group_right many to one.
func (q *query) pairs(b *plan.Binary, l, r table) (table, error) {
	many, one := l, r
	swapped := b.Matching != nil && b.Matching.Group == "right"
	if swapped {
		many, one = r, l
	}
	grouped := b.Matching != nil && b.Matching.Group != ""
	index := bySignature(one, b.Matching)
	for _, rows := range index {
		if q.togetherAtAStep(one, rows) {
			side := map[bool]string{false: "right", true: "left"}[swapped]
			return nil, plan.Errorf(syntax.Pos{}, "found duplicate series on the %s hand-side;many-to-many matching not allowed: "+
				"matching labels must be unique on one side", side)
		}
	}
	g := q.newGrid(q.steps.n, 0)
	var key []byte
	for _, m := range many {
		key = signature(key[:0], b.Matching, m.labels)
		for _, o := range index[string(key)] {
			if err := q.ctx.Err(); err != nil {
				return nil, err
			}
			n, err := g.row(pairLabels(b.Matching, m.labels, one[o].labels), absent)
			if err != nil {
				return nil, err
			}
			if err := pairValues(b, g.rows[n], m, one[o], swapped, grouped); err != nil {
				return nil, err
			}
		}
	}
	q.release(len(l)+len(r), q.steps.n)
	return dropComputed(g.rows), nil
}

// togetherAtAStep reports whether several of the rows have a value at one step.
func (q *query) togetherAtAStep(t table, rows []int) bool {
	for step := 0; len(rows) > 1 && step < q.steps.n; step++ {
		n := 0
		for _, i := range rows {
			if !isAbsent(t[i].vals[step]) {
				n++
			}
		}
		if n > 1 {
			return true
		}
	}
	return false
}

func pairValues(b *plan.Binary, out, many, one row, swapped, grouped bool) error {
	for i, v := range many.vals {
		o := one.vals[i]
		if isAbsent(v) || isAbsent(o) {
			continue
		}
		if !isAbsent(out.vals[i]) {
			if grouped {
				return plan.Errorf(syntax.Pos{}, "multiple matches for labels: grouping labels must ensure unique matches")
			}
			return plan.Errorf(syntax.Pos{}, "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")
		}
		l, r := v, o
		if swapped {
			l, r = o, v
		}
		if v = operate(b.Binary, l, r, l); isAbsent(v) {
			v = removed
		}
		out.vals[i] = v
	}
	return nil
}

func dropComputed(t table) table {
	for _, r := range t {
		for i, v := range r.vals {
			if isRemoved(v) {
				r.vals[i] = absent
			}
		}
	}
	return dropEmpty(t)
}

// pairLabels are those of the many with the included ones of the one, or for one
// to one those that the rows were matched on.
func pairLabels(m *syntax.Matching, many, one logs.Labels) logs.Labels {
	switch {
	case m == nil:
		return many
	case m.Group == "":
		out := make(logs.Labels, 0, len(many))
		for _, l := range many {
			if slices.Contains(m.Labels, l.Name) == m.On {
				out = append(out, l)
			}
		}
		return out
	case len(m.Include) == 0:
		return many
	}
	out := append(make([]logs.Label, 0, len(many)+len(m.Include)), many...)
	for _, name := range m.Include {
		out = append(out, logs.Label{Name: name, Value: one.Get(name)})
	}
	return logs.Normalize(out)
}
