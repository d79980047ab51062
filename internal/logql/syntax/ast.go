package syntax

import (
	"time"

	"github.com/remora-ray/remora/internal/logs"
)

// Expr is a whole query or a part of one that has a value: *LogQuery,
// *RangeAgg, *VectorAgg, *Binary, *LabelReplace, *VectorLiteral or *Literal.
type Expr interface {
	Pos() Pos
	String() string
	expr()
}

// LogQuery is a selector and what is done to its lines, in order.
type LogQuery struct {
	At       Pos
	Matchers []Matcher
	Stages   []Stage
}

// Matcher compares one label: of the stream in a selector, of the line in a
// label filter, drop or keep.
type Matcher struct {
	At    Pos
	Name  string
	Op    logs.MatchOp
	Value string
}

// LogRange is the lines of a log query in a window before each moment.
type LogRange struct {
	Query  *LogQuery
	Unwrap *Unwrap // nil: each line is a sample
	Range  time.Duration
	Offset time.Duration
}

// Unwrap makes a label the value of a sample. Filters come after it.
type Unwrap struct {
	At         Pos
	Label      string
	Conversion string // "", "bytes", "duration" or "duration_seconds"
	Filters    []*LabelFilterStage
}

// RangeOp is an aggregation over the lines or samples of a window.
type RangeOp string

// rangeOps says of each range aggregation whether it takes lines, unwrapped
// samples, or both, and whether it may be grouped.
var rangeOps = map[RangeOp]struct{ lines, samples, grouping, param bool }{
	"count_over_time":    {lines: true},
	"rate":               {lines: true, samples: true},
	"bytes_over_time":    {lines: true},
	"bytes_rate":         {lines: true},
	"absent_over_time":   {lines: true, samples: true},
	"rate_counter":       {samples: true},
	"sum_over_time":      {samples: true},
	"avg_over_time":      {samples: true, grouping: true},
	"min_over_time":      {samples: true, grouping: true},
	"max_over_time":      {samples: true, grouping: true},
	"stddev_over_time":   {samples: true, grouping: true},
	"stdvar_over_time":   {samples: true, grouping: true},
	"quantile_over_time": {samples: true, grouping: true, param: true},
	"first_over_time":    {samples: true, grouping: true},
	"last_over_time":     {samples: true, grouping: true},
}

// RangeAgg is a range aggregation. Param is the quantile's.
type RangeAgg struct {
	At       Pos
	Op       RangeOp
	Param    float64
	Range    *LogRange
	Grouping *Grouping
}

// VectorOp is an aggregation over the series of a vector.
type VectorOp string

// vectorOps says of each vector aggregation whether it takes a number and
// whether it may be grouped.
var vectorOps = map[VectorOp]struct{ param, grouping bool }{
	"sum":         {grouping: true},
	"avg":         {grouping: true},
	"min":         {grouping: true},
	"max":         {grouping: true},
	"count":       {grouping: true},
	"stddev":      {grouping: true},
	"stdvar":      {grouping: true},
	"topk":        {param: true, grouping: true},
	"bottomk":     {param: true, grouping: true},
	"approx_topk": {param: true},
	"sort":        {},
	"sort_desc":   {},
}

// VectorAgg is a vector aggregation. Param is the k of topk and its like.
type VectorAgg struct {
	At       Pos
	Op       VectorOp
	Param    int
	Expr     Expr
	Grouping *Grouping
}

// Grouping is by (…) or without (…).
type Grouping struct {
	Without bool
	Labels  []string
}

// BinOp is a binary operator.
type BinOp string

// Comparison reports whether the operator compares.
func (op BinOp) Comparison() bool { return precedence[op] == 3 }

// SetOp reports whether the operator is and, or or unless.
func (op BinOp) SetOp() bool { return op == "and" || op == "or" || op == "unless" }

// precedence of the binary operators; the higher binds tighter. ^ is right
// associative, all others left.
var precedence = map[BinOp]int{
	"or":  1,
	"and": 2, "unless": 2,
	"==": 3, "!=": 3, ">": 3, ">=": 3, "<": 3, "<=": 3,
	"+": 4, "-": 4,
	"*": 5, "/": 5, "%": 5,
	"^": 6,
}

// Binary is two vectors or numbers and the operator between them.
type Binary struct {
	At         Pos // of the operator
	Op         BinOp
	L, R       Expr
	ReturnBool bool
	Matching   *Matching // nil: on all labels
}

// Matching says which series of two vectors belong together.
type Matching struct {
	On     bool // on (…); else ignoring (…)
	Labels []string
	// Group is "", "left" (many on the left) or "right"; Include are the labels
	// that the many take over from the one.
	Group   string
	Include []string
}

// LabelReplace is label_replace(v, "dst", "replacement", "src", "regex").
type LabelReplace struct {
	At                           Pos
	Expr                         Expr
	Dst, Replacement, Src, Regex string
}

// VectorLiteral is vector(1).
type VectorLiteral struct {
	At    Pos
	Value float64
}

// Literal is a number.
type Literal struct {
	At    Pos
	Value float64
}

func (e *LogQuery) Pos() Pos      { return e.At }
func (e *RangeAgg) Pos() Pos      { return e.At }
func (e *VectorAgg) Pos() Pos     { return e.At }
func (e *Binary) Pos() Pos        { return e.At }
func (e *LabelReplace) Pos() Pos  { return e.At }
func (e *VectorLiteral) Pos() Pos { return e.At }
func (e *Literal) Pos() Pos       { return e.At }

func (*LogQuery) expr()      {}
func (*RangeAgg) expr()      {}
func (*VectorAgg) expr()     {}
func (*Binary) expr()        {}
func (*LabelReplace) expr()  {}
func (*VectorLiteral) expr() {}
func (*Literal) expr()       {}
