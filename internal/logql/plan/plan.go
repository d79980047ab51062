// Package plan splits a query into what the store does (matchers, time, line
// filters, label filters on stored labels, bucketed counts) and what is left for
// the engine.
//
// Invariant: a plan asks the store for every line that the query needs, and
// running the rest over what the store gives is the same as running the query
// over all lines.
package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// Error is a user's mistake that only shows when a query is planned or run.
type Error struct {
	syntax.Pos
	Msg string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Msg
	}
	return (&syntax.Error{Pos: e.Pos, Msg: e.Msg}).Error()
}

// Errorf returns an *Error at a place of the query.
func Errorf(at syntax.Pos, format string, args ...any) *Error {
	return &Error{Pos: at, Msg: fmt.Sprintf(format, args...)}
}

// Node is a part of a plan: *Log, *Range, *Aggregate, *Binary, *LabelReplace,
// *Vector or *Scalar.
type Node interface{ node() }

// Log is a log query.
type Log struct {
	// Selection has everything but time, direction and limit.
	Selection logs.Selection
	// Stages are what the engine does with the lines that it gets.
	Stages []syntax.Stage
}

// LimitPushed reports whether the store may stop after as many lines as the
// query wants.
func (l *Log) LimitPushed() bool { return len(l.Stages) == 0 }

// Range is a range aggregation.
type Range struct {
	Log
	Op           syntax.RangeOp
	Param        float64
	Unwrap       *syntax.Unwrap
	Window       time.Duration
	Offset       time.Duration
	Grouping     *syntax.Grouping
	AbsentLabels logs.Labels // of absent_over_time's answer
	At           syntax.Pos
	Buckets      bool            // the store counts; Grouping is by then
	Needed       []string        // the labels that parsers must find; see NeedsAll
	NeedsAll     bool            // parsers find all labels
	Errors       bool            // a stage asks about errors: parsers read lines to their end
	Forgives     bool            // lines that parsers cannot read do not fail the query
	Outer        syntax.VectorOp // an aggregation around it that has been merged into Grouping
}

// Aggregate is a vector aggregation.
type Aggregate struct {
	*syntax.VectorAgg
	Input Node
}

// Binary is an operation between vectors or a vector and a number.
type Binary struct {
	*syntax.Binary
	Left, Right Node
}

// LabelReplace is label_replace.
type LabelReplace struct {
	*syntax.LabelReplace
	Input Node
}

// Vector is vector(1).
type Vector struct{ Value float64 }

// Scalar is a number, computed where the query has an operation.
type Scalar struct{ Value float64 }

func (*Log) node()          {}
func (*Range) node()        {}
func (*Aggregate) node()    {}
func (*Binary) node()       {}
func (*LabelReplace) node() {}
func (*Vector) node()       {}
func (*Scalar) node()       {}

// New plans a query.
func New(e syntax.Expr) (Node, error) {
	switch e := e.(type) {
	case *syntax.LogQuery:
		l, err := split(e)
		l.Selection.Needs = needs(e.Stages, nil)
		return &l, err
	case *syntax.RangeAgg:
		return newRange(e, nil)
	case *syntax.VectorAgg:
		return newAggregate(e)
	case *syntax.Binary:
		return newBinary(e)
	case *syntax.LabelReplace:
		in, err := New(e.Expr)
		return &LabelReplace{LabelReplace: e, Input: in}, err
	case *syntax.VectorLiteral:
		return &Vector{Value: e.Value}, nil
	case *syntax.Literal:
		return &Scalar{Value: e.Value}, nil
	default:
		return nil, Errorf(e.Pos(), "%T is not supported yet", e)
	}
}

func newAggregate(e *syntax.VectorAgg) (Node, error) {
	r, ok := e.Expr.(*syntax.RangeAgg)
	if ok && mergeable(e, r) {
		return newRange(r, e)
	}
	in, err := New(e.Expr)
	return &Aggregate{VectorAgg: e, Input: in}, err
}

// mergeable reports whether an aggregation over the series of a range
// aggregation is the same range aggregation over coarser series: a sum of sums
// or counts, a maximum of maxima, a minimum of minima. A query then holds only
// the series of its answer.
func mergeable(outer *syntax.VectorAgg, r *syntax.RangeAgg) bool {
	if r.Grouping != nil {
		return false
	}
	switch r.Op {
	case "count_over_time", "rate", "bytes_over_time", "bytes_rate", "sum_over_time":
		return outer.Op == "sum"
	case "max_over_time", "min_over_time":
		// The label that is unwrapped is no label of the inner series.
		byValue := outer.Grouping != nil && slices.Contains(outer.Grouping.Labels, r.Range.Unwrap.Label)
		return string(outer.Op)+"_over_time" == string(r.Op) && !byValue
	}
	return false
}

func newBinary(e *syntax.Binary) (Node, error) {
	l, err := New(e.L)
	if err != nil {
		return nil, err
	}
	r, err := New(e.R)
	if err != nil {
		return nil, err
	}
	ls, lok := l.(*Scalar)
	rs, rok := r.(*Scalar)
	if lok && rok {
		v, pass := Apply(e.Op, ls.Value, rs.Value)
		if e.Op.Comparison() {
			v = 0
			if pass {
				v = 1
			}
		}
		return &Scalar{Value: v}, nil
	}
	return &Binary{Binary: e, Left: l, Right: r}, nil
}

// newRange plans a range aggregation; outer is an aggregation around it that is
// merged into it, or nil.
func newRange(e *syntax.RangeAgg, outer *syntax.VectorAgg) (Node, error) {
	l, err := split(e.Range.Query)
	if err != nil {
		return nil, err
	}
	r := &Range{
		Log: l, Op: e.Op, Param: e.Param, Unwrap: e.Range.Unwrap, Window: e.Range.Range, Offset: e.Range.Offset,
		Grouping: e.Grouping, At: e.At, NeedsAll: true,
	}
	if e.Op != "bytes_over_time" && e.Op != "bytes_rate" {
		r.Stages = withoutIdleFormats(r.Stages)
	}
	switch {
	case e.Op == "absent_over_time":
		r.AbsentLabels = absentLabels(e.Range.Query.Matchers)
		r.Grouping = &syntax.Grouping{}
		r.Outer = "sum" // it needs as little as one
		r.hint(e.Range.Query.Stages)
		r.Outer = ""
		r.Buckets = len(r.Stages) == 0 && r.Unwrap == nil
	case outer != nil:
		r.Outer, r.Grouping = outer.Op, outer.Grouping
		if r.Grouping == nil {
			r.Grouping = &syntax.Grouping{}
		}
		r.hint(e.Range.Query.Stages)
		r.Buckets = len(r.Stages) == 0 && r.Unwrap == nil && !r.Grouping.Without && storedNames(r.Grouping.Labels)
	}
	r.Selection.Needs = needs(e.Range.Query.Stages, r.Unwrap)
	if !r.Buckets {
		r.Selection.Metadata = r.lookedAt()
		r.Selection.NoLines = r.ignoresLines()
	}
	return r, nil
}

// absentLabels are those that equality matchers fix, each name matched once.
func absentLabels(ms []syntax.Matcher) logs.Labels {
	seen := map[string]int{}
	for _, m := range ms {
		seen[m.Name]++
	}
	var pairs []string
	for _, m := range ms {
		if m.Op == logs.Equal && seen[m.Name] == 1 {
			pairs = append(pairs, m.Name, m.Value)
		}
	}
	return logs.LabelsOf(pairs...)
}
