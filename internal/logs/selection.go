package logs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Entry is one line of a stream.
type Entry struct {
	Time     int64  // Unix nanoseconds
	Line     string // any bytes, without the line's end
	Metadata Labels // structured metadata
}

// Record is one line as a query sees it. Stream is shared by all records of the
// stream; a record is valid only until the callback it was given to returns,
// its strings and Labels for as long as anybody holds them.
type Record struct {
	Tenant string // whose it is, "" where one tenant alone is asked
	Stream Labels
	Entry
}

// Label returns the record's label of that name: the stream's, else the
// structured metadata's, else "".
func (r *Record) Label(name string) string {
	if v, ok := r.Stream.Lookup(name); ok {
		return v
	}
	return r.Metadata.Get(name)
}

// Clone returns a copy that shares no memory with r.
func (r *Record) Clone() Record {
	c := Record{Tenant: r.Tenant, Stream: r.Stream.Clone(), Entry: r.Entry}
	c.Line, c.Metadata = strings.Clone(r.Line), r.Metadata.Clone()
	return c
}

// MatchOp compares a label's value with a matcher's.
type MatchOp uint8

// The four matchers of a selector, as LogQL and PromQL write them.
const (
	Equal     MatchOp = iota // =
	NotEqual                 // !=
	Regexp                   // =~, anchored at both ends
	NotRegexp                // !~, anchored at both ends
)

func (op MatchOp) String() string { return [...]string{"=", "!=", "=~", "!~"}[op] }

// Matcher tests one label. An absent label has the value "". Make one with
// NewMatcher.
type Matcher struct {
	Name  string
	Op    MatchOp
	Value string
	re    *regexp.Regexp
}

// NewMatcher returns the matcher or the error of its regular expression (RE2).
func NewMatcher(name string, op MatchOp, value string) (Matcher, error) {
	m := Matcher{Name: name, Op: op, Value: value}
	if op == Regexp || op == NotRegexp {
		re, err := regexp.Compile("^(?s:" + value + ")$")
		if err != nil {
			return Matcher{}, fmt.Errorf("matcher %s: %w", m, err)
		}
		m.re = re
	}
	return m, nil
}

// Matches reports whether a label of that value passes.
func (m Matcher) Matches(value string) bool {
	switch m.Op {
	case Equal:
		return value == m.Value
	case NotEqual:
		return value != m.Value
	case Regexp:
		return m.re.MatchString(value)
	default:
		return !m.re.MatchString(value)
	}
}

func (m Matcher) String() string { return m.Name + m.Op.String() + strconv.Quote(m.Value) }

// MatchesAll reports whether the labels pass every matcher.
func MatchesAll(ms []Matcher, ls Labels) bool {
	for _, m := range ms {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// LineOp is how a line filter tests a line.
type LineOp uint8

// The line filters that a store may be asked to apply.
const (
	Contains         LineOp = iota // |=
	NotContains                    // !=
	MatchesRegexp                  // |~, not anchored
	NotMatchesRegexp               // !~, not anchored
)

func (op LineOp) String() string { return [...]string{"|=", "!=", "|~", "!~"}[op] }

// LineFilter passes a line that has at least one of Any (Contains,
// MatchesRegexp) or none of them (NotContains, NotMatchesRegexp). Regular
// expressions are RE2 and known to compile.
type LineFilter struct {
	Op  LineOp
	Any []string
}

// Direction is the order of time in which records are wanted.
type Direction uint8

// Loki's default is Backward: newest first.
const (
	Backward Direction = iota
	Forward
)

func (d Direction) String() string { return [...]string{"backward", "forward"}[d] }

// Selection is what may be asked of a store: the records of the streams that
// pass Matchers, with Start ≤ time < End (Unix nanoseconds), whose line passes
// all Lines, and whose labels (the stream's, else the structured metadata's)
// pass all Labels. Limit 0 means all.
type Selection struct {
	Matchers   []Matcher
	Lines      []LineFilter
	Labels     []Matcher
	Start, End int64
	Direction  Direction
	Limit      int

	// What follows changes no answer and may be left alone.

	// Needs are what a record must have for its asker not to drop it.
	Needs []Need
	// Metadata names the structured metadata that is looked at; nil means all.
	Metadata []string
	// NoLines means that the records' lines are not looked at: they may be empty.
	NoLines bool
	// Likely is about how many records are taken before the asker has enough; 0
	// means that all are.
	Likely int
}

// Need is met by a record that has a label of one of the names, with any value,
// or whose line holds one of the texts.
type Need struct {
	Labels []string
	Texts  []string
}

// Met reports whether the record meets the need.
func (n *Need) Met(r *Record) bool {
	for _, name := range n.Labels {
		if r.Label(name) != "" {
			return true
		}
	}
	for _, text := range n.Texts {
		if strings.Contains(r.Line, text) {
			return true
		}
	}
	return false
}

// BucketQuery asks for counts of the selected records in half-open buckets
// (b-Width, b] that end at b = Origin + n·Width, grouped by the values of the
// labels By (stream label, else structured metadata; absent is ""), or by the
// stream with all its labels. Selection.Direction and Limit are not used.
type BucketQuery struct {
	Selection
	Origin, Width int64 // nanoseconds
	By            []string
	ByStream      bool // By is empty then
	LinesOnly     bool // Bytes may be left 0, so that no line need be read
}

// Bucket is one non-empty bucket of one group.
type Bucket struct {
	End   int64  // Unix nanoseconds, included in the bucket
	Group Labels // the labels of By that are not empty, or the stream's
	Lines uint64
	Bytes uint64 // of the lines, without their ends and without labels; see LinesOnly
}
