package convert

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is one word of Alloy's language.
type token struct {
	kind tokenKind
	text string // of an identifier, a number or an operator; the value of a string
	pos  Pos
}

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenNewline
	tokenName
	tokenNumber
	tokenString
	tokenMark // punctuation and operators
)

func (t token) String() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the file"
	case tokenNewline:
		return "the end of the line"
	case tokenString:
		return "a string"
	}
	return strconv.Quote(t.text)
}

func (t token) is(mark string) bool { return t.kind == tokenMark && t.text == mark }

// tokenizer cuts a file into tokens; comments are left out, ends of lines are not.
type tokenizer struct {
	file       string
	rest       string
	line, from int // of the line: its number, and how much was left where it began
}

func tokens(file string, text []byte) ([]token, error) {
	if err := checkText(file, text); err != nil {
		return nil, err
	}
	z := &tokenizer{file: file, rest: strings.TrimPrefix(string(text), "\ufeff"), line: 1}
	z.from = len(z.rest)
	var out []token
	for {
		t, err := z.next()
		if err != nil {
			return nil, err
		}
		out = append(out, t)
		if t.kind == tokenEnd {
			return out, nil
		}
	}
}

func (z *tokenizer) pos() Pos {
	return Pos{File: z.file, Line: z.line, Column: z.from - len(z.rest) + 1}
}

func (z *tokenizer) take(n int) string {
	s := z.rest[:n]
	z.rest = z.rest[n:]
	if lines := strings.Count(s, "\n"); lines > 0 {
		z.line += lines
		z.from = len(z.rest) + len(s) - strings.LastIndexByte(s, '\n') - 1
	}
	return s
}

func (z *tokenizer) next() (token, error) {
	if err := z.skip(); err != nil {
		return token{}, err
	}
	pos := z.pos()
	if z.rest == "" {
		return token{kind: tokenEnd, pos: pos}, nil
	}
	switch c := z.rest[0]; {
	case c == '\n':
		z.take(1)
		return token{kind: tokenNewline, text: "\n", pos: pos}, nil
	case c == '"':
		return z.quoted(pos)
	case c == '`':
		end := strings.IndexByte(z.rest[1:], '`')
		if end < 0 {
			return token{}, errorAt(pos, "this raw string has no end: a ` is missing")
		}
		s := z.take(end + 2)
		return token{tokenString, strings.ReplaceAll(s[1:len(s)-1], "\r", ""), pos}, nil
	case c >= '0' && c <= '9' || c == '.' && len(z.rest) > 1 && isDigit(z.rest[1]):
		return token{tokenNumber, z.take(z.number()), pos}, nil
	}
	if n := nameLength(z.rest); n > 0 {
		return token{tokenName, z.take(n), pos}, nil
	}
	for _, mark := range marks {
		if strings.HasPrefix(z.rest, mark) {
			return token{tokenMark, z.take(len(mark)), pos}, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(z.rest)
	return token{}, errorAt(pos, "unexpected %q", r)
}

// marks, the longer ones first.
var marks = []string{
	"==", "!=", "<=", ">=", "&&", "||",
	"{", "}", "[", "]", "(", ")", ",", ".", "=", "+", "-", "*", "/", "%", "^", "<", ">", "!", ";",
}

// skip passes blanks and comments, up to the end of the line.
func (z *tokenizer) skip() error {
	for {
		n := len(z.rest) - len(strings.TrimLeft(z.rest, " \t\r"))
		z.take(n)
		switch {
		case strings.HasPrefix(z.rest, "//"):
			end := strings.IndexByte(z.rest, '\n')
			if end < 0 {
				end = len(z.rest)
			}
			z.take(end)
		case strings.HasPrefix(z.rest, "/*"):
			end := strings.Index(z.rest[2:], "*/")
			if end < 0 {
				return errorAt(z.pos(), "this comment has no end: */ is missing")
			}
			z.take(end + 4)
		default:
			return nil
		}
	}
}

func (z *tokenizer) quoted(pos Pos) (token, error) {
	for i := 1; i < len(z.rest); i++ {
		switch z.rest[i] {
		case '\\':
			i++
		case '\n':
			return token{}, errorAt(pos, "this string has no end on its line")
		case '"':
			raw := z.take(i + 1)
			s, err := strconv.Unquote(raw)
			if err != nil {
				return token{}, errorAt(pos, "this string holds an escape that is not one: a backslash is written \\\\")
			}
			return token{tokenString, s, pos}, nil
		}
	}
	return token{}, errorAt(pos, "this string has no end")
}

func (z *tokenizer) number() int {
	i := 0
	for i < len(z.rest) {
		c := z.rest[i]
		exponent := (c == '+' || c == '-') && i > 0 && (z.rest[i-1] == 'e' || z.rest[i-1] == 'E')
		if !isDigit(c) && c != '.' && c != 'e' && c != 'E' && !exponent {
			break
		}
		i++
	}
	return i
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// nameLength is how many bytes at the front of s make an identifier.
func nameLength(s string) int {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return i
		}
	}
	return len(s)
}
