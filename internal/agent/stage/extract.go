package stage

import (
	"regexp"
	"strings"

	"github.com/valyala/fastjson"
)

// rayKind marks where Ray's own lines are understood, which they always are.
var rayKind = kind{
	doc: StageDoc{
		Name:    "ray",
		Summary: "Says what needs no saying: Ray's lines are always attributed before the first stage; it changes nothing.",
		Example: Example{YAML: "- ray\n", In: []string{"a line"}, Out: []string{"a line"}},
	},
	compile: func(*settings) step { return nil },
}

// criKind has files read in the form of container runtimes: lines are joined
// before the first stage sees them, so that there is nothing left to do in it.
var criKind = kind{
	doc: StageDoc{
		Name: "cri",
		Summary: "Reads files in the form of container runtimes (CRI): takes the time and the stream (out, err) from each line's prefix " +
			"and joins partial lines. It must be the first stage; a source of containers needs none.",
		Example: Example{
			YAML: "- cri\n",
			In: []string{
				"2026-11-21T05:06:01.123456789Z stdout P one ",
				"2026-11-21T05:06:01.123456790Z stderr F two",
				"2026-11-21T05:06:01.123456791Z stdout F line",
			},
			Out: []string{
				"one line\tmetadata {stream=\"out\"}\ttime 2026-11-21T05:06:01.123456789Z",
				"two\tmetadata {stream=\"err\"}\ttime 2026-11-21T05:06:01.12345679Z",
			},
		},
	},
	compile: func(s *settings) step {
		if s.stage != 1 || s.depth != 0 {
			s.fail(s.at, "cri must be the first stage")
		}
		s.cri = true
		return nil
	},
}

var fieldsKey = Key{"fields", "mapping", "all", "names of fields to extract, each with the member it is taken from; a list takes them by their own names"}

// jsonStep extracts members of a JSON object.
type jsonStep struct {
	source string
	fields []jsonField
}

type jsonField struct {
	name string
	path []string
}

var jsonKind = kind{
	doc: StageDoc{
		Name:    "json",
		Summary: "Extracts members of a JSON object; what is no object gives none. With no fields named all members are taken, those of objects within as `outer_inner`.",
		Keys: []Key{
			sourceKey,
			{"fields", "mapping", "all", "names of fields to extract, each with its path: `user: request.user.name`, `first: items.0`; a list takes members by their own names"},
		},
		Example: Example{
			YAML: "- json: {fields: {user: request.user, status: status}}\n- metadata: {fields: [user, status]}\n",
			In:   []string{`{"status":200,"request":{"user":"ann"}}`, "no JSON"},
			Out:  []string{"{\"status\":200,\"request\":{\"user\":\"ann\"}}\tmetadata {status=\"200\", user=\"ann\"}", "no JSON"},
		},
	},
	compile: func(s *settings) step {
		j := &jsonStep{source: s.source()}
		for _, p := range s.names("fields") {
			j.fields = append(j.fields, jsonField{p.name, strings.Split(p.value, ".")})
		}
		return j
	},
}

func (s *jsonStep) run(r *Run, e *Entry) string {
	b, ok := r.bytesOf(e, s.source)
	if !ok || len(b) < 2 || !startsObject(b) {
		return ""
	}
	v, err := r.json.ParseBytes(b)
	if err != nil {
		return ""
	}
	if s.fields == nil {
		r.setMembers("", v, 0)
		return ""
	}
	for _, f := range s.fields {
		if m := v.Get(f.path...); m != nil {
			r.set(f.name, jsonText(m))
		}
	}
	return ""
}

func startsObject(b []byte) bool {
	for _, c := range b {
		if c != ' ' && c != '\t' {
			return c == '{'
		}
	}
	return false
}

// setMembers extracts the members of an object and of those within.
func (r *Run) setMembers(prefix string, v *fastjson.Value, depth int) {
	o, err := v.Object()
	if err != nil || depth > maxDepth {
		return
	}
	o.Visit(func(key []byte, m *fastjson.Value) {
		if len(r.fields) >= maxFields || len(prefix)+len(key) > 256 {
			return
		}
		name := prefix + fieldName(string(key))
		if m.Type() == fastjson.TypeObject {
			r.setMembers(name+"_", m, depth+1)
			return
		}
		r.set(name, jsonText(m))
	})
}

// jsonText is a string's content, and any other value as JSON; null is "".
func jsonText(v *fastjson.Value) string {
	switch v.Type() {
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		return string(b)
	case fastjson.TypeNull:
		return ""
	}
	return v.String()
}

// fieldName makes a name that a label can have.
func fieldName(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '_'
	}, s)
}

// logfmtStep extracts name=value pairs.
type logfmtStep struct {
	source string
	names  map[string][]string // wanted: from the line's name to fields; nil takes all
}

var logfmtKind = kind{
	doc: StageDoc{
		Name:    "logfmt",
		Summary: "Extracts `name=value` and `name=\"a value\"`; words without = are passed over.",
		Keys:    []Key{sourceKey, fieldsKey},
		Example: Example{
			YAML: "- logfmt: {fields: {user: usr}}\n- metadata: {fields: [user]}\n",
			In:   []string{`level=info msg="it is done" usr="ann b"`},
			Out:  []string{"level=info msg=\"it is done\" usr=\"ann b\"\tmetadata {user=\"ann b\"}"},
		},
	},
	compile: func(s *settings) step {
		l := &logfmtStep{source: s.source()}
		for _, p := range s.names("fields") {
			if l.names == nil {
				l.names = map[string][]string{}
			}
			l.names[p.value] = append(l.names[p.value], p.name)
		}
		return l
	},
}

func (s *logfmtStep) run(r *Run, e *Entry) string {
	b, ok := r.bytesOf(e, s.source)
	for ok && len(b) > 0 {
		var name, value []byte
		name, value, b = logfmtPair(b)
		if name == nil {
			continue
		}
		if s.names == nil {
			if len(name) <= 256 && len(r.fields) < maxFields {
				r.set(fieldName(string(name)), string(value))
			}
			continue
		}
		for _, field := range s.names[string(name)] {
			r.set(field, string(value))
		}
	}
	return ""
}

// logfmtPair reads the word that b begins with; name is nil if it is no pair.
func logfmtPair(b []byte) (name, value, rest []byte) {
	i := 0
	for i < len(b) && b[i] > ' ' && b[i] != '=' && b[i] != '"' {
		i++
	}
	if i == 0 || i == len(b) || b[i] != '=' {
		return nil, nil, b[min(max(i, 1), len(b)):]
	}
	name, b = b[:i], b[i+1:]
	if len(b) > 0 && b[0] == '"' {
		if value, rest, ok := quotedValue(b[1:]); ok {
			return name, value, rest
		}
	}
	i = 0
	for i < len(b) && b[i] > ' ' {
		i++
	}
	return name, b[:i], b[i:]
}

// quotedValue reads up to the closing quote; ok is false where there is none.
func quotedValue(b []byte) (value, rest []byte, ok bool) {
	escaped := false
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			if escaped {
				return unescape(b[:i]), b[i+1:], true
			}
			return b[:i], b[i+1:], true
		}
	}
	return nil, nil, false
}

func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '\\' && i+1 < len(b) {
			i++
			switch c = b[i]; c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			case 'r':
				c = '\r'
			}
		}
		out = append(out, c)
	}
	return out
}

// regexStep extracts named groups.
type regexStep struct {
	source string
	re     *regexp.Regexp
	names  []string
}

var regexKind = kind{
	doc: StageDoc{
		Name:    "regex",
		Summary: "Extracts the named groups of a regular expression; a line that it is not found in gives none.",
		Keys:    []Key{{"expression", "regular expression", "", "RE2, with groups `(?P<name>…)`"}, sourceKey},
		Example: Example{
			YAML: "- regex: {expression: 'took (?P<took>[0-9.]+)s'}\n- metadata: {fields: [took]}\n",
			In:   []string{"step 3 took 1.5s"},
			Out:  []string{"step 3 took 1.5s\tmetadata {took=\"1.5\"}"},
		},
	},
	compile: func(s *settings) step {
		s.need("expression")
		re := s.expression("expression")
		if re == nil {
			return nil
		}
		if strings.Join(re.SubexpNames(), "") == "" {
			s.wrong("expression", "has no named group: write (?P<name>…)")
		}
		return &regexStep{s.source(), re, re.SubexpNames()}
	},
}

func (s *regexStep) run(r *Run, e *Entry) string {
	b, ok := r.bytesOf(e, s.source)
	if !ok {
		return ""
	}
	m := s.re.FindSubmatchIndex(b)
	for i, name := range s.names {
		if name != "" && m != nil && m[2*i] >= 0 {
			r.set(name, string(b[m[2*i]:m[2*i+1]]))
		}
	}
	return ""
}
