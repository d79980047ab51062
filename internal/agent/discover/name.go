package discover

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Compressed is the extension of files that are read through gzip.
const Compressed = ".gz"

// escape makes valid, printable UTF-8 of a path so that no two paths become one:
// control characters and bytes that are no UTF-8 become \x and two hex digits, and
// a backslash becomes two.
func escape(s string) string {
	if isPlain(s) {
		return s
	}
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == utf8.RuneError && n == 1, r < ' ', r == 0x7f:
			b.WriteString(`\x`)
			b.WriteByte(hex[s[i]>>4])
			b.WriteByte(hex[s[i]&15])
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '\\' || s[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

// unescape is the inverse of escape.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b = append(b, s[i])
		case s[i+1] == 'x' && i+3 < len(s):
			b = append(b, fromHex(s[i+2])<<4|fromHex(s[i+3]))
			i += 3
		default:
			i++
			b = append(b, s[i])
		}
	}
	return string(b)
}

func fromHex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// cutRotation takes off what a rotator has put behind a name, and says how old it
// is: 0 for the file being written, more for older ones. Known are a number
// (app.log.2, syslog.1) and, behind an extension, a date or a time (app.log-20261121,
// app.log.2026-11-21_05, 0.log.20261121-050601, app.log-1795237561), each with or
// without .gz. A date within the name (app-20261121.log) is none: such files may be
// written side by side.
func cutRotation(p string) (stream string, rotation int) {
	plain := strings.TrimSuffix(p, Compressed)
	slash := strings.LastIndexByte(plain, '/') + 1
	if i := strings.LastIndexByte(plain, '.'); i > slash {
		if n, ok := generation(plain[i+1:]); ok && endsInWord(plain[slash:i]) {
			return plain[:i], n
		}
	}
	for i := slash + 1; i < len(plain); i++ {
		if (plain[i] == '-' || plain[i] == '.' || plain[i] == '_') && hasExtension(plain[slash:i]) {
			if n, ok := age(plain[i+1:]); ok {
				return plain[:i], n
			}
		}
	}
	return plain, 0
}

func generation(s string) (n int, ok bool) {
	if s == "" || len(s) > 3 || s[0] == '0' {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n, true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func endsInWord(s string) bool { return s != "" && (isLetter(s[len(s)-1]) || hasExtension(s)) }

// hasExtension reports whether a name ends in a dot and a short word.
func hasExtension(s string) bool {
	i := strings.LastIndexByte(s, '.')
	if i < 1 || len(s)-i > 8 || i+1 == len(s) || !isLetter(s[i+1]) {
		return false
	}
	for _, c := range []byte(s[i+1:]) {
		if !isLetter(c) && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// newest is greater than any time as a number of fourteen digits.
const newest = 100000000000000

// age turns a date, with or without a time of day, or the seconds since 1970, into
// a number that is the greater the older it is.
func age(s string) (int, bool) {
	digits := make([]byte, 0, 14)
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9' && len(digits) < 14:
			digits = append(digits, c)
		case i > 0 && (c == '-' || c == '_' || c == '.' || c == ':' || c == 'T'):
		case c == 'Z' && i+1 == len(s):
		default:
			return 0, false
		}
	}
	if len(digits) == 10 && digits[0] == '1' {
		digits = time.Unix(int64(decimal(digits)), 0).UTC().AppendFormat(digits[:0], "20060102150405")
	}
	if len(digits) < 8 || string(digits[:2]) != "20" {
		return 0, false
	}
	if m, d := decimal(digits[4:6]), decimal(digits[6:8]); m < 1 || m > 12 || d < 1 || d > 31 {
		return 0, false
	}
	for len(digits) < 14 {
		digits = append(digits, '0')
	}
	return newest - decimal(digits), true
}

func decimal(b []byte) (n int) {
	for _, c := range b {
		n = 10*n + int(c-'0')
	}
	return n
}
