package syntax

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// JSONStep is one step into a value: a member by its name or an element by its
// index.
type JSONStep struct {
	Key   string
	Index int
	IsKey bool
}

// ParseJSONPath reads the expression of a json stage: a.b[0]["c d"].
//
//	path  = ( field | index ) { "." field | index } .
//	index = "[" ( NUMBER | STRING ) "]" .
func ParseJSONPath(s string) ([]JSONStep, error) {
	p := pathParser{text: s, rest: s}
	var steps []JSONStep
	for {
		t := p.next()
		switch {
		case p.err != nil:
			return nil, p.err
		case t.kind == pathEnd && len(steps) > 0:
			return steps, nil
		case t.kind == pathOpen:
			steps = append(steps, p.index())
		case t.kind == pathField && len(steps) == 0:
			steps = append(steps, JSONStep{Key: t.str, IsKey: true})
		case t.kind == pathDot && len(steps) > 0:
			if t = p.next(); t.kind != pathField {
				p.unexpected(t, ", expecting FIELD")
			}
			steps = append(steps, JSONStep{Key: t.str, IsKey: true})
		case len(steps) == 0:
			p.unexpected(t, ", expecting LSB or FIELD")
		default:
			p.unexpected(t, "")
		}
		if p.err != nil {
			return nil, p.err
		}
	}
}

// ParseLogfmtKey reads the expression of a logfmt stage: the name of a field, in
// quotes where it has other characters than letters, digits and _.
func ParseLogfmtKey(s string) (string, error) {
	p := pathParser{text: s, rest: s, logfmt: true}
	t := p.next()
	if t.kind == pathField {
		t.kind = "KEY"
	}
	if t.kind != "KEY" && t.kind != pathString {
		p.unexpected(t, ", expecting STRING or KEY")
	}
	if p.err == nil {
		if more := p.next(); more.kind == pathField {
			p.unexpected(pathToken{kind: "KEY"}, "")
		} else if more.kind != pathEnd {
			p.unexpected(more, "")
		}
	}
	return t.str, p.err
}

// The tokens of a path, in the words of Loki's grammar.
const (
	pathEnd    = "$end"
	pathField  = "FIELD"
	pathString = "STRING"
	pathIndex  = "INDEX"
	pathOpen   = "LSB"
	pathClose  = "RSB"
	pathDot    = "DOT"
)

type pathToken struct {
	kind, str string
	n         int
}

type pathParser struct {
	text, rest string
	logfmt     bool // only blanks end a field
	err        error
}

func (p *pathParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("cannot parse expression [%s]: "+format, append([]any{p.text}, args...)...)
	}
}

func (p *pathParser) unexpected(t pathToken, expecting string) {
	p.fail("syntax error: unexpected %s%s", t.kind, expecting)
}

// index reads what follows a bracket.
func (p *pathParser) index() (step JSONStep) {
	switch t := p.next(); t.kind {
	case pathString:
		step = JSONStep{Key: t.str, IsKey: true}
	case pathIndex:
		step = JSONStep{Index: t.n}
	default:
		p.unexpected(t, ", expecting STRING or INDEX")
	}
	if t := p.next(); t.kind != pathClose {
		p.unexpected(t, ", expecting RSB")
	}
	return step
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// next reads a token. What begins none ends the path. A text in quotes has no
// escapes.
func (p *pathParser) next() pathToken {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" {
		return pathToken{kind: pathEnd}
	}
	c := p.rest[0]
	n := 1
	t := pathToken{kind: pathEnd}
	switch {
	case c == '.':
		t.kind = pathDot
	case c == '[':
		t.kind = pathOpen
	case c == ']':
		t.kind = pathClose
	case c == '"':
		t.kind = pathString
		if end := strings.IndexByte(p.rest[1:], '"'); end < 0 {
			n, t.str = len(p.rest), p.rest[1:]
		} else {
			n, t.str = end+2, p.rest[1:end+1]
		}
	case digit(c):
		for n < len(p.rest) && digit(p.rest[n]) {
			n++
		}
		v, err := strconv.Atoi(p.rest[:n])
		if err != nil || n == len(p.rest) || p.rest[n] != ']' && !blank(p.rest[n]) {
			n = len(p.rest)
			break
		}
		t.kind, t.n = pathIndex, v
	case asciiLetter(c) || c == '_':
		for n < len(p.rest) && (asciiLetter(p.rest[n]) || digit(p.rest[n]) || p.rest[n] == '_') {
			n++
		}
		t.kind, t.str = pathField, p.rest[:n]
		if r, _ := utf8.DecodeRuneInString(p.rest[n:]); n < len(p.rest) && (p.logfmt || !strings.ContainsRune(`.[]"`, r)) && !unicode.IsSpace(r) {
			p.fail("unexpected char %c", r)
		}
	default:
		n = len(p.rest)
	}
	p.rest = p.rest[n:]
	return t
}
