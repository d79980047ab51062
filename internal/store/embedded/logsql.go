package embedded

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// pushed is a selection as the engine is asked it. The engine never leaves out
// what the selection holds; where exact is false it may return more, which the
// residual check drops.
type pushed struct {
	filter string // LogsQL, without time
	exact  bool
}

// push translates a selection to LogsQL. marked leaves out rows that are no lines:
// markers, and the empty row that the engine leaves in place of the first row of a
// block when that is deleted. Each line has a file or a number.
func push(sel *logs.Selection, marked bool) pushed {
	p := pushed{exact: true}
	var all []string
	if s := streamFilter(sel.Matchers); s != "" {
		all = append(all, s)
	}
	for _, f := range sel.Lines {
		s, exact := lineFilter(f)
		p.exact = p.exact && exact
		all = append(all, s...)
	}
	for _, m := range sel.Labels {
		s, exact := labelFilter(m)
		p.exact = p.exact && exact
		if s != "" {
			all = append(all, s)
		}
	}
	for i := range sel.Needs {
		if s := needFilter(&sel.Needs[i]); s != "" {
			all = append(all, s)
		}
	}
	if marked {
		all = append(all, "!"+quote(fieldMarker)+":*", "("+fieldFile+":* or "+fieldRow+":*)")
	}
	if len(all) == 0 {
		all = append(all, "*")
	}
	p.filter = strings.Join(all, " ")
	return p
}

// needFilter asks for what a record needs; "" where the engine cannot tell.
func needFilter(n *logs.Need) string {
	var any []string
	for _, name := range n.Labels {
		any = append(any, quote(fieldName(name))+":*")
	}
	for _, text := range n.Texts {
		s, _ := substring(text)
		if s == "" {
			return ""
		}
		any = append(any, s)
	}
	if len(any) == 0 {
		return ""
	}
	return "(" + strings.Join(any, " or ") + ")"
}

// lookedAt leaves of the rows what a selection looks at and what sorts them; "" for
// all. Where the engine is not exact the residual check looks at the line.
func lookedAt(sel *logs.Selection, exact bool) string {
	noLines := sel.NoLines && exact
	if sel.Metadata == nil {
		if noLines {
			return " | delete _msg"
		}
		return ""
	}
	names := []string{"_time", "_stream", loki.MetadataOffset, fieldRow}
	if !noLines {
		names = append(names, "_msg")
	}
	for _, n := range sel.Metadata {
		names = append(names, quote(fieldName(n)), quote(metadataPrefix+n))
	}
	if !exact {
		for _, m := range sel.Labels {
			names = append(names, quote(fieldName(m.Name)), quote(metadataPrefix+m.Name))
		}
	}
	return " | fields " + strings.Join(names, ", ")
}

func quote(s string) string { return strconv.Quote(s) }

// streamFilter asks the stream index: exact, as in LogQL a label that is not
// there has the value "".
func streamFilter(ms []logs.Matcher) string {
	if len(ms) == 0 {
		return ""
	}
	tags := make([]string, len(ms))
	for i, m := range ms {
		value := m.Value
		if m.Op == logs.Regexp || m.Op == logs.NotRegexp {
			value = dotMatchesNewline(value)
		}
		tags[i] = quote(fieldName(m.Name)) + m.Op.String() + quote(value)
	}
	return "{" + strings.Join(tags, ",") + "}"
}

func dotMatchesNewline(re string) string {
	if strings.Contains(re, ".") {
		return "(?s:" + re + ")"
	}
	return re
}

// lineFilter returns filters that are to hold all.
func lineFilter(f logs.LineFilter) (all []string, exact bool) {
	switch f.Op {
	case logs.Contains, logs.MatchesRegexp:
		return anyOf(f)
	default:
		return noneOf(f)
	}
}

// anyOf pushes alternatives; one that cannot be pushed makes all pass.
func anyOf(f logs.LineFilter) (all []string, exact bool) {
	var alternatives []string
	exact = true
	for _, needle := range f.Any {
		var s string
		var ok bool
		if f.Op == logs.Contains {
			s, ok = substring(needle)
		} else if s, ok = lineRegexp(needle); s != "" {
			s = sooner(needle, s)
		}
		exact = exact && ok
		if s == "" {
			return nil, exact
		}
		alternatives = append(alternatives, s)
	}
	if len(alternatives) < 2 {
		return alternatives, exact
	}
	return []string{"(" + strings.Join(alternatives, " or ") + ")"}, exact
}

// noneOf pushes what must not hold: only what is exact, as a filter that passes
// too much would leave out too much when it is turned round.
func noneOf(f logs.LineFilter) (all []string, exact bool) {
	exact = true
	for _, needle := range f.Any {
		var s string
		var ok bool
		if f.Op == logs.NotContains {
			s, ok = substring(needle)
		} else {
			s, ok = lineRegexp(needle)
		}
		switch {
		case !ok:
			exact = false
		case s == "":
			// Every line holds it: none passes.
			all = append(all, "!*")
		default:
			all = append(all, "!"+s)
		}
	}
	return all, exact
}

// substring asks for lines that hold needle anywhere; "" where every line does.
//
// A phrase would match whole words only. The form *needle* misses "00" in a
// block whose lines are all numbers, as it compares numbers there. A regular
// expression that is one literal is searched as plain bytes, and its inner
// whole words are looked up in the bloom filters first.
func substring(needle string) (filter string, exact bool) {
	if needle == "" {
		return "", true
	}
	if utf8.ValidString(needle) {
		return `~` + quote(regexp.QuoteMeta(needle)), true
	}
	// Regular expressions are UTF-8: ask for the longest part that is.
	part := longestValid(needle)
	if part == "" {
		return "", false
	}
	return `~` + quote(regexp.QuoteMeta(part)), false
}

// longestValid is the longest run of ASCII in s: where s is no UTF-8 a letter
// at the edge of a run may be part of a word of other letters, so the run's
// first and last words are no whole words to the bloom filters, as in any
// substring.
func longestValid(s string) string {
	best := ""
	for len(s) > 0 {
		n := 0
		for n < len(s) && s[n] < utf8.RuneSelf {
			n++
		}
		if n > len(best) {
			best = s[:n]
		}
		s = s[n:]
		for len(s) > 0 && s[0] >= utf8.RuneSelf {
			s = s[1:]
		}
	}
	return best
}

// lineRegexp asks for lines that match re somewhere. The engine takes regular
// expressions apart in ways that are not exact where they look around (^ $ \b)
// or where . meets a line's end: then it is asked for a literal that every
// match holds.
func lineRegexp(re string) (filter string, exact bool) {
	tree, err := syntax.Parse(re, syntax.Perl)
	if err != nil {
		// It is known to compile.
		return "", false
	}
	tree = tree.Simplify()
	if matchesEmpty(tree) {
		return "", true
	}
	if literal, ok := literalOf(tree); ok {
		return substring(literal)
	}
	if safeForEngine(tree) {
		return `~` + quote(re), true
	}
	best := longest(requiredLiterals(tree, nil))
	if best == "" {
		return "", false
	}
	filter, _ = substring(best)
	return filter, false
}

// sooner looks for a text that each match holds before it runs the expression,
// which takes many times as long.
func sooner(re, filter string) string {
	tree, err := syntax.Parse(re, syntax.Perl)
	if err != nil {
		return filter
	}
	text, _ := substring(longest(requiredLiterals(tree.Simplify(), nil)))
	if text == "" || text == filter {
		return filter
	}
	return "(" + text + " " + filter + ")"
}

func longest(texts []string) (best string) {
	for _, t := range texts {
		if len(t) > len(best) {
			best = t
		}
	}
	return best
}

// literalOf returns the text that is all of the expression.
func literalOf(re *syntax.Regexp) (string, bool) {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	if re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase == 0 {
		return string(re.Rune), true
	}
	return "", false
}

// matchesEmpty reports whether the expression matches the empty text without
// looking around, and so every line.
func matchesEmpty(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpStar, syntax.OpQuest:
		return true
	case syntax.OpCapture, syntax.OpPlus:
		return matchesEmpty(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if !matchesEmpty(sub) {
				return false
			}
		}
		return true
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if matchesEmpty(sub) {
				return true
			}
		}
	}
	return false
}

// safeForEngine reports whether the engine's own way with regular expressions
// gives Go's answer.
func safeForEngine(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpAnyCharNotNL, syntax.OpNoMatch:
		return false
	case syntax.OpLiteral:
		return utf8.ValidString(string(re.Rune))
	}
	for _, sub := range re.Sub {
		if !safeForEngine(sub) {
			return false
		}
	}
	return true
}

// requiredLiterals appends texts that every match holds.
func requiredLiterals(re *syntax.Regexp, dst []string) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			dst = append(dst, string(re.Rune))
		}
	case syntax.OpCapture, syntax.OpPlus:
		dst = requiredLiterals(re.Sub[0], dst)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			dst = requiredLiterals(sub, dst)
		}
	}
	return dst
}

// labelFilter asks for a label that is the stream's or else structured
// metadata: both are fields of the row, and metadata that a label of the stream
// hides has another name.
func labelFilter(m logs.Matcher) (filter string, exact bool) {
	name := quote(fieldName(m.Name))
	switch m.Op {
	case logs.Equal:
		return equals(name, m.Value), plainValue(m.Value)
	case logs.NotEqual:
		if !plainValue(m.Value) {
			return "", false
		}
		return "!" + equals(name, m.Value), true
	}
	values, ok := alternatives(m.Value)
	if !ok || len(values) == 0 {
		return unlistedRegexp(name, m)
	}
	any := make([]string, len(values))
	exact = true
	for i, v := range values {
		exact = exact && plainValue(v)
		any[i] = equals(name, v)
	}
	if m.Op == logs.Regexp {
		return "(" + strings.Join(any, " or ") + ")", exact
	}
	if !exact {
		return "", false
	}
	return "!(" + strings.Join(any, " or ") + ")", true
}

// unlistedRegexp pushes a literal that every matching value holds, and presence
// where absence does not match.
func unlistedRegexp(name string, m logs.Matcher) (filter string, exact bool) {
	if m.Op == logs.NotRegexp {
		if m.Value == ".+" {
			return name + `:=""`, true
		}
		return "", false
	}
	tree, err := syntax.Parse(m.Value, syntax.Perl)
	if err != nil || m.Matches("") {
		return "", m.Value == ".*"
	}
	best := longest(requiredLiterals(tree.Simplify(), nil))
	if best == "" || !utf8.ValidString(best) {
		return name + ":*", m.Value == ".+"
	}
	return name + ":~" + quote(regexp.QuoteMeta(best)), false
}

func equals(name, value string) string { return name + ":=" + quote(value) }

// plainValue reports whether the engine's comparison with value is one of
// bytes: in columns of numbers it compares numbers, and reads 1_0 as 10.
func plainValue(value string) bool {
	odd := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case '0' <= c && c <= '9':
		case strings.IndexByte("_.+-eETZ:", c) >= 0:
			odd = true
		default:
			return true
		}
	}
	return !odd || value == ""
}

// alternatives lists the values of an anchored expression such as a|b|c.
func alternatives(re string) ([]string, bool) {
	tree, err := syntax.Parse(re, syntax.Perl)
	if err != nil {
		return nil, false
	}
	return expand(tree.Simplify())
}

const maxAlternatives = 64

// expand lists all texts that the expression matches, where they are few.
func expand(re *syntax.Regexp) ([]string, bool) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []string{""}, true
	case syntax.OpLiteral:
		return []string{string(re.Rune)}, re.Flags&syntax.FoldCase == 0
	case syntax.OpCapture:
		return expand(re.Sub[0])
	case syntax.OpCharClass:
		return expandClass(re.Rune)
	case syntax.OpQuest:
		values, ok := expand(re.Sub[0])
		return append(values, ""), ok
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			values, ok := expand(sub)
			if all = append(all, values...); !ok || len(all) > maxAlternatives {
				return nil, false
			}
		}
		return all, true
	case syntax.OpConcat:
		return expandConcat(re.Sub)
	}
	return nil, false
}

func expandClass(ranges []rune) ([]string, bool) {
	var all []string
	for i := 0; i+1 < len(ranges); i += 2 {
		if int(ranges[i+1]-ranges[i])+len(all) > maxAlternatives {
			return nil, false
		}
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			all = append(all, string(r))
		}
	}
	return all, true
}

func expandConcat(subs []*syntax.Regexp) ([]string, bool) {
	all := []string{""}
	for _, sub := range subs {
		values, ok := expand(sub)
		if !ok || len(all)*len(values) > maxAlternatives {
			return nil, false
		}
		next := make([]string, 0, len(all)*len(values))
		for _, a := range all {
			for _, v := range values {
				next = append(next, a+v)
			}
		}
		all = next
	}
	return all, true
}
