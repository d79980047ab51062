package plan

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// Explain says, a line per step, what of a plan the store does and what the
// engine.
func Explain(n Node) string {
	var b strings.Builder
	explain(&b, n, "")
	return b.String()
}

func explain(b *strings.Builder, n Node, indent string) {
	switch n := n.(type) {
	case *Log:
		fmt.Fprintf(b, "%slines\n", indent)
		n.explain(b, indent+"  ")
		if n.LimitPushed() {
			fmt.Fprintf(b, "%s  store: limit\n", indent)
		}
	case *Range:
		n.explainRange(b, indent)
	case *Aggregate:
		fmt.Fprintf(b, "%s%s%s\n", indent, n.Op, groupingText(n.Grouping))
		explain(b, n.Input, indent+"  ")
	case *Binary:
		fmt.Fprintf(b, "%s%s\n", indent, n.Op)
		explain(b, n.Left, indent+"  ")
		explain(b, n.Right, indent+"  ")
	case *LabelReplace:
		fmt.Fprintf(b, "%slabel_replace %s\n", indent, n.Dst)
		explain(b, n.Input, indent+"  ")
	case *Vector:
		fmt.Fprintf(b, "%svector %g\n", indent, n.Value)
	case *Scalar:
		fmt.Fprintf(b, "%snumber %g\n", indent, n.Value)
	}
}

func (l *Log) explain(b *strings.Builder, indent string) {
	for _, m := range l.Selection.Matchers {
		fmt.Fprintf(b, "%sstore: stream %s\n", indent, m)
	}
	for _, f := range l.Selection.Lines {
		fmt.Fprintf(b, "%sstore: line %s\n", indent, lineFilterText(f))
	}
	for _, m := range l.Selection.Labels {
		fmt.Fprintf(b, "%sstore: label %s\n", indent, m)
	}
	for _, n := range l.Selection.Needs {
		fmt.Fprintf(b, "%sstore: need not give lines without label %s or text %q\n", indent, strings.Join(n.Labels, ", "), n.Texts)
	}
	if names := l.Selection.Metadata; names != nil {
		fmt.Fprintf(b, "%sstore: metadata that is looked at: %s\n", indent, cmp.Or(strings.Join(names, ", "), "none"))
	}
	if l.Selection.NoLines {
		fmt.Fprintf(b, "%sstore: lines are not looked at\n", indent)
	}
	for _, s := range l.Stages {
		fmt.Fprintf(b, "%sengine: %s\n", indent, syntax.StageString(s))
	}
}

func (r *Range) explainRange(b *strings.Builder, indent string) {
	outer := ""
	if r.Outer != "" {
		outer = string(r.Outer) + " of "
	}
	fmt.Fprintf(b, "%s%s%s [%s]%s\n", indent, outer, r.Op, r.Window, groupingText(r.Grouping))
	r.Log.explain(b, indent+"  ")
	if r.Unwrap != nil {
		fmt.Fprintf(b, "%s  engine: unwrap %s\n", indent, r.Unwrap.Label)
	}
	if !r.NeedsAll && len(r.Stages) > 0 {
		what := "labels " + strings.Join(r.Needed, ", ")
		if len(r.Needed) == 0 {
			what = "no label"
		}
		if r.Errors {
			what += " and for errors"
		}
		fmt.Fprintf(b, "%s  engine: parsers look for %s\n", indent, what)
	}
	if r.Buckets {
		fmt.Fprintf(b, "%s  store: counts in buckets%s\n", indent, groupingText(r.Grouping))
	}
}

func lineFilterText(f logs.LineFilter) string {
	quoted := make([]string, len(f.Any))
	for i, v := range f.Any {
		quoted[i] = strconv.Quote(v)
	}
	return f.Op.String() + " " + strings.Join(quoted, " or ")
}

func groupingText(g *syntax.Grouping) string {
	switch {
	case g == nil:
		return ""
	case g.Without:
		return " without (" + strings.Join(g.Labels, ", ") + ")"
	}
	return " by (" + strings.Join(g.Labels, ", ") + ")"
}
