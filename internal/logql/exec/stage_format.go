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
type labelFormatStage struct{ formats []labelFormat }

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

func (s *labelFormatStage) process(l *line) bool {
	for _, f := range s.formats {
		if f.tmpl == nil {
			if v, ok := l.lookup(f.from); ok && f.from != f.name {
				l.remove(f.from)
				l.set(f.name, v)
			}
			continue
		}
		v, err := f.tmpl.format(l)
		if err != nil {
			l.fail(templateError, err.Error())
			continue
		}
		l.set(f.name, v)
	}
	return true
}
