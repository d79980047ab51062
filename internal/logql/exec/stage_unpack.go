package exec

import (
	"strings"

	"github.com/remora-ray/remora/internal/logs"
)

// unpackStage undoes Promtail's pack: where the line is an object with _entry,
// its other strings become labels and _entry becomes the line.
type unpackStage struct {
	namer
	found []logs.Label
}

func (s *unpackStage) process(l *line) bool {
	j := jsonScanner{s: l.text}
	s.found = s.found[:0]
	entry, packed := "", false
	ok := strings.HasPrefix(l.text, "{") && j.members(func(key string) (bool, bool) {
		if j.peek() != '"' {
			_, ok := j.skip()
			return false, ok
		}
		v, ok := j.text()
		if key == "_entry" {
			entry, packed = v, true
		} else if name := s.simple(key); name != "" {
			s.found = append(s.found, logs.Label{Name: name, Value: validText(v)})
		}
		return false, ok
	})
	if !ok {
		if err := unpackFaulty(l.text); err != nil {
			l.misreads(jsonError, err.Error())
		}
		return true
	}
	if packed {
		for _, x := range s.found {
			l.add(x.Name, x.Value)
		}
		l.text = entry
	}
	return true
}
