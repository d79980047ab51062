package exec

import (
	"cmp"
	"strconv"
	"time"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// newLabelFilter compiles a condition on labels.
func newLabelFilter(f syntax.LabelFilter) (stage, error) {
	switch f := f.(type) {
	case *syntax.StringFilter:
		m, err := logs.NewMatcher(f.Name, f.Op, f.Effective().Value)
		if err != nil {
			return nil, plan.Errorf(f.At, "%s", err)
		}
		return &stringFilter{m}, nil
	case *syntax.NumberFilter:
		return &valueFilter[float64]{name: f.Name, op: f.Op, value: f.Value, parse: parseNumber}, nil
	case *syntax.DurationFilter:
		return &valueFilter[time.Duration]{name: f.Name, op: f.Op, value: f.Value, parse: time.ParseDuration}, nil
	case *syntax.BytesFilter:
		return &valueFilter[uint64]{name: f.Name, op: f.Op, value: f.Value, parse: syntax.ParseBytes}, nil
	case *syntax.IPFilter:
		r, err := syntax.ParseIP(f.Pattern)
		if err != nil {
			return nil, plan.Errorf(f.At, "%s", err)
		}
		return &ipFilter{name: f.Name, not: f.Not, addrs: r}, nil
	case *syntax.BinaryFilter:
		l, err := newLabelFilter(f.L)
		if err != nil {
			return nil, err
		}
		r, err := newLabelFilter(f.R)
		return &binaryFilter{or: f.Or, l: l, r: r}, err
	}
	return nil, plan.Errorf(f.Pos(), "%T is not supported yet", f)
}

func parseNumber(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

// stringFilter compares text; a label that is not there is "". So are the
// details of an error.
type stringFilter struct{ logs.Matcher }

func (f *stringFilter) process(l *line) bool {
	if f.Name == detailsLabel {
		return f.Matches("")
	}
	return f.Matches(l.get(f.Name))
}

// valueFilter compares a label that it reads as a number, duration or size. A
// line without the label is dropped; one whose label cannot be read is kept with
// an error.
type valueFilter[T cmp.Ordered] struct {
	name  string
	op    syntax.CompareOp
	value T
	parse func(string) (T, error)
}

func (f *valueFilter[T]) process(l *line) bool {
	text, ok := l.lookup(f.name)
	if !ok || f.name == errorLabel || f.name == detailsLabel {
		return false
	}
	v, err := f.parse(text)
	if err != nil {
		if l.err == "" {
			l.fail("LabelFilterErr", err.Error())
		}
		return true
	}
	switch f.op {
	case "==":
		return v == f.value
	case "!=":
		return v != f.value
	case ">":
		return v > f.value
	case ">=":
		return v >= f.value
	case "<":
		return v < f.value
	default:
		return v <= f.value
	}
}

type ipFilter struct {
	name  string
	not   bool
	addrs syntax.IPRange
}

func (f *ipFilter) process(l *line) bool {
	if l.err != "" {
		return true
	}
	v, ok := l.lookup(f.name)
	return ok && containsIP(v, f.addrs) != f.not
}

type binaryFilter struct {
	or   bool
	l, r stage
}

func (f *binaryFilter) process(l *line) bool {
	if f.or {
		return f.l.process(l) || f.r.process(l)
	}
	return f.l.process(l) && f.r.process(l)
}
