package exec

import (
	"fmt"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// lineFormatStage makes a new line from a template.
type lineFormatStage struct{ *formatter }

func newLineFormat(st *syntax.LineFormatStage) (stage, error) {
	f, err := newFormatter("line", st.Template)
	if err != nil {
		return nil, syntax.StageError(st, fmt.Errorf("invalid line template: %w", err))
	}
	return &lineFormatStage{f}, nil
}

func (s *lineFormatStage) process(l *line) bool {
	text, err := s.format(l)
	if err != nil {
		l.fail(templateError, err.Error())
		return true
	}
	l.text = text
	return true
}

// labelFormatStage renames labels or sets them from templates.
type labelFormatStage struct {
	formats []labelFormat
	seen    map[string]string
}

type labelFormat struct {
	name, from string
	tmpl       *formatter
}

func newLabelFormat(st *syntax.LabelFormatStage) (stage, error) {
	s := &labelFormatStage{}
	for _, f := range st.Formats {
		lf := labelFormat{name: f.Name, from: f.From}
		if f.From == "" {
			t, err := newFormatter("label", f.Template)
			if err != nil {
				return nil, syntax.StageError(st, fmt.Errorf("invalid template for label '%s': %w", f.Name, err))
			}
			lf.tmpl = t
		}
		s.formats = append(s.formats, lf)
	}
	return s, nil
}

// process sees in all its templates the labels that the first of them sees.
func (s *labelFormatStage) process(l *line) bool {
	s.seen = nil
	for _, f := range s.formats {
		if f.tmpl == nil {
			if v, ok := l.label(f.from); ok {
				l.set(f.name, v)
				l.removeLabel(f.from)
			}
			continue
		}
		if s.seen == nil && len(s.formats) > 1 {
			s.seen = make(map[string]string)
			for _, x := range l.all() {
				s.seen[x.Name] = x.Value
			}
		}
		v, err := f.tmpl.formatWith(l, s.seen)
		if err != nil {
			l.fail(templateError, err.Error())
			continue
		}
		l.set(f.name, v)
	}
	return true
}
