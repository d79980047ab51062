package exec

import (
	"github.com/remora-ray/remora/internal/logs"
)

// unpackStage undoes Promtail's pack: where the line is an object with _entry,
// its other strings become labels and _entry becomes the line.
type unpackStage struct {
	namer
	found  []logs.Label
	entry  string
	packed bool
}

func (s *unpackStage) process(l *line) bool {
	if l.text == "" {
		return true
	}
	if l.text[0] != '{' {
		l.misreads(jsonError, "expecting json object(6), but it is not")
		return true
	}
	s.begin()
	if !s.read(l.text) {
		s.begin()
		if err := s.readFaulty(l.text); err != nil {
			l.misreads(jsonError, err.Error())
			return true
		}
	}
	if s.packed {
		for _, x := range s.found {
			l.add(x.Name, x.Value)
		}
		l.text = s.entry
	}
	return true
}

func (s *unpackStage) begin() { s.found, s.entry, s.packed = s.found[:0], "", false }

// read takes in an object; false where the line is none.
func (s *unpackStage) read(text string) bool {
	j := jsonScanner{s: text}
	return j.members(func(key string) (bool, bool) {
		if j.peek() != '"' {
			_, ok := j.skip()
			return false, ok
		}
		v, ok := j.text()
		s.set(key, v)
		return false, ok
	})
}

// set takes in a member that is text; of several of one name the last counts.
func (s *unpackStage) set(key, value string) {
	if key == "_entry" {
		s.entry, s.packed = value, true
		return
	}
	name := s.simple(key)
	if name == "" {
		return
	}
	for i := range s.found {
		if s.found[i].Name == name {
			s.found[i].Value = validText(value)
			return
		}
	}
	s.found = append(s.found, logs.Label{Name: name, Value: validText(value)})
}
