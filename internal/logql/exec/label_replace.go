package exec

import (
	"regexp"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
)

// evalLabelReplace sets a label from the groups of an expression that matches
// the whole of another.
func (q *query) evalLabelReplace(n *plan.LabelReplace) (table, error) {
	re, err := regexp.Compile("^(?s:" + n.Regex + ")$")
	if err != nil {
		return nil, plan.Errorf(n.At, "%s", err)
	}
	t, err := q.eval(n.Input, 0)
	if err != nil {
		return nil, err
	}
	for i := range t {
		src := t[i].labels.Get(n.Src)
		if at := re.FindStringSubmatchIndex(src); at != nil {
			value := string(re.ExpandString(nil, n.Replacement, src, at))
			ls := append(append(make([]logs.Label, 0, len(t[i].labels)+1), t[i].labels...), logs.Label{Name: n.Dst, Value: value})
			t[i].labels = logs.Normalize(ls)
		}
	}
	return t, nil
}
