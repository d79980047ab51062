package exec

import (
	"regexp"
	"slices"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
)

// evalLabelReplace sets a label from the groups of an expression that matches
// the whole of another.
func (q *query) evalLabelReplace(n *plan.LabelReplace) (table, error) {
	re, err := regexp.Compile("^(?:" + n.Regex + ")$")
	if err != nil {
		return nil, plan.Errorf(n.At, "%s", err)
	}
	t, err := q.eval(n.Input, 0)
	if err != nil {
		return nil, err
	}
	called := make([]logs.Labels, len(t)) // what the rows were called before
	for i := range t {
		called[i] = t[i].labels
		t[i].labels = replaced(t[i].labels, n, re)
	}
	if !t.twins() {
		return t, nil
	}
	// Rows come in no order; those that have one name now go by what they were called.
	order := make([]int, len(t))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return called[x].Compare(called[y]) })
	out := make(table, len(t))
	for i, at := range order {
		out[i] = t[at]
	}
	return out, nil
}

func replaced(ls logs.Labels, n *plan.LabelReplace, re *regexp.Regexp) logs.Labels {
	src := ls.Get(n.Src)
	at := re.FindStringSubmatchIndex(src)
	if at == nil {
		return ls
	}
	value := string(re.ExpandString(nil, n.Replacement, src, at))
	return logs.Normalize(append(append(make([]logs.Label, 0, len(ls)+1), ls...), logs.Label{Name: n.Dst, Value: value}))
}

// twins reports whether two rows have the same labels.
func (t table) twins() bool {
	seen := make(map[string]bool, len(t))
	for i := range t {
		text := t[i].labels.String()
		if seen[text] {
			return true
		}
		seen[text] = true
	}
	return false
}
