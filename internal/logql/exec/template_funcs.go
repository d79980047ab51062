package exec

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// templateFuncs are what templates may call. Those of text/template that print
// are replaced, so that nested calls cannot make text without bound.
var templateFuncs = template.FuncMap{
	"ToLower": strings.ToLower, "ToUpper": strings.ToUpper, "lower": strings.ToLower, "upper": strings.ToUpper,
	"title": func(s string) string { return cases.Title(language.Und, cases.NoLower).String(s) },
	"Trim":  strings.Trim, "TrimLeft": strings.TrimLeft, "TrimRight": strings.TrimRight,
	"TrimPrefix": strings.TrimPrefix, "TrimSuffix": strings.TrimSuffix, "TrimSpace": strings.TrimSpace,
	"trim":       strings.TrimSpace,
	"trimAll":    func(cut, s string) string { return strings.Trim(s, cut) },
	"trimPrefix": func(prefix, s string) string { return strings.TrimPrefix(s, prefix) },
	"trimSuffix": func(suffix, s string) string { return strings.TrimSuffix(s, suffix) },
	"contains":   func(part, s string) bool { return strings.Contains(s, part) },
	"hasPrefix":  func(prefix, s string) bool { return strings.HasPrefix(s, prefix) },
	"hasSuffix":  func(suffix, s string) bool { return strings.HasSuffix(s, suffix) },
	"Replace":    replaceN,
	"replace":    func(old, repl, s string) (string, error) { return replaceN(s, old, repl, -1) },
	"repeat":     repeat, "indent": indent, "nindent": nindent, "trunc": trunc, "substr": substr,
	"alignLeft": alignLeft, "alignRight": alignRight,
	"regexReplaceAll":        regexReplaceAll,
	"regexReplaceAllLiteral": regexReplaceAllLiteral,
	"count":                  countMatches,
	"urlencode":              url.QueryEscape, "urldecode": url.QueryUnescape,
	"b64enc": func(s string) (string, error) { return limited(base64.StdEncoding.EncodeToString([]byte(s))) },
	"b64dec": b64dec,
	"bytes":  func(s string) (float64, error) { n, err := syntax.ParseBytes(s); return float64(n), err },
	"duration": func(s string) (float64, error) {
		d, err := time.ParseDuration(s)
		return d.Seconds(), err
	},
	"duration_seconds": func(s string) (float64, error) {
		d, err := time.ParseDuration(s)
		return d.Seconds(), err
	},
	"unixEpoch":       func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
	"unixEpochMillis": func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
	"unixEpochNanos":  func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) },
	"unixToTime":      unixToTime,
	"date":            func(layout string, t time.Time) (string, error) { return limited(t.Format(layout)) },
	"toDate": func(layout, s string) time.Time {
		t, _ := time.ParseInLocation(layout, s, time.Local) // the zero time for what is none
		return t
	},
	"toDateInZone": toDateInZone,
	"now":          time.Now,
	"default":      defaultTo,
	"fromJson":     fromJSON,
	"int":          toInt, "float64": toFloat,
	"add": intOp(func(a, b int64) int64 { return a + b }), "sub": intOp(func(a, b int64) int64 { return a - b }),
	"mul": intOp(func(a, b int64) int64 { return a * b }), "div": divide, "mod": modulo,
	"max": intOp(func(a, b int64) int64 { return max(a, b) }), "min": intOp(func(a, b int64) int64 { return min(a, b) }),
	"addf": decimalOp(decimal.Decimal.Add), "subf": decimalOp(decimal.Decimal.Sub),
	"mulf": decimalOp(decimal.Decimal.Mul), "divf": decimalOp(decimal.Decimal.Div),
	"maxf": floatOp(math.Max), "minf": floatOp(math.Min),
	"ceil": func(v any) float64 { return math.Ceil(toFloat(v)) }, "floor": func(v any) float64 { return math.Floor(toFloat(v)) },
	"round": roundTo,
	"print": func(args ...any) (string, error) { return printed(fmt.Sprint, args) },
	"println": func(args ...any) (string, error) {
		return printed(fmt.Sprintln, args)
	},
	"printf": printf,
	"html":   func(args ...any) (string, error) { return printed(template.HTMLEscaper, args) },
	"js":     func(args ...any) (string, error) { return printed(template.JSEscaper, args) },
	"urlquery": func(args ...any) (string, error) {
		return printed(template.URLQueryEscaper, args)
	},
}

// limited passes a text that is not too long.
func limited(s string) (string, error) {
	if len(s) > maxTemplateBytes {
		return "", errTemplateSize
	}
	return s, nil
}

func printed(print func(...any) string, args []any) (string, error) {
	total := 0
	for _, a := range args {
		if s, ok := a.(string); ok {
			total += len(s)
		}
	}
	if err := room(total); err != nil {
		return "", err
	}
	return limited(print(args...))
}

// printf bounds what the format can make of its arguments before it does.
func printf(format string, args ...any) (string, error) {
	widest := 9_999 // the largest width of four digits
	for _, a := range args {
		if s, ok := a.(string); ok {
			widest = max(widest, len(s))
		}
	}
	if strings.Contains(format, "*") || longNumber.MatchString(format) {
		return "", errors.New("printf takes widths of at most four digits, in the format itself")
	}
	if err := room(strings.Count(format, "%") * widest / 16); err != nil {
		return "", err
	}
	return limited(fmt.Sprintf(format, args...))
}

var longNumber = regexp.MustCompile(`%[^%a-zA-Z]*[0-9]{5}`)

// expressions are those that templates compiled lately: most give the same one
// for every line.
var expressions struct {
	sync.Mutex
	compiled map[string]*regexp.Regexp
}

func compileCached(expr string) (*regexp.Regexp, error) {
	expressions.Lock()
	defer expressions.Unlock()
	if re := expressions.compiled[expr]; re != nil {
		return re, nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	if expressions.compiled == nil || len(expressions.compiled) >= 256 {
		expressions.compiled = make(map[string]*regexp.Regexp)
	}
	expressions.compiled[expr] = re
	return re, nil
}

// room refuses to make a text of so many bytes.
func room(n int) error {
	if n > maxTemplateBytes || n < 0 {
		return errTemplateSize
	}
	return nil
}

func replaceN(s, old, repl string, n int) (string, error) {
	if len(repl) > len(old) {
		hits := strings.Count(s, old)
		if n >= 0 {
			hits = min(hits, n)
		}
		if err := room(len(s) + hits*(len(repl)-len(old))); err != nil {
			return "", err
		}
	}
	return strings.Replace(s, old, repl, n), nil
}

func repeat(n int, s string) (string, error) {
	if n < 0 {
		return "", errors.New("strings: negative Repeat count")
	}
	if len(s) > 0 && n > maxTemplateBytes/len(s) {
		return "", errTemplateSize
	}
	return strings.Repeat(s, n), nil
}

func indent(n int, s string) (string, error) {
	pad, err := repeat(n, " ")
	if err != nil {
		return "", err
	}
	s, err = replaceN(s, "\n", "\n"+pad, -1)
	return pad + s, err
}

func nindent(n int, s string) (string, error) {
	s, err := indent(n, s)
	return "\n" + s, err
}

// trunc keeps the first n bytes, or the last -n.
func trunc(n int, s string) string {
	switch {
	case n >= 0 && n < len(s):
		return s[:n]
	case n < 0 && len(s)+n > 0:
		return s[len(s)+n:]
	}
	return s
}

// substr fails, as slicing does, where start or end lie outside.
func substr(start, end int, s string) string {
	switch {
	case start < 0:
		return s[:end]
	case end < 0, end > len(s):
		return s[start:]
	}
	return s[start:end]
}

func alignLeft(n int, s string) (string, error) {
	have := utf8.RuneCountInString(s)
	if have >= n {
		return firstRunes(s, n), nil
	}
	pad, err := repeat(n-have, " ")
	return s + pad, err
}

func alignRight(n int, s string) (string, error) {
	have := utf8.RuneCountInString(s)
	if have > n {
		return s[len(firstRunes(s, have-n)):], nil
	}
	pad, err := repeat(n-have, " ")
	return pad + s, err
}

// firstRunes is the first n characters of s.
func firstRunes(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

func regexReplaceAll(expr, s, repl string) (string, error) {
	re, err := compileCached(expr)
	if err != nil {
		return "", err
	}
	if err := room((len(s) + 1) * (len(repl) + 1) / 64); err != nil {
		return "", err
	}
	return limited(re.ReplaceAllString(s, repl))
}

func regexReplaceAllLiteral(expr, s, repl string) (string, error) {
	re, err := compileCached(expr)
	if err != nil {
		return "", err
	}
	if err := room((len(s) + 1) * (len(repl) + 1) / 64); err != nil {
		return "", err
	}
	return limited(re.ReplaceAllLiteralString(s, repl))
}

func countMatches(expr, s string) (int, error) {
	re, err := compileCached(expr)
	if err != nil {
		return 0, err
	}
	return len(re.FindAllStringIndex(s, -1)), nil
}

// b64dec reads base64; an error is its result.
func b64dec(s string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// unixToTime reads days (5 digits), seconds (10), milliseconds (13),
// microseconds (16) or nanoseconds (19) since 1970.
func unixToTime(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("unable to parse time '%s': %w", s, err)
	}
	switch len(s) {
	case 5:
		return time.Unix(n*86400, 0).UTC(), nil
	case 10:
		return time.Unix(n, 0).UTC(), nil
	case 13:
		return time.UnixMilli(n).UTC(), nil
	case 16:
		return time.UnixMicro(n).UTC(), nil
	case 19:
		return time.Unix(0, n).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("unable to parse time '%s': %%!w(<nil>)", s) // Loki's words
}

// toDateInZone takes an unknown zone for UTC, and what is no date for the zero
// time.
func toDateInZone(layout, zone, s string) time.Time {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		loc = time.UTC
	}
	t, _ := time.ParseInLocation(layout, s, loc)
	return t
}

func defaultTo(d any, given ...any) any {
	if len(given) == 0 || given[0] == nil || given[0] == "" {
		return d
	}
	if truth, ok := template.IsTrue(given[0]); ok && !truth {
		return d
	}
	return given[0]
}

var errDivision = errors.New("runtime error: integer divide by zero")

func divide(a, b any) (int64, error) {
	if toInt64(b) == 0 {
		return 0, errDivision
	}
	return toInt64(a) / toInt64(b), nil
}

func modulo(a, b any) (int64, error) {
	if toInt64(b) == 0 {
		return 0, errDivision
	}
	return toInt64(a) % toInt64(b), nil
}
