package exec

import "strings"

// decolorizeStage removes ANSI escape sequences from the line.
type decolorizeStage struct{}

func (decolorizeStage) process(l *line) bool {
	at := strings.IndexByte(l.text, 0x1b)
	if at < 0 {
		return true
	}
	b := make([]byte, 0, len(l.text))
	rest := l.text
	for at >= 0 {
		b = append(b, rest[:at]...)
		rest = rest[at+escapeLen(rest[at:]):]
		at = strings.IndexByte(rest, 0x1b)
	}
	l.text = string(append(b, rest...))
	return true
}

// escapeLen is the length of the sequence that s begins with, 0x1b included.
func escapeLen(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	n := 2
	switch s[1] {
	case '[': // parameters, then one byte that ends them
		for n < len(s) && s[n] >= 0x20 && s[n] <= 0x3f {
			n++
		}
		return min(n+1, len(s))
	case ']': // a text up to BEL or ST
		if end := strings.IndexByte(s, 0x07); end >= 0 {
			return end + 1
		}
		if end := strings.Index(s, "\x1b\\"); end > 0 {
			return end + 2
		}
	}
	return n
}
