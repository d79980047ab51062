package logs

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Unescape resolves the escapes of a JSON string, given without its quotes; logfmt
// has the same and \'. It is false where one is none. Half of a pair of \u is a fault
// in JSON; in logfmt it is shown as U+FFFD.
func Unescape(raw string, logfmt bool) (string, bool) {
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' {
			b = append(b, c)
			continue
		}
		if i++; i >= len(raw) {
			return "", false
		}
		switch raw[i] {
		case '"', '\\', '/':
			b = append(b, raw[i])
		case '\'':
			if !logfmt {
				return "", false
			}
			b = append(b, '\'')
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, n, ok := unicodeEscape(raw[i+1:])
			if !ok || utf16.IsSurrogate(r) && !logfmt {
				return "", false
			}
			b = utf8.AppendRune(b, r) // U+FFFD for a half
			i += n
		default:
			return "", false
		}
	}
	return string(b), true
}

// unicodeEscape reads what follows \u, with the second half of a pair.
func unicodeEscape(s string) (r rune, n int, ok bool) {
	hex := func(s string) (rune, bool) {
		if len(s) < 4 {
			return 0, false
		}
		v, err := strconv.ParseUint(s[:4], 16, 32)
		return rune(v), err == nil
	}
	if r, ok = hex(s); !ok || !utf16.IsSurrogate(r) {
		return r, 4, ok
	}
	if strings.HasPrefix(s[4:], `\u`) {
		if low, lowOK := hex(s[6:]); lowOK {
			if full := utf16.DecodeRune(r, low); full != utf8.RuneError {
				return full, 10, true
			}
		}
	}
	return r, 4, true
}
