package plan

import (
	"regexp"
	"strings"

	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// split moves what it can of a pipeline into the selection. A line filter moves
// ahead of every stage that leaves the line alone, a label filter ahead of other
// filters, since whether a line passes two filters does not depend on their
// order. What is said about errors before a stage can make one has no effect and
// goes: Grafana ends queries with | drop __error__.
func split(q *syntax.LogQuery) (Log, error) {
	var l Log
	for _, m := range q.Matchers {
		c, err := logs.NewMatcher(m.Name, m.Op, m.Value)
		if err != nil {
			return l, Errorf(m.At, "%s", err)
		}
		l.Selection.Matchers = append(l.Selection.Matchers, c)
	}
	sameLine, sameLabels, failing := true, true, false
	for _, s := range q.Stages {
		if !failing {
			if s = withoutErrors(s); s == nil {
				continue
			}
			failing = mayFail(s)
		}
		switch s := s.(type) {
		case *syntax.LineFilter:
			if f, ok := storeFilter(s); ok && sameLine {
				l.addLine(f)
				continue
			}
			if sameLine {
				l.prefilter(s)
			}
		case *syntax.LabelFilterStage:
			if sameLabels {
				rest, err := l.pushLabels(s.Filter)
				if err != nil {
					return l, err
				}
				if rest == nil {
					continue
				}
				l.Stages = append(l.Stages, &syntax.LabelFilterStage{At: s.At, Filter: rest})
				continue
			}
		case *syntax.LineFormatStage, *syntax.DecolorizeStage:
			sameLine = false
			// A template that fails leaves a label: __error__.
			sameLabels = false
		case *syntax.UnpackStage:
			sameLine, sameLabels = false, false
		default:
			sameLabels = false
		}
		l.Stages = append(l.Stages, s)
	}
	return l, nil
}

// tenantLabel says whose a line is where several tenants are asked. Only
// selectors and groupings see it.
const tenantLabel = "__tenant_id__"

// storeFilter returns the store's form of a line filter where it has one.
func storeFilter(f *syntax.LineFilter) (logs.LineFilter, bool) {
	ops := map[syntax.LineOp]logs.LineOp{
		"|=": logs.Contains, "!=": logs.NotContains, "|~": logs.MatchesRegexp, "!~": logs.NotMatchesRegexp,
	}
	op, ok := ops[f.Op]
	if !ok {
		return logs.LineFilter{}, false
	}
	out := logs.LineFilter{Op: op, Any: make([]string, 0, len(f.Terms))}
	for _, t := range f.Effective() {
		if t.IP {
			return logs.LineFilter{}, false
		}
		out.Any = append(out.Any, t.Value)
	}
	return out, true
}

// prefilter lets the store look for the texts of a |> pattern. The engine still
// tests the pattern.
func (l *Log) prefilter(f *syntax.LineFilter) {
	if f.Op != "|>" || len(f.Terms) != 1 {
		return
	}
	p, err := syntax.ParseLinePattern(f.Terms[0].Value)
	if err != nil {
		return
	}
	for _, part := range p.Parts {
		if part.Text != "" {
			l.addLine(logs.LineFilter{Op: logs.Contains, Any: []string{part.Text}})
		}
	}
}

// addLine keeps the filter unless it passes every line.
func (l *Log) addLine(f logs.LineFilter) {
	if f.Op == logs.Contains || f.Op == logs.MatchesRegexp {
		for _, v := range f.Any {
			if v == "" {
				return
			}
		}
	}
	l.Selection.Lines = append(l.Selection.Lines, f)
}

// pushLabels moves the conditions of a filter that the store can test and
// returns the others, nil where there are none.
func (l *Log) pushLabels(f syntax.LabelFilter) (syntax.LabelFilter, error) {
	switch f := f.(type) {
	case *syntax.StringFilter:
		if !storedName(f.Name) || f.Name == tenantLabel {
			return f, nil
		}
		m, err := logs.NewMatcher(f.Name, f.Op, f.Effective().Value)
		if err != nil {
			return nil, Errorf(f.At, "%s", err)
		}
		l.Selection.Labels = append(l.Selection.Labels, m)
		return nil, nil
	case *syntax.BinaryFilter:
		if f.Or {
			if m, ok := oneOf(f); ok {
				l.Selection.Labels = append(l.Selection.Labels, m)
				return nil, nil
			}
			return f, nil
		}
		left, err := l.pushLabels(f.L)
		if err != nil {
			return nil, err
		}
		right, err := l.pushLabels(f.R)
		switch {
		case err != nil || left == nil:
			return right, err
		case right == nil:
			return left, nil
		}
		return &syntax.BinaryFilter{At: f.At, L: left, R: right}, nil
	}
	return f, nil
}

// storedName reports whether a label of that name, before any parser, is one
// that the store has under this name. Error labels are the engine's, and
// x_extracted may be the structured metadata x.
func storedName(name string) bool {
	return !strings.HasPrefix(name, "__error") && !strings.HasSuffix(name, "_extracted")
}

func storedNames(names []string) bool {
	for _, n := range names {
		if !storedName(n) {
			return false
		}
	}
	return true
}

// oneOf makes one matcher of a="x" or a="y" or a=~"z".
func oneOf(f *syntax.BinaryFilter) (m logs.Matcher, ok bool) {
	name, exprs, ok := alternatives(f, "", nil)
	if !ok || !storedName(name) || name == tenantLabel {
		return m, false
	}
	m, err := logs.NewMatcher(name, logs.Regexp, strings.Join(exprs, "|"))
	return m, err == nil
}

// alternatives collects what one label is compared with; false where there are
// several labels or other comparisons.
func alternatives(f syntax.LabelFilter, name string, exprs []string) (string, []string, bool) {
	switch f := f.(type) {
	case *syntax.StringFilter:
		if name != "" && name != f.Name {
			return "", nil, false
		}
		switch f.Op {
		case logs.Equal:
			return f.Name, append(exprs, regexp.QuoteMeta(f.Value)), true
		case logs.Regexp:
			return f.Name, append(exprs, "(?:"+f.Effective().Value+")"), true
		}
	case *syntax.BinaryFilter:
		if f.Or {
			name, exprs, ok := alternatives(f.L, name, exprs)
			if !ok {
				return "", nil, false
			}
			return alternatives(f.R, name, exprs)
		}
	}
	return "", nil, false
}
