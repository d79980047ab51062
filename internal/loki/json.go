package loki

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/logs"
)

const hexDigits = "0123456789abcdef"

// AppendJSONString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD, as JSON cannot carry them.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	plain := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = appendEscape(append(dst, s[plain:i]...), c)
			i++
			plain = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(append(dst, s[plain:i]...), "\ufffd"...)
			plain = i + 1
		}
		i += size
	}
	return append(append(dst, s[plain:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// appendLabels appends {"name":"value"}.
func appendJSONLabels(dst []byte, ls logs.Labels) []byte {
	dst = append(dst, '{')
	for i, l := range ls {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendJSONString(dst, l.Name), ':')
		dst = AppendJSONString(dst, l.Value)
	}
	return append(dst, '}')
}

func appendJSONStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSONString(dst, s)
	}
	return append(dst, ']')
}

// appendPoint appends [seconds, "value"].
func appendPoint(dst []byte, p Point) []byte {
	dst = appendSeconds(append(dst, '['), p.T)
	dst = append(dst, `,"`...)
	dst = appendValue(dst, p.V)
	return append(dst, `"]`...)
}

// appendSeconds appends milliseconds as seconds, with three digits of a fraction
// where there is one.
func appendSeconds(dst []byte, ms int64) []byte {
	if ms < 0 {
		dst = append(dst, '-')
		ms = -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	if frac := ms % 1000; frac != 0 {
		dst = append(dst, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	}
	return dst
}

// appendValue appends a sample's value as Prometheus writes it.
func appendValue(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 0):
		return append(dst, strconv.FormatFloat(v, 'f', -1, 64)...) // +Inf, -Inf
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// appendNumber appends a plain JSON number; one that JSON has no form for is 0.
func appendNumber(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}
