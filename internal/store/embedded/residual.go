package embedded

import (
	"regexp"
	"strings"

	"github.com/remora-ray/remora/internal/logs"
)

// residual checks in Go, by Loki's rules, what the engine may have let through.
// It is made once for a query and used by one goroutine at a time for its
// stream cache; line and labels may be called by any.
type residual struct {
	sel   *logs.Selection
	exact bool
	lines []lineTest
}

type lineTest struct {
	op  logs.LineOp
	any []string
	res []*regexp.Regexp
}

func newResidual(sel *logs.Selection, exact bool) (*residual, error) {
	r := &residual{sel: sel, exact: exact}
	for _, f := range sel.Lines {
		t := lineTest{op: f.Op, any: f.Any}
		if f.Op == logs.MatchesRegexp || f.Op == logs.NotMatchesRegexp {
			for _, s := range f.Any {
				re, err := regexp.Compile(s)
				if err != nil {
					return nil, err
				}
				t.res = append(t.res, re)
			}
		}
		r.lines = append(r.lines, t)
	}
	return r, nil
}

// stream reports whether the stream's labels pass.
func (r *residual) stream(ls logs.Labels) bool { return logs.MatchesAll(r.sel.Matchers, ls) }

// line reports whether a line passes; where the engine's answer is exact it was
// tested already.
func (r *residual) line(s string) bool {
	if r.exact {
		return true
	}
	for i := range r.lines {
		if !r.lines[i].pass(s) {
			return false
		}
	}
	return true
}

// labels reports whether a record's labels pass.
func (r *residual) labels(rec *logs.Record) bool {
	if r.exact {
		return true
	}
	for _, m := range r.sel.Labels {
		if !m.Matches(rec.Label(m.Name)) {
			return false
		}
	}
	return true
}

// passes reports whether a record passes that the engine has not seen, its time
// left out.
func (r *residual) passes(rec *logs.Record) bool {
	all := residual{sel: r.sel, lines: r.lines}
	return all.stream(rec.Stream) && all.line(rec.Line) && all.labels(rec)
}

func (t *lineTest) pass(line string) bool {
	found := false
	if t.res != nil {
		for _, re := range t.res {
			found = found || re.MatchString(line)
		}
	} else {
		for _, needle := range t.any {
			found = found || strings.Contains(line, needle)
		}
	}
	return found == (t.op == logs.Contains || t.op == logs.MatchesRegexp)
}
