package detect

import (
	"strings"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/logs"
)

// Kind is what a value of JSON is.
type Kind uint8

// The kinds of scalars.
const (
	String Kind = iota
	Number
	Bool
	Null
)

// Field is a scalar of a JSON object.
type Field struct {
	Kind Kind
	Raw  string // as written; a string's without its quotes, its escapes as they are
}

// maxDepth bounds objects in objects.
const maxDepth = 64

// jsonReader reads one JSON value from front to back and allocates nothing but
// names with escapes. Like Loki it does not mind what a number looks like behind its
// first digit, line ends in strings, or a comma behind the last member.
type jsonReader struct {
	text  string
	pos   int
	depth int // of names that are visited
	path  []string
	visit func(path []string, f Field) bool
	ended bool // by visit
}

// eachField calls visit for each scalar in a JSON object and in the objects in it,
// as deep as depth names lead; those in arrays are passed over. It is true where
// the whole line is an object, whatever visit wanted: visit ends its own calls
// with false. The path is valid until visit returns.
func eachField(line string, depth int, visit func(path []string, f Field) bool) bool {
	n, ok := firstObject(line, depth, visit)
	return ok && strings.Trim(line[n:], " \t\r\n") == ""
}

// firstObject is eachField for a line that begins with an object, and how long that
// is.
func firstObject(line string, depth int, visit func(path []string, f Field) bool) (n int, ok bool) {
	r := jsonReader{text: line, depth: depth, visit: visit}
	ok = r.peek() == '{' && r.object(1)
	return r.pos, ok
}

func (r *jsonReader) peek() byte {
	for r.pos < len(r.text) {
		switch c := r.text[r.pos]; c {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return c
		}
	}
	return 0
}

func (r *jsonReader) accept(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.pos++
	return true
}

func (r *jsonReader) object(level int) bool {
	r.pos++
	if level > maxDepth {
		return false
	}
	if r.accept('}') {
		return true
	}
	for {
		name, ok := r.str()
		if !ok || !r.accept(':') {
			return false
		}
		r.path = append(r.path, unescaped(name))
		if !r.value(level) {
			return false
		}
		r.path = r.path[:len(r.path)-1]
		if r.accept('}') {
			return true
		}
		if !r.accept(',') {
			return false
		}
		if r.accept('}') {
			return true
		}
	}
}

func (r *jsonReader) value(level int) bool {
	f := Field{Kind: Number}
	switch c := r.peek(); c {
	case '{':
		return r.object(level + 1)
	case '[':
		return r.array()
	case '"':
		text, ok := r.str()
		if !ok {
			return false
		}
		f = Field{String, text}
	case 't', 'f', 'n':
		word, kind := "true", Bool
		if c == 'f' {
			word = "false"
		} else if c == 'n' {
			word, kind = "null", Null
		}
		if !strings.HasPrefix(r.text[r.pos:], word) {
			return false
		}
		r.pos += len(word)
		f = Field{kind, word}
	default:
		if c != '-' && (c < '0' || c > '9') {
			return false
		}
		start := r.pos
		for r.pos < len(r.text) && strings.IndexByte(" \t\r\n,]}", r.text[r.pos]) < 0 {
			r.pos++
		}
		f.Raw = r.text[start:r.pos]
	}
	if !r.ended && level <= r.depth {
		r.ended = !r.visit(r.path, f)
	}
	return true
}

// array passes over an array by its brackets.
func (r *jsonReader) array() bool {
	open := 0
	for r.pos < len(r.text) {
		switch r.text[r.pos] {
		case '"':
			if _, ok := r.str(); !ok {
				return false
			}
			continue
		case '[':
			open++
		case ']':
			open--
		}
		if r.pos++; open == 0 {
			return true
		}
	}
	return false
}

// str reads a string and leaves its escapes as they are.
func (r *jsonReader) str() (string, bool) {
	if !r.accept('"') {
		return "", false
	}
	start := r.pos
	for ; r.pos < len(r.text); r.pos++ {
		switch c := r.text[r.pos]; {
		case c == '"':
			r.pos++
			return r.text[start : r.pos-1], true
		case c == '\\':
			r.pos++
		}
	}
	return "", false
}

// unescaped is a JSON string's text; "" where an escape is none, as in Loki.
func unescaped(raw string) string {
	if !strings.Contains(raw, `\`) {
		return raw
	}
	text, _ := logs.Unescape(raw, false)
	return text
}

// eachPair calls visit for each key=value of logfmt, until it returns false. It
// ends at a pair that is none, or goes on after it.
func eachPair(line string, goOn bool, visit func(key, value string) bool) {
	for i := 0; i < len(line); {
		if line[i] <= ' ' {
			i++
			continue
		}
		start := i
		for i < len(line) && line[i] > ' ' && line[i] != '=' && line[i] != '"' {
			i++
		}
		key := line[start:i]
		if i == len(line) || line[i] <= ' ' {
			continue // a word alone
		}
		if line[i] == '"' || key == "" {
			if i = afterFault(line, i, goOn); i < 0 {
				return
			}
			continue
		}
		i++
		value := ""
		if i < len(line) && line[i] == '"' {
			text, n, ok := quotedText(line[i:])
			if !ok {
				if i = afterFault(line, i+n, goOn && n > 0); i < 0 {
					return
				}
				continue
			}
			value = text
			i += n
		} else {
			start = i
			for i < len(line) && line[i] > ' ' && line[i] != '=' && line[i] != '"' {
				i++
			}
			if i < len(line) && line[i] > ' ' {
				if i = afterFault(line, i, goOn); i < 0 {
					return
				}
				continue
			}
			value = line[start:i]
		}
		if !visit(key, value) {
			return
		}
	}
}

// quotedText reads the text in quotes that s begins with, and its length there: 0
// where it does not end.
func quotedText(s string) (text string, n int, ok bool) {
	escaped := false
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			if text = s[1:i]; !escaped {
				return text, i + 1, true
			}
			text, ok = logs.Unescape(text, true)
			return strings.ReplaceAll(text, string(utf8.RuneError), " "), i + 1, ok
		}
	}
	return "", 0, false
}

// afterFault is where to go on after a pair that is none, -1 for nowhere.
func afterFault(line string, i int, goOn bool) int {
	if !goOn {
		return -1
	}
	for i < len(line) && line[i] > ' ' {
		i++
	}
	return i
}
