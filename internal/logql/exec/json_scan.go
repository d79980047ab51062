package exec

import (
	"strings"

	"github.com/remora-ray/remora/internal/logs"
)

// jsonScanner reads JSON in place. Its methods report false where the text is
// not JSON; it does not look beyond what it is asked for.
type jsonScanner struct {
	s string
	i int
}

// maxJSONDepth bounds nesting.
const maxJSONDepth = 256

func (j *jsonScanner) blank() {
	for j.i < len(j.s) {
		switch j.s[j.i] {
		case ' ', '\t', '\n', '\r':
			j.i++
		default:
			return
		}
	}
}

// peek returns the next byte that is no blank, 0 at the end.
func (j *jsonScanner) peek() byte {
	j.blank()
	if j.i < len(j.s) {
		return j.s[j.i]
	}
	return 0
}

func (j *jsonScanner) accept(c byte) bool {
	if j.peek() != c {
		return false
	}
	j.i++
	return true
}

// str reads a string and returns what is between the quotes.
func (j *jsonScanner) str() (raw string, escaped, ok bool) {
	if !j.accept('"') {
		return "", false, false
	}
	start := j.i
	for {
		n := strings.IndexByte(j.s[j.i:], '"')
		if n < 0 {
			return "", false, false
		}
		back := strings.IndexByte(j.s[j.i:j.i+n], '\\')
		if back < 0 {
			raw = j.s[start : j.i+n]
			j.i += n + 1
			return raw, escaped, true
		}
		escaped = true
		j.i += back + 2
		if j.i > len(j.s) {
			return "", false, false
		}
	}
}

// text reads a string and resolves its escapes.
func (j *jsonScanner) text() (string, bool) {
	raw, escaped, ok := j.str()
	if !ok || !escaped {
		return raw, ok
	}
	return logs.Unescape(raw, false)
}

// plain reads a number, true, false or null, without judging a number's form
// further than its characters.
func (j *jsonScanner) plain() (string, bool) {
	start := j.i
	for j.i < len(j.s) {
		switch c := j.s[j.i]; {
		case '0' <= c && c <= '9', c == '-', c == '+', c == '.', 'a' <= c|0x20 && c|0x20 <= 'z':
			j.i++
			continue
		}
		break
	}
	word := j.s[start:j.i]
	switch {
	case word == "":
		return "", false
	case word[0] == '-' || '0' <= word[0] && word[0] <= '9':
		return word, numeric(word)
	}
	return word, word == "true" || word == "false" || word == "null"
}

func numeric(s string) bool {
	digits := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits = true
		case c == '-', c == '+', c == '.', c == 'e', c == 'E':
		default:
			return false
		}
	}
	return digits
}

// skip moves over one value of any kind and returns its text.
func (j *jsonScanner) skip() (string, bool) {
	c := j.peek()
	start := j.i
	switch c {
	case '"':
		_, _, ok := j.str()
		return j.s[start:j.i], ok
	case '{', '[':
		ok := j.skipNested()
		return j.s[start:j.i], ok
	default:
		return j.plain()
	}
}

// skipNested moves over an object or array by its brackets alone.
func (j *jsonScanner) skipNested() bool {
	depth := 0
	for j.i < len(j.s) {
		switch j.s[j.i] {
		case '"':
			if _, _, ok := j.str(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		j.i++
		if depth == 0 {
			return true
		}
	}
	return false
}

// members calls member for each member of the object here, placed at its value,
// which member reads. It stops early where member returns stop.
func (j *jsonScanner) members(member func(key string) (stop, ok bool)) bool {
	if !j.accept('{') {
		return false
	}
	if j.accept('}') {
		return true
	}
	for {
		key, ok := j.text()
		if !ok || !j.accept(':') {
			return false
		}
		stop, ok := member(key)
		if stop || !ok {
			return ok
		}
		if j.accept('}') {
			return true
		}
		if !j.accept(',') {
			return false
		}
	}
}
