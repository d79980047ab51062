package syntax

import (
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/logs"
)

// Stage is one step of a pipeline.
type Stage interface {
	Pos() Pos
	// Name is how the stage is called in messages: |=, json, label filter …
	Name() string
	stage()
}

// LineOp is a line filter's operator.
type LineOp string

// Negative reports whether the filter passes the lines that do not match.
func (op LineOp) Negative() bool { return op[0] == '!' }

// LineFilter passes lines: |= != |~ !~ |> !> and their or chains. The positive
// operators pass a line that matches any term, the negative ones a line that
// matches none.
type LineFilter struct {
	At    Pos
	Op    LineOp
	Terms []LineTerm
}

// Effective are the terms that count: of several, an empty text lets no line
// pass.
func (f *LineFilter) Effective() []LineTerm {
	terms := slices.Clone(f.Terms)
	if f.Op == "|~" || f.Op == "!~" {
		for i := range terms {
			terms[i].Value = lineRegexp(terms[i].Value)
		}
	}
	if f.Op.Negative() || f.Op == "|>" || len(terms) == 1 {
		return terms
	}
	terms = slices.DeleteFunc(terms, func(t LineTerm) bool { return !t.IP && t.Value == "" })
	if len(terms) == 0 {
		return f.Terms[:1]
	}
	return terms
}

// Effective is the filter's matcher. An empty expression matches every value
// here, other than in a selector.
func (f *StringFilter) Effective() Matcher {
	m := f.Matcher
	if m.Value == "" && (m.Op == logs.Regexp || m.Op == logs.NotRegexp) {
		m.Value = ".*"
	}
	return m
}

// LineTerm is one text, expression or pattern of a line filter, or ip("…").
type LineTerm struct {
	At    Pos
	IP    bool
	Value string
}

// JSONStage is json, perhaps with expressions.
type JSONStage struct {
	At    Pos
	Exprs []Extraction
}

// LogfmtStage is logfmt with its flags and expressions.
type LogfmtStage struct {
	At                Pos
	Strict, KeepEmpty bool
	Exprs             []Extraction
}

// Extraction names the value of an expression; `a` alone stands for a="a".
type Extraction struct {
	At         Pos
	Name, Expr string
}

// RegexpStage is regexp "…".
type RegexpStage struct {
	At      Pos
	Pattern string
}

// PatternStage is pattern "…".
type PatternStage struct {
	At      Pos
	Pattern string
}

// UnpackStage is unpack.
type UnpackStage struct{ At Pos }

// LabelFilterStage passes lines by their labels.
type LabelFilterStage struct {
	At     Pos
	Filter LabelFilter
}

// LineFormatStage is line_format "…".
type LineFormatStage struct {
	At       Pos
	Template string
}

// LabelFormatStage is label_format a=b, c="…".
type LabelFormatStage struct {
	At      Pos
	Formats []LabelFormat
}

// LabelFormat sets a label from a template or renames the label From.
type LabelFormat struct {
	At       Pos
	Name     string
	From     string // the label renamed; "" where Template is meant
	Template string
}

// DecolorizeStage is decolorize.
type DecolorizeStage struct{ At Pos }

// DropStage removes labels; KeepStage removes all others.
type DropStage struct {
	At     Pos
	Labels []LabelRef
}

// KeepStage removes all labels but those listed.
type KeepStage struct {
	At     Pos
	Labels []LabelRef
}

// LabelRef is a label's name, or a matcher that it must pass as well.
type LabelRef struct {
	Name    string
	Matcher *Matcher
}

// LabelFilter is a condition on labels: *StringFilter, *NumberFilter,
// *DurationFilter, *BytesFilter, *IPFilter or *BinaryFilter.
type LabelFilter interface {
	Pos() Pos
	labelFilter()
}

// CompareOp is == != > >= < <=; = is read as ==.
type CompareOp string

// StringFilter compares with a text or expression.
type StringFilter struct{ Matcher }

// NumberFilter compares with a number.
type NumberFilter struct {
	At    Pos
	Name  string
	Op    CompareOp
	Value float64
}

// DurationFilter compares with a duration.
type DurationFilter struct {
	At    Pos
	Name  string
	Op    CompareOp
	Value time.Duration
}

// BytesFilter compares with a size.
type BytesFilter struct {
	At    Pos
	Name  string
	Op    CompareOp
	Value uint64
}

// IPFilter is a = ip("…") or a != ip("…").
type IPFilter struct {
	At      Pos
	Name    string
	Not     bool
	Pattern string
}

// BinaryFilter joins two conditions.
type BinaryFilter struct {
	At   Pos // of the operator
	Or   bool
	L, R LabelFilter
}

func (s *LineFilter) Pos() Pos       { return s.At }
func (s *JSONStage) Pos() Pos        { return s.At }
func (s *LogfmtStage) Pos() Pos      { return s.At }
func (s *RegexpStage) Pos() Pos      { return s.At }
func (s *PatternStage) Pos() Pos     { return s.At }
func (s *UnpackStage) Pos() Pos      { return s.At }
func (s *LabelFilterStage) Pos() Pos { return s.At }
func (s *LineFormatStage) Pos() Pos  { return s.At }
func (s *LabelFormatStage) Pos() Pos { return s.At }
func (s *DecolorizeStage) Pos() Pos  { return s.At }
func (s *DropStage) Pos() Pos        { return s.At }
func (s *KeepStage) Pos() Pos        { return s.At }
func (f *StringFilter) Pos() Pos     { return f.At }
func (f *NumberFilter) Pos() Pos     { return f.At }
func (f *DurationFilter) Pos() Pos   { return f.At }
func (f *BytesFilter) Pos() Pos      { return f.At }
func (f *IPFilter) Pos() Pos         { return f.At }
func (f *BinaryFilter) Pos() Pos     { return f.At }

func (s *LineFilter) Name() string     { return string(s.Op) }
func (*JSONStage) Name() string        { return "json" }
func (*LogfmtStage) Name() string      { return "logfmt" }
func (*RegexpStage) Name() string      { return "regexp" }
func (*PatternStage) Name() string     { return "pattern" }
func (*UnpackStage) Name() string      { return "unpack" }
func (*LabelFilterStage) Name() string { return "label filter" }
func (*LineFormatStage) Name() string  { return "line_format" }
func (*LabelFormatStage) Name() string { return "label_format" }
func (*DecolorizeStage) Name() string  { return "decolorize" }
func (*DropStage) Name() string        { return "drop" }
func (*KeepStage) Name() string        { return "keep" }

func (*LineFilter) stage()       {}
func (*JSONStage) stage()        {}
func (*LogfmtStage) stage()      {}
func (*RegexpStage) stage()      {}
func (*PatternStage) stage()     {}
func (*UnpackStage) stage()      {}
func (*LabelFilterStage) stage() {}
func (*LineFormatStage) stage()  {}
func (*LabelFormatStage) stage() {}
func (*DecolorizeStage) stage()  {}
func (*DropStage) stage()        {}
func (*KeepStage) stage()        {}

func (*StringFilter) labelFilter()   {}
func (*NumberFilter) labelFilter()   {}
func (*DurationFilter) labelFilter() {}
func (*BytesFilter) labelFilter()    {}
func (*IPFilter) labelFilter()       {}
func (*BinaryFilter) labelFilter()   {}
