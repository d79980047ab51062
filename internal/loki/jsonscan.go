package loki

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth bounds values nested in a push, which needs four levels.
const maxJSONDepth = 64

// jsonScanner reads JSON (RFC 8259) from front to back without building a tree.
// Strings without escapes share the text's memory. Bytes that are not UTF-8 are
// kept as they are.
type jsonScanner struct {
	text string
	pos  int
}

// syntaxError says what was expected at the place reached.
func (s *jsonScanner) syntaxError(expected string) error {
	if s.pos >= len(s.text) {
		return fmt.Errorf("JSON ends after %d bytes, expected %s", len(s.text), expected)
	}
	return fmt.Errorf("expected %s at byte %d, found %s", expected, s.pos, strconv.QuoteRune(rune(s.text[s.pos])))
}

func (s *jsonScanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek skips space and returns the next byte, 0 at the end.
func (s *jsonScanner) peek() byte {
	s.space()
	if s.pos == len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

// object reads {…} and calls member at the value of each name; member must read
// that value.
func (s *jsonScanner) object(member func(name string) error) error {
	if s.peek() != '{' {
		return s.syntaxError("an object")
	}
	s.pos++
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.syntaxError("a name in quotes")
		}
		name, err := s.str()
		if err != nil {
			return err
		}
		if s.peek() != ':' {
			return s.syntaxError("a colon")
		}
		s.pos++
		if err := member(name); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return nil
		default:
			return s.syntaxError("a comma or }")
		}
	}
}

// array reads […] and calls element at each value; element must read it.
func (s *jsonScanner) array(element func(i int) error) error {
	if s.peek() != '[' {
		return s.syntaxError("an array")
	}
	s.pos++
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for i := 0; ; i++ {
		s.space()
		if err := element(i); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return nil
		default:
			return s.syntaxError("a comma or ]")
		}
	}
}

// str reads a string.
func (s *jsonScanner) str() (string, error) {
	if s.peek() != '"' {
		return "", s.syntaxError("a string")
	}
	start := s.pos + 1
	for i := start; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.pos = i + 1
			return s.text[start:i], nil
		case c == '\\':
			return s.escaped(start, i)
		case c < 0x20:
			s.pos = i
			return "", s.syntaxError("no control character in a string")
		}
	}
	s.pos = len(s.text)
	return "", s.syntaxError("the end of a string")
}

// escaped reads the rest of a string that has its first escape at i.
func (s *jsonScanner) escaped(start, i int) (string, error) {
	var b strings.Builder
	// Most strings end soon after their last escape: guess little, grow seldom.
	b.Grow(2 * (i - start + 32))
	plain := start
	for i < len(s.text) {
		switch c := s.text[i]; {
		case c == '"':
			b.WriteString(s.text[plain:i])
			s.pos = i + 1
			return b.String(), nil
		case c == '\\':
			b.WriteString(s.text[plain:i])
			s.pos = i
			if err := s.escape(&b); err != nil {
				return "", err
			}
			i, plain = s.pos, s.pos
		case c < 0x20:
			s.pos = i
			return "", s.syntaxError("no control character in a string")
		default:
			i++
		}
	}
	s.pos = len(s.text)
	return "", s.syntaxError("the end of a string")
}

var jsonEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads one escape sequence.
func (s *jsonScanner) escape(b *strings.Builder) error {
	s.pos++ // the backslash
	if s.pos == len(s.text) {
		return s.syntaxError("an escaped character")
	}
	c := s.text[s.pos]
	if plain := jsonEscapes[c]; plain != 0 {
		b.WriteByte(plain)
		s.pos++
		return nil
	}
	if c != 'u' {
		return s.syntaxError(`one of "\/bfnrtu after a backslash`)
	}
	r, ok := s.hex(s.pos + 1)
	if !ok {
		return s.syntaxError(`four hex digits after \u`)
	}
	s.pos += 5
	if utf16.IsSurrogate(r) {
		// A pair is one character; half of one is none.
		if strings.HasPrefix(s.text[s.pos:], `\u`) {
			if low, ok := s.hex(s.pos + 2); ok {
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					s.pos += 6
					b.WriteRune(pair)
					return nil
				}
			}
		}
		r = utf8.RuneError
	}
	b.WriteRune(r)
	return nil
}

func (s *jsonScanner) hex(at int) (rune, bool) {
	if at+4 > len(s.text) {
		return 0, false
	}
	v, err := strconv.ParseUint(s.text[at:at+4], 16, 16)
	return rune(v), err == nil && s.text[at] != '_'
}

// skip reads any value and forgets it.
func (s *jsonScanner) skip(depth int) error {
	if depth > maxJSONDepth {
		return fmt.Errorf("JSON is nested deeper than %d levels at byte %d", maxJSONDepth, s.pos)
	}
	switch c := s.peek(); {
	case c == '{':
		return s.object(func(string) error { return s.skip(depth + 1) })
	case c == '[':
		return s.array(func(int) error { return s.skip(depth + 1) })
	case c == '"':
		_, err := s.str()
		return err
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if s.word(word) {
			return nil
		}
	}
	return s.syntaxError("a value")
}

// word reads the word if it comes next.
func (s *jsonScanner) word(word string) bool {
	s.space()
	if !strings.HasPrefix(s.text[s.pos:], word) {
		return false
	}
	s.pos += len(word)
	return true
}

// number = [ "-" ] ( "0" | 1-9 digits ) [ "." digits ] [ e [sign] digits ] .
func (s *jsonScanner) number() error {
	if s.text[s.pos] == '-' {
		s.pos++
	}
	if s.pos < len(s.text) && s.text[s.pos] == '0' {
		s.pos++
	} else if !s.digits() {
		return s.syntaxError("a digit")
	}
	if s.pos < len(s.text) && s.text[s.pos] == '.' {
		s.pos++
		if !s.digits() {
			return s.syntaxError("a digit")
		}
	}
	if s.pos < len(s.text) && s.text[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.text) && (s.text[s.pos] == '+' || s.text[s.pos] == '-') {
			s.pos++
		}
		if !s.digits() {
			return s.syntaxError("a digit")
		}
	}
	return nil
}

func (s *jsonScanner) digits() bool {
	start := s.pos
	for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}
