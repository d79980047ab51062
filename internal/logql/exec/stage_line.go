package exec

import (
	"regexp"
	"strings"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
)

// lineFilter is |= != |~ !~ |> !> with their or chains.
type lineFilter struct {
	not   bool
	tests []func(string) bool
}

func newLineFilter(f *syntax.LineFilter) (stage, error) {
	s := &lineFilter{not: f.Op.Negative()}
	for _, t := range f.Effective() {
		test, err := lineTest(f.Op, t)
		if err != nil {
			return nil, plan.Errorf(t.At, "%s", err)
		}
		s.tests = append(s.tests, test)
	}
	return s, nil
}

func (s *lineFilter) process(l *line) bool {
	for _, test := range s.tests {
		if test(l.text) {
			return !s.not
		}
	}
	return s.not
}

func lineTest(op syntax.LineOp, t syntax.LineTerm) (func(string) bool, error) {
	if t.IP {
		r, err := syntax.ParseIP(t.Value)
		return func(s string) bool { return containsIP(s, r) }, err
	}
	switch op {
	case "|~", "!~":
		return regexpTest(t.Value)
	case "|>", "!>":
		p, err := syntax.ParseLinePattern(t.Value)
		return func(s string) bool { return matchesPattern(p, s) }, err
	}
	return func(s string) bool { return strings.Contains(s, t.Value) }, nil
}

// regexpTest avoids the expression engine where the expression is plain text.
func regexpTest(expr string) (func(string) bool, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	if text, whole := re.LiteralPrefix(); whole {
		return func(s string) bool { return strings.Contains(s, text) }, nil
	}
	return re.MatchString, nil
}
