package stage

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// secret finds one kind of text that should not leave the node. Group 1 of the
// expression, where there is one, stands before it and is kept, group 3 behind it.
type secret struct {
	words [][]byte // one of them is in every such text, in capitals or not
	re    *regexp.Regexp
	is    func(value []byte) bool // nil: all that is found
}

// patterns are the ready-made ones.
var patterns = map[string][]*secret{
	"tokens": {
		{words("passw", "pwd", "secret", "credential"), regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:password|passwd|pwd|secret|credential)[a-z0-9_]*["']?\s*[:=]\s*["']?)([^\s"',;&]+)`), nil},
		{words("token", "key"), regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:token|api[_-]?key|access[_-]?key)["']?\s*[:=]\s*["']?)([^\s"',;&]+)`), isToken},
		{words("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "hf_", "sk-", "xox", "eyj", "aiza", "ya29."), regexp.MustCompile(
			`()(\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|` +
				`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}))`), nil},
	},
	"aws_keys": {
		{words("akia", "asia"), regexp.MustCompile(`()(\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)`), nil},
		{words("secret", "session"), regexp.MustCompile(`(?i)(aws_?(?:secret_?access_?key|session_?token)["']?\s*[:=]\s*["']?)([A-Za-z0-9/+=]{16,})`), nil},
	},
	"passwords_in_urls": {
		{words("://"), regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@]*:)([^\s@/]+)(@)`), nil},
	},
	"bearer": {
		{words("bearer"), regexp.MustCompile(`(?i)(\bbearer\s+)([A-Za-z0-9._~+/=-]{8,})`), isToken},
		{words("authorization"), regexp.MustCompile(`(?i)(\bauthorization["']?\s*[:=]\s*["']?(?:basic|token|negotiate)\s+)([A-Za-z0-9._~+/=-]+)`), nil},
	},
	"private_keys": {
		{words("private key-----"), regexp.MustCompile(`(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)(.+?)(-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`), nil},
	},
	"emails": {
		{words("@"), regexp.MustCompile(`()([A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})`), nil},
	},
}

func patternList() string { return strings.Join(slices.Sorted(maps.Keys(patterns)), ", ") }

// maybe tells, fast, whether a line can hold such a text; it is given in small
// letters.
func (x *secret) maybe(small []byte) bool {
	for _, w := range x.words {
		if bytes.Contains(small, w) {
			return true
		}
	}
	return false
}

func (x *secret) replace(line, with []byte) []byte {
	if !x.re.Match(line) {
		return line
	}
	return replaceAll(line, x.re, func(dst []byte, m []int) []byte {
		if x.is != nil && !x.is(line[m[4]:m[5]]) {
			return append(dst, line[m[0]:m[1]]...)
		}
		dst = append(append(dst, line[m[2]:m[3]]...), with...)
		if len(m) > 6 && m[6] >= 0 {
			dst = append(dst, line[m[6]:m[7]]...)
		}
		return dst
	})
}

// isToken tells a token from words and counts that are called one: it is long, and
// neither a number nor a plain word.
func isToken(v []byte) bool {
	digits, letters := 0, 0
	for _, c := range v {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letters++
		}
	}
	return len(v) >= 8 && letters > 0 && (digits > 0 || len(v) >= 20)
}

// appendSmall appends a line in small letters.
func appendSmall(dst, line []byte) []byte {
	for _, c := range line {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func words(list ...string) [][]byte {
	var out [][]byte
	for _, w := range list {
		out = append(out, []byte(w))
	}
	return out
}
