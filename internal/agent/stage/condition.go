package stage

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/remora-ray/remora/internal/logs"
)

// condition tests an entry. All that was given must hold.
type condition struct {
	levels   []string
	matchers []logs.Matcher
	filters  []lineFilter
	expr     *regexp.Regexp
	source   string
	fields   []fieldTest
	longer   int // -1: any length
}

type fieldTest struct {
	name string
	re   *regexp.Regexp
}

// lineFilter is |= != |~ or !~ of a selector.
type lineFilter struct {
	text []byte
	re   *regexp.Regexp
	not  bool
}

var conditionKeys = []Key{
	{"level", "list", "", "levels: trace, debug, info, warn, error, critical, fatal; a line that has none of its own has that of its entry"},
	{"selector", "selector", "", "stream labels, structured metadata and line filters as LogQL writes them: `{component=\"raylet\", detected_level=~\"debug|info\"} |= \"heartbeat\"`"},
	{"regex", "regular expression", "", "found anywhere in the source (RE2)"},
	sourceKey,
	{"fields", "mapping", "", "names (of extracted fields, metadata, labels) to regular expressions that the whole value must match; a name that is not there has the value \"\""},
	{"longer_than", "size", "", "the line has more bytes than this"},
}

// condition reads the keys of conditionKeys.
func (s *settings) condition() *condition {
	c := &condition{source: s.source(), longer: s.size("longer_than", -1), expr: s.expression("regex")}
	for _, l := range s.texts("level") {
		word := level(l)
		if word == "" {
			s.wrong("level", "cannot be %s%s", quote(l), hint(l, []string{"trace", "debug", "info", "warn", "error", "critical", "fatal"}))
		}
		c.levels = append(c.levels, word)
	}
	if s.has("selector") {
		var err error
		if c.matchers, c.filters, err = parseSelector(s.text("selector", "")); err != nil {
			s.wrong("selector", "cannot be read: %v", err)
		}
	}
	for _, p := range s.pairs("fields") {
		c.fields = append(c.fields, fieldTest{p.name, s.whole(p.valueAt, p.value)})
	}
	return c
}

// none reports whether nothing was given, so that every entry passes.
func (c *condition) none() bool {
	return c.levels == nil && c.matchers == nil && c.filters == nil && c.expr == nil && c.fields == nil && c.longer < 0
}

// needCondition is condition where at least one key must be given.
func (s *settings) needCondition() *condition {
	c := s.condition()
	if c.none() {
		s.fail(s.at, "%s needs one of level, selector, regex, fields, longer_than", s.name)
	}
	return c
}

func (c *condition) holds(r *Run, e *Entry) bool {
	if c.longer >= 0 && len(e.Line) <= c.longer {
		return false
	}
	if c.levels != nil && !c.hasLevel(r, e) {
		return false
	}
	for i := range c.matchers {
		m := &c.matchers[i]
		v, ok := e.Labels.Lookup(m.Name)
		if !ok {
			v, _ = r.get(e, m.Name)
		}
		if !m.Matches(v) {
			return false
		}
	}
	for i := range c.filters {
		if !c.filters[i].passes(e.Line) {
			return false
		}
	}
	if c.expr != nil {
		if b, ok := r.bytesOf(e, c.source); !ok || !c.expr.Match(b) {
			return false
		}
	}
	for _, f := range c.fields {
		if v, _ := r.get(e, f.name); !f.re.MatchString(v) {
			return false
		}
	}
	return true
}

func (c *condition) hasLevel(r *Run, e *Entry) bool {
	v, ok := r.get(e, nameLevel)
	if !ok {
		return false
	}
	v = level(v)
	for _, l := range c.levels {
		if l == v {
			return true
		}
	}
	return false
}

func (f *lineFilter) passes(line []byte) bool {
	found := false
	if f.re != nil {
		found = f.re.Match(line)
	} else {
		found = bytes.Contains(line, f.text)
	}
	return found != f.not
}

const nameLevel = "detected_level"

// level is a level in Loki's words, "" if it is none.
func level(s string) string {
	switch s {
	case "trace", "debug", "info", "warn", "error", "critical", "fatal":
		return s
	}
	if len(s) > 16 {
		return ""
	}
	switch strings.ToLower(s) {
	case "trace":
		return "trace"
	case "debug":
		return "debug"
	case "info", "notice", "information":
		return "info"
	case "warn", "warning":
		return "warn"
	case "error", "err":
		return "error"
	case "critical", "crit":
		return "critical"
	case "fatal", "panic":
		return "fatal"
	}
	return ""
}
