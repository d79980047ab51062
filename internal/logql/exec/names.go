package exec

import (
	"strings"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/logs"
)

// namer makes label names of the keys found in lines. It remembers those that
// had to be changed, so that no line makes them again.
type namer struct {
	buf   []byte
	known map[string]string
}

// maxNames bounds what a namer remembers.
const maxNames = 10_000

// simple returns the name of a key that stands by itself.
func (n *namer) simple(key string) string {
	if logs.ValidName(key) {
		return key
	}
	n.buf = appendSanitized(n.buf[:0], key)
	return n.intern(n.buf)
}

// intern returns a string of these bytes.
func (n *namer) intern(b []byte) string {
	if s, ok := n.known[string(b)]; ok {
		return s
	}
	if n.known == nil || len(n.known) >= maxNames {
		n.known = make(map[string]string)
	}
	s := string(b)
	n.known[s] = s
	return s
}

// appendSanitized appends a key as the name of a label: without blanks around
// it, _ before a leading digit and for every other character that a name may
// not have. An empty key appends nothing.
func appendSanitized(dst []byte, key string) []byte {
	key = strings.TrimSpace(key)
	if key == "" {
		return dst
	}
	if len(dst) == 0 && '0' <= key[0] && key[0] <= '9' {
		dst = append(dst, '_')
	}
	for _, r := range key {
		if r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			dst = append(dst, byte(r))
		} else {
			dst = append(dst, '_')
		}
	}
	return dst
}

// validText replaces bytes that are no UTF-8, and U+FFFD, by blanks.
func validText(s string) string {
	if utf8.ValidString(s) && !strings.ContainsRune(s, utf8.RuneError) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError {
			b = append(b, ' ')
		} else {
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return string(b)
}
