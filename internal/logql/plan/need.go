package plan

import (
	resyntax "regexp/syntax"
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// needs are what lines must hold to pass the label filters behind parsers, or to
// give a sample: what such a filter compares a label with stands in the line as it
// is, unless the label came with the line or was written with an escape of JSON's.
func needs(stages []syntax.Stage, u *syntax.Unwrap) []logs.Need {
	n := needer{keys: true}
	for _, s := range stages {
		if !n.stage(s) {
			return n.found
		}
	}
	if u != nil && n.parsed {
		n.add(n.key(u.Label))
	}
	return n.found
}

// needer goes through a pipeline as long as labels come from the line as it was.
type needer struct {
	parsed bool // a parser has made labels
	keys   bool // labels are called as in the line
	found  []logs.Need
}

// stage takes a stage in; false where what comes behind it tells nothing about the
// line.
func (n *needer) stage(s syntax.Stage) bool {
	switch s := s.(type) {
	case *syntax.LineFilter, *syntax.DropStage, *syntax.KeepStage:
	case *syntax.JSONStage:
		n.parsed, n.keys = true, n.keys && len(s.Exprs) == 0
	case *syntax.LogfmtStage:
		n.parsed, n.keys = true, n.keys && len(s.Exprs) == 0
	case *syntax.RegexpStage, *syntax.PatternStage:
		n.parsed, n.keys = true, false
	case *syntax.LabelFilterStage:
		if n.parsed {
			n.filter(s.Filter)
		}
	default:
		return false
	}
	return true
}

// filter adds what each part of a conjunction needs.
func (n *needer) filter(f syntax.LabelFilter) {
	if b, ok := f.(*syntax.BinaryFilter); ok && !b.Or {
		n.filter(b.L)
		n.filter(b.R)
		return
	}
	n.add(n.of(f))
}

func (n *needer) add(need logs.Need, ok bool) {
	if ok {
		n.found = append(n.found, need)
	}
}

// escape is how an escape begins that may stand for a letter or digit.
const escape = `\u`

// of is what a line needs to pass a filter.
func (n *needer) of(f syntax.LabelFilter) (need logs.Need, ok bool) {
	switch f := f.(type) {
	case *syntax.StringFilter:
		return n.text(f)
	case *syntax.NumberFilter:
		return n.key(f.Name)
	case *syntax.DurationFilter:
		return n.key(f.Name)
	case *syntax.BytesFilter:
		return n.key(f.Name)
	case *syntax.BinaryFilter: // or
		l, lok := n.of(f.L)
		r, rok := n.of(f.R)
		if !lok || !rok {
			return need, false
		}
		return logs.Need{Labels: union(l.Labels, r.Labels), Texts: union(l.Texts, r.Texts)}, true
	}
	return need, false
}

func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(a), b...))))
}

// text is what a line needs for a label to have a text.
func (n *needer) text(f *syntax.StringFilter) (need logs.Need, ok bool) {
	if aboutErrors(f.Name) || f.Name == tenantLabel {
		return need, false
	}
	m, err := logs.NewMatcher(f.Name, f.Op, f.Effective().Value)
	if err != nil || m.Matches("") {
		return need, false
	}
	var texts []string
	switch m.Op {
	case logs.Equal:
		texts = []string{m.Value}
	case logs.Regexp:
		tree, err := resyntax.Parse(m.Value, resyntax.Perl)
		if err != nil {
			return need, false
		}
		if texts = requiredTexts(tree.Simplify()); texts == nil {
			return n.key(f.Name)
		}
	default:
		return n.key(f.Name)
	}
	for _, t := range texts {
		if !asWritten(t) {
			return n.key(f.Name)
		}
	}
	return logs.Need{Labels: cameAs(f.Name), Texts: append(texts, escape)}, true
}

// key is what a line needs for a parser to find a label.
func (n *needer) key(name string) (need logs.Need, ok bool) {
	if !n.keys || !storedName(name) || name == tenantLabel {
		return need, false
	}
	// What stands for an underscore in a name may have been anything.
	longest := ""
	for part := range strings.SplitSeq(name, "_") {
		if len(part) > len(longest) {
			longest = part
		}
	}
	if longest == "" {
		return need, false
	}
	return logs.Need{Labels: cameAs(name), Texts: []string{longest, escape}}, true
}

// cameAs are the names under which a label may have come with a line: x_extracted is
// also metadata that is called x as the stream is.
func cameAs(name string) []string {
	if base, ok := strings.CutSuffix(name, "_extracted"); ok {
		return []string{base, name}
	}
	return []string{name}
}

// asWritten reports whether a text stands in JSON and logfmt as it is, but for
// escapes by number.
func asWritten(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || strings.IndexByte(`"\/`, c) >= 0 {
			return false
		}
	}
	return text != ""
}

const maxTexts = 16

// requiredTexts are texts of which each match of the expression holds one; nil
// where there are none.
func requiredTexts(re *resyntax.Regexp) []string {
	switch re.Op {
	case resyntax.OpLiteral:
		if re.Flags&resyntax.FoldCase == 0 {
			return []string{string(re.Rune)}
		}
	case resyntax.OpCapture, resyntax.OpPlus:
		return requiredTexts(re.Sub[0])
	case resyntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if texts := requiredTexts(sub); len(texts) > 0 && shortest(texts) > shortest(best) {
				best = texts
			}
		}
		return best
	case resyntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			texts := requiredTexts(sub)
			if len(texts) == 0 || len(all)+len(texts) > maxTexts {
				return nil
			}
			all = append(all, texts...)
		}
		return all
	}
	return nil
}

func shortest(texts []string) int {
	least := 0
	for i, t := range texts {
		if i == 0 || len(t) < least {
			least = len(t)
		}
	}
	return least
}

// ignoresLines reports whether nothing looks at the lines, once the store has
// filtered them.
func (r *Range) ignoresLines() bool {
	if r.Op == "bytes_over_time" || r.Op == "bytes_rate" {
		return false
	}
	for _, s := range r.Stages {
		switch s.(type) {
		case *syntax.LabelFilterStage, *syntax.DropStage, *syntax.KeepStage:
		default:
			return false
		}
	}
	return true
}

// lookedAt names the structured metadata that an aggregation looks at, nil where
// that may be any.
func (r *Range) lookedAt() []string {
	if r.Grouping == nil || r.Grouping.Without {
		return nil
	}
	names := slices.Clone(r.Grouping.Labels)
	stages := r.Stages
	if r.Unwrap != nil {
		names = append(names, r.Unwrap.Label)
		for _, f := range r.Unwrap.Filters {
			stages = append(slices.Clip(stages), f)
		}
	}
	for _, s := range stages {
		more, known := referenced(s)
		if !known {
			return nil
		}
		names = append(names, more...)
	}
	looked := make([]string, 0, len(names))
	for _, n := range names {
		if !aboutErrors(n) {
			looked = append(looked, n)
		}
		// x_extracted is what a parser finds where there is x already.
		if base, ok := strings.CutSuffix(n, "_extracted"); ok {
			looked = append(looked, base)
		}
	}
	slices.Sort(looked)
	return slices.Compact(looked)
}
