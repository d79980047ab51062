package exec

import (
	"errors"

	"github.com/grafana/jsonparser"
)

// What is no JSON at all, or not quite, is judged by the parser that Loki uses:
// which labels such a line has, and what __error_details__ says, depends on how
// that parser goes through it.

// errFound ends a walk once every label that is wanted was found.
var errFound = errors.New("all labels found")

// errTooDeep is what a line nested too deeply is told.
var errTooDeep = jsonparser.MalformedJsonError

// walk makes labels of an object that may be faulty, until its first fault.
func (s *jsonStage) walk(object []byte) error {
	if s.depth++; s.depth > maxJSONDepth {
		return errTooDeep
	}
	defer func() { s.depth-- }()
	return jsonparser.ObjectEach(object, func(key, value []byte, kind jsonparser.ValueType, _ int) error {
		switch kind {
		case jsonparser.String:
			s.set(string(key), unescaped(value))
		case jsonparser.Object:
			mark := len(s.prefix)
			s.prefix = s.appendKey(s.prefix, string(key))
			err := s.walk(value)
			s.prefix = s.prefix[:mark]
			if err != nil {
				return err
			}
		case jsonparser.Number, jsonparser.Boolean:
			s.set(string(key), string(value))
		}
		if s.line.found() {
			return errFound
		}
		return nil
	})
}

// faulty reads the line anew, as one that is not quite JSON.
func (s *jsonStage) faulty(l *line) {
	s.prefix, s.depth = s.prefix[:0], 0
	if err := guarded(func() error { return s.walk([]byte(l.text)) }); err != nil && !errors.Is(err, errFound) {
		l.misreads(jsonError, err.Error())
	}
}

// guarded runs a parser of foreign bytes that is not ours.
func guarded(parse func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = jsonparser.MalformedJsonError
		}
	}()
	return parse()
}

// unescaped is the text of a string, "" where its escapes are wrong.
func unescaped(raw []byte) string {
	s, err := jsonparser.ParseString(raw)
	if err != nil {
		return ""
	}
	return validText(s)
}

// readFaulty takes in a line that is not quite a JSON object, or says what is wrong
// with it.
func (s *unpackStage) readFaulty(text string) error {
	return guarded(func() error {
		return jsonparser.ObjectEach([]byte(text), func(key, value []byte, kind jsonparser.ValueType, _ int) error {
			if kind != jsonparser.String {
				return nil
			}
			v, err := jsonparser.ParseString(value)
			if err != nil && string(key) == "_entry" {
				return jsonparser.MalformedStringEscapeError
			}
			s.set(string(key), v)
			return nil
		})
	})
}
