package syntax

import (
	"strconv"
	"strings"
	"text/scanner"
	"time"
	"unicode"
	"unicode/utf8"
)

// lexer cuts a query into tokens.
type lexer struct {
	src  string
	off  int
	line int
	bol  int // offset of the first byte of the line
	wide int // bytes in the line so far that are not the first of a character
}

// lex returns all tokens of a query, the last one tEOF. What is no token ends
// them as tFault; the parser tells of it when it gets there.
func lex(query string) []token {
	l := lexer{src: query, line: 1}
	tokens := make([]token, 0, 16+len(query)/6)
	for {
		t, err := l.next()
		if err != nil {
			t.kind, t.fault = tFault, err
			tokens = append(tokens, t, token{pos: t.pos})
			markCalls(tokens)
			return tokens
		}
		tokens = append(tokens, t)
		if t.kind == tEOF {
			markCalls(tokens)
			return tokens
		}
	}
}

// markCalls marks words that are followed by a parenthesis, or by a grouping and
// then one: only such words are functions.
func markCalls(tokens []token) {
	for i := range tokens {
		if tokens[i].kind != tWord {
			continue
		}
		next := tokens[i+1] // tEOF is the last one
		if next.isWord("by") || next.isWord("without") {
			next = tokens[i+2]
		}
		tokens[i].call = next.is("(")
	}
}

func (l *lexer) pos() Pos {
	return Pos{Offset: l.off, Line: l.line, Col: l.off - l.bol - l.wide + 1}
}

// advance moves over n bytes and keeps count of lines and columns.
func (l *lexer) advance(n int) {
	for _, c := range []byte(l.src[l.off : l.off+n]) {
		l.off++
		switch {
		case c == '\n':
			l.line++
			l.bol, l.wide = l.off, 0
		case !utf8.RuneStart(c):
			l.wide++
		}
	}
}

func (l *lexer) skipBlank() {
	for l.off < len(l.src) {
		switch c := l.src[l.off]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			l.advance(1)
		case c == '#', strings.HasPrefix(l.src[l.off:], "//"):
			n := strings.IndexByte(l.src[l.off:], '\n')
			if n < 0 {
				n = len(l.src) - l.off
			}
			l.advance(n)
		case strings.HasPrefix(l.src[l.off:], "/*") && strings.Contains(l.src[l.off+2:], "*/"):
			l.advance(strings.Index(l.src[l.off+2:], "*/") + 4)
		default:
			return
		}
	}
}

func (l *lexer) next() (token, error) {
	l.skipBlank()
	t := token{pos: l.pos()}
	rest := l.src[l.off:]
	var n int
	var err error
	switch {
	case rest == "":
		t.end = l.off
		return t, nil
	case rest[0] == '"' || rest[0] == '`':
		n, err = scanString(&t, rest)
	case rest[0] == '\'':
		n, err = scanChar(&t, rest)
	case rest[0] == '[':
		n, err = scanRange(&t, rest)
	case digit(rest[0]) || rest[0] == '.' && len(rest) > 1 && digit(rest[1]):
		n, err = scanNumber(&t, rest)
	case strings.HasPrefix(rest, "-") && len(rest) > 1 && digit(rest[1]):
		n = scanNegative(&t, rest)
	default:
		if n = scanFlag(&t, rest); n == 0 {
			n = scanWord(&t, rest)
		}
	}
	if err != nil {
		return t, err
	}
	if n == 0 {
		n = scanOperator(&t, rest)
	}
	if n == 0 {
		r, size := utf8.DecodeRuneInString(rest)
		t.kind, t.text, n = tOther, string(r), size
	}
	l.advance(n)
	t.end = l.off
	return t, nil
}

func scanString(t *token, s string) (int, error) {
	quoted, err := strconv.QuotedPrefix(s)
	if err == nil {
		t.str, err = strconv.Unquote(quoted)
	}
	if err == nil {
		t.kind, t.text = tString, quoted
		return len(quoted), nil
	}
	if wrongEscape(s) {
		return 0, errorAt(t.pos, "invalid char escape")
	}
	return 0, errorAt(t.pos, "literal not terminated")
}

// wrongEscape reports whether a string in double quotes has an escape that is none.
func wrongEscape(s string) bool {
	if s[0] == '`' {
		return false
	}
	for i := 1; i < len(s) && s[i] != '\n' && s[i] != '"'; i++ {
		if s[i] != '\\' {
			continue
		}
		if _, _, _, err := strconv.UnquoteChar(s[i:], '"'); err != nil {
			return true
		}
		i++
	}
	return false
}

// scanChar reads a character in single quotes, which no query may hold.
func scanChar(t *token, s string) (int, error) {
	_, _, tail, err := strconv.UnquoteChar(s[1:], '\'')
	if err != nil || !strings.HasPrefix(tail, "'") {
		return 0, errorAt(t.pos, "invalid char literal")
	}
	n := len(s) - len(tail) + 1
	t.kind, t.text = tOther, s[:n]
	return n, nil
}

func scanRange(t *token, s string) (int, error) {
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return 0, errorAt(t.pos.lineless(), "missing closing ']' in duration")
	}
	d, err := ParsePromDuration(s[1:end])
	if err != nil {
		return 0, errorAt(t.pos.lineless(), "%s", err)
	}
	t.kind, t.text, t.dur = tRange, s[:end+1], d
	return end + 1, nil
}

// scanNumber reads numbers as Go writes them, and literals with a unit: 5m, 1h30m,
// 10KB.
func scanNumber(t *token, s string) (int, error) {
	n := 0
	for n < len(s) && literalByte(s[n]) {
		n++
	}
	word := s[:n]
	if d, err := parseDuration(word); err == nil {
		t.kind, t.text, t.dur = tDuration, word, d
		return n, nil
	}
	if size := sizePrefix(word); size != "" {
		if b, err := ParseBytes(size); err == nil {
			t.kind, t.text, t.num = tBytes, size, float64(b)
			return len(size), nil
		}
	}
	text, fault := goNumber(s)
	if fault != "" {
		return 0, errorAt(t.pos, "%s", fault)
	}
	t.kind, t.text = tNumber, text
	// Whole numbers to another base are none for ParseFloat. What is too large is
	// infinite.
	v, err := strconv.ParseFloat(text, 64)
	if u, uerr := strconv.ParseUint(text, 0, 64); err != nil && uerr == nil {
		v = float64(u)
	}
	t.num = v
	return len(text), nil
}

// sizePrefix is the number and unit that s begins with, "" for one without a unit. The
// units of a query have fewer letters than those of labels.
func sizePrefix(s string) string {
	n := len(s) - len(strings.TrimLeft(s, "0123456789."))
	unit := len(s) - n - len(strings.TrimLeft(s[n:], "BikKMGTP"))
	if unit == 0 {
		return ""
	}
	return s[:n+unit]
}

// goNumber returns the number that s begins with, as Go's scanner cuts it off, or what
// is wrong with it. What a scanner says of a number is what Loki says.
func goNumber(s string) (text, fault string) {
	if n := plainDigits(s); n > 0 {
		return s[:n], ""
	}
	var sc scanner.Scanner
	sc.Init(strings.NewReader(s[:min(len(s), maxNumber)]))
	sc.Mode = scanner.ScanFloats
	sc.Error = func(_ *scanner.Scanner, msg string) {
		if fault == "" {
			fault = msg
		}
	}
	sc.Scan()
	return sc.TokenText(), fault
}

// plainDigits is the length of a number that is nothing but digits, 0 for others.
func plainDigits(s string) int {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	if n < len(s) && (s[n] == '.' || s[n] == '_' || asciiLetter(s[n])) || n > 1 && s[0] == '0' {
		return 0
	}
	return n
}

// maxNumber is how long a number may be.
const maxNumber = 1024

// literalByte reports whether c may be part of a number or its unit.
func literalByte(c byte) bool {
	return digit(c) || asciiLetter(c) || c == '.' || c == 0xc2 || c == 0xb5 || c == 0xce || c == 0xbc
}

// scanNegative reads a duration below zero; a number's sign is a token of its
// own.
func scanNegative(t *token, s string) int {
	n := 1
	for n < len(s) && literalByte(s[n]) {
		n++
	}
	d, err := time.ParseDuration(s[1:n]) // no days here, as in Loki
	if err != nil || digit(s[n-1]) {
		return 0
	}
	t.kind, t.text, t.dur = tDuration, s[:n], -d
	return n
}

func scanFlag(t *token, s string) int {
	for _, flag := range []string{"--strict", "--keep-empty"} {
		if rest, ok := strings.CutPrefix(s, flag); ok && (rest == "" || !asciiLetter(rest[0])) {
			t.kind, t.text = tFlag, flag
			return len(flag)
		}
	}
	return 0
}

func scanWord(t *token, s string) int {
	n := 0
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			break
		}
		n = i + utf8.RuneLen(r)
	}
	if n > 0 {
		t.kind, t.text, t.str = tWord, s[:n], strings.ToLower(s[:n])
	}
	return n
}

func scanOperator(t *token, s string) int {
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			t.kind, t.text = tOp, op
			return len(op)
		}
	}
	return 0
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func asciiLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
