package exec

import (
	"regexp"
	"strings"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
)

// regexpStage makes labels of the named groups of an expression.
type regexpStage struct {
	re    *regexp.Regexp
	names []string
}

func newRegexp(st *syntax.RegexpStage) (stage, error) {
	re, err := regexp.Compile(st.Pattern)
	if err != nil {
		return nil, plan.Errorf(st.At, "%s", err)
	}
	names := re.SubexpNames()
	for i, name := range names {
		names[i] = string(appendSanitized(nil, name))
	}
	return &regexpStage{re: re, names: names}, nil
}

func (s *regexpStage) process(l *line) bool {
	at := s.re.FindStringSubmatchIndex(l.text)
	if at == nil {
		return true
	}
	for i, name := range s.names {
		if name == "" {
			continue
		}
		value := "" // of a group that takes no part
		if at[2*i] >= 0 {
			value = l.text[at[2*i]:at[2*i+1]]
		}
		l.add(name, validText(value))
	}
	return true
}

// patternStage makes labels of what stands between the texts of a pattern.
type patternStage struct {
	parts []syntax.PatternPart
}

func newPattern(st *syntax.PatternStage) (stage, error) {
	p, err := syntax.ParsePattern(st.Pattern)
	if err != nil {
		return nil, plan.Errorf(st.At, "%s", err)
	}
	return &patternStage{p.Parts}, nil
}

// process finds each text after the one before. Where one is missing the
// capture before it is the rest of the line and the last.
func (s *patternStage) process(l *line) bool {
	rest, parts := l.text, s.parts
	if rest == "" {
		return true
	}
	if parts[0].Name == "" {
		if !strings.HasPrefix(rest, parts[0].Text) {
			return true
		}
		rest, parts = rest[len(parts[0].Text):], parts[1:]
	}
	for len(parts) > 0 {
		name, value := parts[0].Name, rest
		missed := true
		if len(parts) > 1 {
			if at := strings.Index(rest, parts[1].Text); at >= 0 {
				value, rest, missed = rest[:at], rest[at+len(parts[1].Text):], false
			}
		}
		if name != "_" {
			l.add(name, validText(value))
		}
		if missed || len(parts) < 2 {
			return true
		}
		parts = parts[2:]
	}
	return true
}
