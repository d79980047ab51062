package syntax

import (
	"fmt"
	"math"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/logs"
)

// Format writes a query as Loki formats it: on one line as long as that has at
// most a hundred characters, else on several. Numbers are computed, and sizes
// are rounded as Loki rounds them.
func Format(e Expr) string { return pretty(e, 0) }

// StageString writes one stage as Loki does.
func StageString(s Stage) string { return formatStage(s) }

// wide is how long a line may be.
const wide = 100

func indent(level int) string { return strings.Repeat("  ", level) }

// pretty writes an expression from a new line on, at a level of indentation.
func pretty(e Expr, level int) string {
	line := compact(e)
	if len(line) <= wide {
		return indent(level) + line
	}
	switch e := e.(type) {
	case *LogQuery:
		return prettyLog(e, level)
	case *RangeAgg:
		s := indent(level) + string(e.Op) + "(\n"
		if rangeOps[e.Op].param {
			s += indent(level+1) + formatFloat(e.Param) + ",\n"
		}
		s += prettyRange(e.Range, level+1) + "\n" + indent(level) + ")"
		if e.Grouping != nil {
			s += formatGrouping(e.Grouping, ", ")
		}
		return s
	case *VectorAgg:
		s := indent(level) + string(e.Op)
		if hasGroups(e.Grouping) {
			s += formatGrouping(e.Grouping, ", ")
		}
		s += "(\n"
		if vectorOps[e.Op].param {
			s += indent(level+1) + strconv.Itoa(e.Param) + ",\n"
		}
		return s + pretty(e.Expr, level+1) + "\n" + indent(level) + ")"
	case *LabelReplace:
		s := indent(level) + "label_replace(\n" + pretty(e.Expr, level+1)
		for _, arg := range []string{e.Dst, e.Replacement, e.Src, e.Regex} {
			s += ",\n" + indent(level+1) + strconv.Quote(arg)
		}
		return s + "\n" + indent(level) + ")"
	case *Binary:
		op := strings.TrimSuffix(formatOperator(e), " ")
		if e.Matching != nil && e.Matching.Group == "" {
			op += " "
		}
		return pretty(e.L, level+1) + "\n" + indent(level) + op + "\n" + pretty(e.R, level+1)
	}
	return indent(level) + line
}

// prettyLog writes filters that follow each other on one line.
func prettyLog(q *LogQuery, level int) string {
	line := compact(q)
	if len(line) <= wide {
		return indent(level) + line
	}
	s := indent(level) + formatMatchers(q.Matchers)
	filters := false
	for _, stage := range q.Stages {
		_, isFilter := stage.(*LineFilter)
		_, isDecolorize := stage.(*DecolorizeStage)
		switch {
		case isFilter && filters:
			s += " "
		case isDecolorize:
			s += "\n" // Loki does not indent it
		default:
			s += "\n" + indent(level+1)
		}
		filters = isFilter
		s += formatStage(stage)
	}
	return s
}

func prettyRange(r *LogRange, level int) string {
	s := prettyLog(r.Query, level)
	if r.Unwrap != nil {
		s += "\n" + indent(level+1) + formatUnwrap(r.Unwrap)
		for _, f := range r.Unwrap.Filters {
			s += "\n" + indent(level+1) + formatStage(f)
		}
	}
	s += " [" + formatPromDuration(r.Range) + "]"
	if r.Offset != 0 {
		s += " offset " + formatOffset(r.Offset)
	}
	return s
}

// formatOffset writes what can be read again: below zero no unit is longer than
// an hour.
func formatOffset(d time.Duration) string {
	switch {
	case d >= 0:
		return formatPromDuration(d)
	case -d < 24*time.Hour && d%time.Millisecond == 0:
		return "-" + formatPromDuration(-d)
	}
	return d.String()
}

// compact writes an expression on one line.
func compact(e Expr) string {
	if v, ok := fold(e); ok {
		return formatFloat(v)
	}
	switch e := e.(type) {
	case *LogQuery:
		s := formatMatchers(e.Matchers)
		for _, stage := range e.Stages {
			s += " " + formatStage(stage)
		}
		return s
	case *RangeAgg:
		s := string(e.Op) + "("
		if rangeOps[e.Op].param {
			s += formatFloat(e.Param) + ","
		}
		s += formatRange(e.Range) + ")"
		if e.Grouping != nil {
			s += formatGrouping(e.Grouping, ",")
		}
		return s
	case *VectorAgg:
		s := string(e.Op)
		if hasGroups(e.Grouping) {
			s += formatGrouping(e.Grouping, ",")
		}
		s += "("
		if vectorOps[e.Op].param {
			s += strconv.Itoa(e.Param) + ","
		}
		return s + compact(e.Expr) + ")"
	case *LabelReplace:
		s := "label_replace(" + compact(e.Expr)
		for _, arg := range []string{e.Dst, e.Replacement, e.Src, e.Regex} {
			s += "," + strconv.Quote(arg)
		}
		return s + ")"
	case *VectorLiteral:
		return fmt.Sprintf("vector(%f)", e.Value)
	case *Binary:
		return "(" + compact(e.L) + " " + formatOperator(e) + " " + compact(e.R) + ")"
	}
	return e.String()
}

// fold computes what is all numbers.
func fold(e Expr) (float64, bool) {
	switch e := e.(type) {
	case *Literal:
		return e.Value, true
	case *Binary:
		l, lok := fold(e.L)
		r, rok := fold(e.R)
		if !lok || !rok {
			return 0, false
		}
		v, pass := e.Op.Apply(l, r)
		switch {
		case !e.Op.Comparison():
			return v, true
		case pass:
			return 1, true
		}
		return 0, true
	}
	return math.NaN(), false
}

func hasGroups(g *Grouping) bool { return g != nil && (g.Without || len(g.Labels) > 0) }

func formatGrouping(g *Grouping, comma string) string {
	word := " by ("
	if g.Without {
		word = " without ("
	}
	return word + strings.Join(g.Labels, comma) + ")"
}

// formatOperator is followed by a blank more where a matching has no group, as
// in Loki.
func formatOperator(b *Binary) string {
	s := string(b.Op)
	if b.ReturnBool {
		s += " bool"
	}
	m := b.Matching
	if m == nil {
		return s
	}
	word := " ignoring ("
	if m.On {
		word = " on ("
	}
	s += word + strings.Join(m.Labels, ",") + ") "
	if m.Group == "" {
		return s
	}
	s += "group_" + m.Group
	// A parenthesis behind it would be taken for its labels.
	if _, nested := b.R.(*Binary); nested || len(m.Include) > 0 {
		s += " (" + strings.Join(m.Include, ",") + ")"
	}
	return s
}

func formatMatchers(ms []Matcher) string {
	list := make([]string, len(ms))
	for i, m := range ms {
		list[i] = m.Name + m.Op.String() + strconv.Quote(m.Value)
	}
	return "{" + strings.Join(list, ", ") + "}"
}

func formatRange(r *LogRange) string {
	s := compact(r.Query)
	if r.Unwrap != nil {
		s += " " + formatUnwrap(r.Unwrap)
		for _, f := range r.Unwrap.Filters {
			s += " " + formatStage(f)
		}
	}
	s += "[" + formatPromDuration(r.Range) + "]"
	if r.Offset != 0 {
		s += " offset " + r.Offset.String()
	}
	return s
}

func formatUnwrap(u *Unwrap) string {
	if u.Conversion != "" {
		return "| unwrap " + u.Conversion + "(" + u.Label + ")"
	}
	return "| unwrap " + u.Label
}

// plainExpression reports whether an expression is a text, perhaps with anything
// before or after it.
func plainExpression(expr string) bool {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return false
	}
	return plainNode(re.Simplify())
}

func plainNode(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpEmptyMatch:
		return true
	case syntax.OpStar, syntax.OpPlus:
		return anything(re)
	case syntax.OpCapture:
		return plainNode(re.Sub[0])
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !plainNode(sub) })
	case syntax.OpConcat:
		return plainSequence(re.Sub)
	}
	return false
}

func anything(re *syntax.Regexp) bool {
	return (re.Op == syntax.OpStar || re.Op == syntax.OpPlus) &&
		(re.Sub[0].Op == syntax.OpAnyCharNotNL || re.Sub[0].Op == syntax.OpAnyChar)
}

// plainSequence is one text with .* around it, or a beginning that alternatives
// have in common.
func plainSequence(list []*syntax.Regexp) bool {
	if len(list) == 2 && list[0].Op == syntax.OpLiteral && list[1].Op == syntax.OpAlternate {
		return plainNode(list[1])
	}
	texts := 0
	for _, re := range list {
		switch {
		case re.Op == syntax.OpLiteral:
			texts++
		case re.Op != syntax.OpStar || !anything(re):
			return false
		}
	}
	return texts <= 1
}

// quoteValue is how Loki writes the value of a label filter.
func quoteValue(m Matcher) string {
	if m.Op == logs.Regexp && strconv.CanBackquote(m.Value) && !plainExpression(m.Value) {
		return "`" + m.Value + "`"
	}
	return strconv.Quote(m.Value)
}
