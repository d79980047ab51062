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
		if err := checkExpression(m.Value); err != nil {
			panic(mistakef("%s", err))
		}
	}
}

// checkExpression says why a regular expression does not compile.
func checkExpression(re string) error {
	_, err := syntax.Parse(re, syntax.Perl)
	return err
}

// selectorMistake wants a matcher that a stream without the label does not pass.
func selectorMistake(ms []Matcher) *Error {
	for _, m := range ms {
		c, err := m.compile()
		if err != nil {
			return mistakef("%s", err)
		}
		if !c.Matches("") {
			return nil
		}
	}
	return mistakef("%s", emptyCompatible)
}

func checkRegexp(s *RegexpStage) {
	re, err := regexp.Compile(s.Pattern)
	if err != nil {
		panic(mistakef("invalid regexp parser: %s", err))
	}
	named := 0
	seen := map[string]bool{}
	for _, n := range re.SubexpNames() {
		if n == "" {
			continue
		}
		if seen[n] {
			panic(mistakef("invalid regexp parser: duplicate extracted label name '%s'", n))
		}
		seen[n] = true
		named++
	}
	if named == 0 {
		panic(mistakef("invalid regexp parser: at least one named capture must be supplied"))
	}
}

func checkPattern(s *PatternStage) {
	p, err := ParsePattern(s.Pattern)
	switch {
	case err != nil:
		panic(mistakef("invalid pattern parser: %s", err))
	case p.Captures() == 0:
		panic(mistakef("invalid pattern parser: at least one capture is required"))
	}
}

func rangeMistake(a *RangeAgg, hasParam bool) *Error {
	takes := rangeOps[a.Op]
	switch {
	case takes.param && !hasParam:
		return mistakef("parameter required for operation %s", a.Op)
	case !takes.param && hasParam:
		return mistakef("parameter %s not supported for operation %s", formatFloat(a.Param), a.Op)
	case a.Grouping != nil && !takes.grouping:
		return mistakef("grouping not allowed for %s aggregation", a.Op)
	case a.Range.Unwrap != nil && !takes.samples:
		return mistakef("invalid aggregation %s with unwrap", a.Op)
	case a.Range.Unwrap == nil && !takes.lines:
		return mistakef("invalid aggregation %s without unwrap", a.Op)
	}
	return nil
}

func vectorMistake(a *VectorAgg, param string) *Error {
	takes := vectorOps[a.Op]
	switch {
	case takes.param && param == "":
		return mistakef("parameter required for operation %s", a.Op)
	case !takes.param && param != "":
		return mistakef("unsupported parameter for operation %s(%s,", a.Op, param)
	case takes.param:
		k, err := strconv.Atoi(param)
		if err != nil {
			return mistakef("invalid parameter %s(%s,", a.Op, param)
		}
		if a.Param = k; k <= 0 {
			return mistakef("invalid parameter (must be greater than 0) %s(%s", a.Op, param)
		}
	}
	switch {
	case a.Grouping == nil || takes.grouping:
	case a.Op == "sort", a.Op == "sort_desc":
		return mistakef("sort and sort_desc doesn't allow grouping by ")
	default:
		return mistakef("grouping not allowed for %s aggregation", a.Op)
	}
	if scalar(a.Expr) {
		return mistakef("%s", emptyCompatible) // a number selects no streams
	}
	return nil
}

func binaryMistake(b *Binary) *Error {
	for _, leg := range []struct {
		name string
		e    Expr
	}{{"left", b.L}, {"right", b.R}} {
		if q, isLog := leg.e.(*LogQuery); isLog {
			kind := "*syntax.MatchersExpr"
			if len(q.Stages) > 0 {
				kind = "*syntax.PipelineExpr"
			}
			return mistakef("unexpected type for %s leg of binary operation (%s): %s", leg.name, b.Op, kind)
		}
		if v, isNumber := number(leg.e); isNumber && b.Op.SetOp() {
			return mistakef("unexpected literal for %s leg of logical/set binary operation (%s): %f", leg.name, b.Op, v)
		}
	}
	return nil
}

func labelReplaceMistake(r *LabelReplace) *Error {
	if _, err := regexp.Compile("^(?:" + r.Regex + ")$"); err != nil {
		return mistakef("invalid regex in label_replace: %s", err)
	}
	return nil
}

// number is the value of a literal.
func number(e Expr) (float64, bool) {
	l, ok := e.(*Literal)
	if !ok {
		return 0, false
	}
	return l.Value, true
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
