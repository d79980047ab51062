package syntax

import (
	"errors"
	"fmt"
	"strings"

	"github.com/remora-ray/remora/internal/logs"
)

// LinePattern is a parsed pattern such as `<ip> - <_> "<method> <path>"`: texts
// and captures in turn.
type LinePattern struct {
	Parts []PatternPart
}

// PatternPart is a text that must be there or a capture of what stands between
// two texts. Name is "" of a text and "_" of a capture that is not kept.
type PatternPart struct {
	Text, Name string
}

// Captures counts the captures that are kept.
func (p *LinePattern) Captures() int {
	n := 0
	for _, part := range p.Parts {
		if part.Name != "" && part.Name != "_" {
			n++
		}
	}
	return n
}

// ParsePattern reads the pattern of a pattern stage: captures have unique names
// and never touch.
func ParsePattern(s string) (*LinePattern, error) {
	p := splitPattern(s)
	if len(p.Parts) == 0 {
		return nil, errors.New("parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL")
	}
	seen := map[string]bool{}
	for i, part := range p.Parts {
		if part.Name == "" {
			continue
		}
		if i > 0 && p.Parts[i-1].Name != "" {
			return nil, fmt.Errorf("found consecutive capture '<%s><%s>': invalid expression", p.Parts[i-1].Name, part.Name)
		}
		if part.Name != "_" && seen[part.Name] {
			return nil, fmt.Errorf("duplicate capture name (%s): invalid expression", part.Name)
		}
		seen[part.Name] = true
	}
	return p, nil
}

// ParseLinePattern reads the pattern of a line filter, where only <_> is allowed.
func ParseLinePattern(s string) (*LinePattern, error) {
	p := splitPattern(s)
	for i, part := range p.Parts {
		switch {
		case part.Name != "" && part.Name != "_":
			return nil, fmt.Errorf("named captures are not allowed: found '<%s>'", part.Name)
		case part.Name != "" && i > 0 && p.Parts[i-1].Name != "":
			return nil, errors.New("found consecutive capture '<_><_>': invalid expression")
		}
	}
	return p, nil
}

// splitPattern cuts s at its captures; a < that begins none is text.
func splitPattern(s string) *LinePattern {
	p := &LinePattern{}
	text := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '<' {
			continue
		}
		end := strings.IndexByte(s[i:], '>')
		if end < 0 {
			break
		}
		name := s[i+1 : i+end]
		if !logs.ValidName(name) {
			continue
		}
		if i > text {
			p.Parts = append(p.Parts, PatternPart{Text: s[text:i]})
		}
		p.Parts = append(p.Parts, PatternPart{Name: name})
		i += end
		text = i + 1
	}
	if text < len(s) {
		p.Parts = append(p.Parts, PatternPart{Text: s[text:]})
	}
	return p
}
