package exec

import (
	"strconv"
	"strings"

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
	if s.scan.peek() != '{' {
		l.fail(jsonError, "the line is not a JSON object")
		return true
	}
	if ok := s.object(); !ok {
		l.fail(jsonError, "the line is not valid JSON near byte "+strconv.Itoa(s.scan.i))
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
	exprs []jsonExpr
}

type jsonExpr struct {
	name string
	path []syntax.JSONStep
}

func newJSON(st *syntax.JSONStage) (stage, error) {
	if len(st.Exprs) == 0 {
		return &jsonStage{}, nil
	}
	s := &jsonExprStage{}
	for _, x := range st.Exprs {
		path, err := syntax.ParseJSONPath(x.Expr)
		if err != nil {
			return nil, plan.Errorf(x.At, "%s", err)
		}
		s.exprs = append(s.exprs, jsonExpr{x.Name, path})
	}
	return s, nil
}

func (s *jsonExprStage) process(l *line) bool {
	if l.text == "" || !strings.Contains(`"{[`, l.text[:1]) {
		l.fail(jsonError, "the line is not JSON")
		return true
	}
	for _, x := range s.exprs {
		l.put(x.name, jsonAt(l.text, x.path))
	}
	return true
}

// jsonAt returns the value at a path: a string's text, other values as written,
// "" where there is none.
func jsonAt(text string, path []syntax.JSONStep) string {
	j := jsonScanner{s: text}
	for _, step := range path {
		if step.IsKey && !j.enterKey(step.Key) || !step.IsKey && !j.enterIndex(step.Index) {
			return ""
		}
	}
	if j.peek() == '"' {
		v, _ := j.text()
		return validText(v)
	}
	v, ok := j.skip()
	if !ok || v == "null" {
		return ""
	}
	return v
}

func (j *jsonScanner) enterKey(key string) bool {
	found := false
	j.members(func(k string) (stop, ok bool) {
		if k == key {
			found = true
			return true, true
		}
		_, ok = j.skip()
		return false, ok
	})
	return found
}

func (j *jsonScanner) enterIndex(index int) bool {
	if !j.accept('[') || j.peek() == ']' {
		return false
	}
	for range index {
		if _, ok := j.skip(); !ok || !j.accept(',') {
			return false
		}
	}
	return true
}
