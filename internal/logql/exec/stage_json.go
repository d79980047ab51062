package exec

import (
	"strconv"
	"strings"

	"github.com/grafana/jsonparser"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
)

const jsonError = "JSONParserErr"

// jsonStage makes a label of each scalar in a JSON object, those of inner
// objects named outer_inner. Arrays and nulls are passed over.
type jsonStage struct {
	namer
	scan   jsonScanner
	line   *line
	prefix []byte
	depth  int
}

func (s *jsonStage) process(l *line) bool {
	s.line, s.scan = l, jsonScanner{s: l.text}
	s.prefix, s.depth = s.prefix[:0], 0
	parsed, hidden := len(l.parsed), len(l.hidden)
	if !s.object() {
		l.parsed, l.hidden = l.parsed[:parsed], l.hidden[:hidden]
		s.faulty(l)
	}
	return true
}

func (s *jsonStage) object() bool {
	if s.depth++; s.depth > maxJSONDepth {
		return false
	}
	defer func() { s.depth-- }()
	return s.scan.members(s.member)
}

func (s *jsonStage) member(key string) (stop, ok bool) {
	switch s.scan.peek() {
	case '{':
		mark := len(s.prefix)
		s.prefix = s.appendKey(s.prefix, key)
		ok = s.object()
		s.prefix = s.prefix[:mark]
	case '[':
		_, ok = s.scan.skip()
	case '"':
		var v string
		if v, ok = s.scan.text(); ok {
			s.set(key, validText(v))
		}
	default:
		var v string
		if v, ok = s.scan.plain(); ok && v != "null" {
			s.set(key, v)
		}
	}
	return s.line.found(), ok
}

func (s *jsonStage) appendKey(dst []byte, key string) []byte {
	if len(dst) > 0 {
		dst = append(dst, '_')
	}
	return appendSanitized(dst, key)
}

func (s *jsonStage) set(key, value string) {
	name := ""
	if len(s.prefix) == 0 {
		name = s.simple(key)
	} else {
		s.buf = s.appendKey(append(s.buf[:0], s.prefix...), key)
		name = s.intern(s.buf)
	}
	if name != "" {
		s.line.add(name, value)
	}
}

// jsonExprStage makes labels of the values that paths lead to.
type jsonExprStage struct {
	names []string
	paths [][]string
	found []bool
}

func newJSON(st *syntax.JSONStage) (stage, error) {
	if len(st.Exprs) == 0 {
		return &jsonStage{}, nil
	}
	s := &jsonExprStage{found: make([]bool, len(st.Exprs))}
	for _, x := range st.Exprs {
		steps, err := syntax.ParseJSONPath(x.Expr)
		if err != nil {
			return nil, plan.Errorf(x.At, "%s", err)
		}
		path := make([]string, len(steps))
		for i, step := range steps {
			if path[i] = step.Key; !step.IsKey {
				path[i] = "[" + strconv.Itoa(step.Index) + "]"
			}
		}
		s.names, s.paths = append(s.names, x.Name), append(s.paths, path)
	}
	return s, nil
}

func (s *jsonExprStage) process(l *line) bool {
	if l.text == "" {
		return true
	}
	if !strings.Contains(`"{[`, l.text[:1]) {
		l.misreads(jsonError, l.details)
		return true
	}
	clear(s.found)
	err := guarded(func() (wrong error) {
		jsonparser.EachKey([]byte(l.text), func(i int, value []byte, kind jsonparser.ValueType, err error) {
			if err != nil {
				wrong = err
				return
			}
			s.found[i] = true
			l.put(s.names[i], jsonValue(value, kind))
		}, s.paths...)
		return wrong
	})
	if err != nil {
		l.misreads(jsonError, err.Error())
	}
	for i, found := range s.found {
		if _, has := l.lookup(s.names[i]); !found && !has {
			l.put(s.names[i], "")
		}
	}
	return true
}

// jsonValue is a string's text, other values as written, "" for null.
func jsonValue(value []byte, kind jsonparser.ValueType) string {
	switch kind {
	case jsonparser.String:
		return unescaped(value)
	case jsonparser.Null:
		return ""
	}
	return validText(string(value))
}
