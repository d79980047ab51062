package syntax

import (
	"regexp"
	"regexp/syntax"
	"strconv"

	"github.com/remora-ray/remora/internal/logs"
)

func itoa(n int) string { return strconv.Itoa(n) }

const emptyCompatible = `queries require at least one regexp or equality matcher that does not have an empty-compatible value. ` +
	`For instance, app=~".*" does not meet this requirement, but app=~".+" will`

func checkMatcher(m Matcher) {
	if m.Op == logs.Regexp || m.Op == logs.NotRegexp {
		checkExpression(m.At, m.Value)
	}
}

// checkExpression gives up where a regular expression does not compile.
func checkExpression(at Pos, re string) {
	if _, err := syntax.Parse(re, syntax.Perl); err != nil {
		fail(at, "%s", err)
	}
}

// checkSelector wants a matcher that a stream without the label does not pass.
func checkSelector(q *LogQuery) {
	for _, m := range q.Matchers {
		c, err := m.compile()
		failOn(m.At, err)
		if !c.Matches("") {
			return
		}
	}
	fail(q.At, "%s", emptyCompatible)
}

func checkLineFilter(f *LineFilter) {
	for _, t := range f.Terms {
		switch {
		case t.IP && f.Op != "|=" && f.Op != "!=":
			fail(t.At, "ip: %s is not supported, use |= or !=", f.Op)
		case t.IP:
		case f.Op == "|~" || f.Op == "!~":
			checkExpression(t.At, t.Value)
		case f.Op == "|>" || f.Op == "!>":
			_, err := ParseLinePattern(t.Value)
			failOn(t.At, err)
		}
	}
}

func checkJSON(s *JSONStage) {
	for _, x := range s.Exprs {
		_, err := ParseJSONPath(x.Expr)
		failOn(x.At, err)
	}
}

func checkLogfmt(s *LogfmtStage) {
	for _, x := range s.Exprs {
		if _, err := ParseLogfmtKey(x.Expr); err != nil {
			fail(x.At, "%s", err)
		}
	}
}

func checkRegexp(s *RegexpStage) {
	re, err := regexp.Compile(s.Pattern)
	failOn(s.At, err)
	named := 0
	seen := map[string]bool{}
	for _, n := range re.SubexpNames() {
		if n == "" {
			continue
		}
		if !logs.ValidName(n) {
			fail(s.At, "invalid extracted label name '%s'", n)
		}
		if seen[n] {
			fail(s.At, "duplicate extracted label name '%s'", n)
		}
		seen[n] = true
		named++
	}
	if named == 0 {
		fail(s.At, "at least one named capture must be supplied")
	}
}

func checkPattern(s *PatternStage) {
	p, err := ParsePattern(s.Pattern)
	failOn(s.At, err)
	if p.Captures() == 0 {
		fail(s.At, "at least one capture is required: %s", s.Pattern)
	}
}

func checkLabelFormat(s *LabelFormatStage) {
	seen := map[string]bool{}
	for _, f := range s.Formats {
		if f.Name == "__error__" {
			fail(f.At, "%s cannot be formatted", f.Name)
		}
		if seen[f.Name] {
			fail(f.At, "multiple label name '%s' not allowed in a single format operation", f.Name)
		}
		seen[f.Name] = true
	}
}

func checkRangeAgg(a *RangeAgg, hasParam bool) {
	takes := rangeOps[a.Op]
	switch {
	case takes.param && !hasParam:
		fail(a.At, "parameter required for operation %s", a.Op)
	case !takes.param && hasParam:
		fail(a.At, "parameter %s not supported for operation %s", formatFloat(a.Param), a.Op)
	case a.Grouping != nil && !takes.grouping:
		fail(a.At, "grouping not allowed for %s aggregation", a.Op)
	case a.Range.Unwrap != nil && !takes.samples:
		fail(a.At, "invalid aggregation %s with unwrap", a.Op)
	case a.Range.Unwrap == nil && !takes.lines:
		fail(a.At, "invalid aggregation %s without unwrap", a.Op)
	}
}

func checkVectorAgg(a *VectorAgg, param string) {
	takes := vectorOps[a.Op]
	switch {
	case scalar(a.Expr):
		fail(a.Expr.Pos(), "unexpected number in %s, expecting a vector", a.Op)
	case takes.param && param == "":
		fail(a.At, "parameter required for operation %s", a.Op)
	case !takes.param && param != "":
		fail(a.At, "unsupported parameter for operation %s(%s,", a.Op, param)
	case takes.param && a.Param <= 0:
		fail(a.At, "invalid parameter (must be greater than 0) %s(%s", a.Op, param)
	case a.Grouping != nil && !takes.grouping:
		fail(a.At, "grouping not allowed for %s aggregation", a.Op)
	}
}

func checkBinary(b *Binary) {
	l, r := scalar(b.L), scalar(b.R)
	switch {
	case b.Op.SetOp() && l:
		fail(b.L.Pos(), "unexpected literal for left leg of logical/set binary operation (%s)", b.Op)
	case b.Op.SetOp() && r:
		fail(b.R.Pos(), "unexpected literal for right leg of logical/set binary operation (%s)", b.Op)
	case b.ReturnBool && !b.Op.Comparison():
		fail(b.At, "bool modifier can only be used on comparison operators, not %s", b.Op)
	case b.Matching == nil:
	case l || r:
		fail(b.At, "vector matching only allowed between vectors")
	case b.Op.SetOp() && b.Matching.Group != "":
		fail(b.At, "no grouping allowed for %s operation", b.Op)
	case b.Matching.On && b.Matching.Group != "":
		for _, n := range b.Matching.Include {
			for _, on := range b.Matching.Labels {
				if n == on {
					fail(b.At, "label %q must not occur in ON and GROUP clause at once", n)
				}
			}
		}
	}
}

func checkLabelReplace(r *LabelReplace) {
	if scalar(r.Expr) {
		fail(r.Expr.Pos(), "unexpected number in label_replace, expecting a vector")
	}
	if !logs.ValidName(r.Dst) {
		fail(r.At, "invalid destination label name in label_replace: %s", r.Dst)
	}
	checkExpression(r.At, r.Regex)
}

// scalar reports whether e is a number rather than a vector.
func scalar(e Expr) bool {
	switch e := e.(type) {
	case *Literal:
		return true
	case *Binary:
		return scalar(e.L) && scalar(e.R)
	}
	return false
}
