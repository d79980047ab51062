package exec

import (
	"slices"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// labelRef is a name, or a matcher of the label's value as well.
type labelRef struct {
	name    string
	matcher *logs.Matcher
}

func compileRefs(refs []syntax.LabelRef) ([]labelRef, error) {
	out := make([]labelRef, 0, len(refs))
	for _, r := range refs {
		ref := labelRef{name: r.Name}
		if r.Matcher != nil {
			m, err := logs.NewMatcher(r.Name, r.Matcher.Op, r.Matcher.Value)
			if err != nil {
				return nil, plan.Errorf(r.Matcher.At, "%s", err)
			}
			ref.matcher = &m
		}
		out = append(out, ref)
	}
	return out, nil
}

func (r labelRef) matches(value string) bool { return r.matcher == nil || r.matcher.Matches(value) }

// dropStage removes labels.
type dropStage struct{ refs []labelRef }

func newDrop(st *syntax.DropStage) (stage, error) {
	refs, err := compileRefs(st.Labels)
	return &dropStage{refs}, err
}

func (s *dropStage) process(l *line) bool {
	for _, r := range s.refs {
		v, ok := l.lookup(r.name)
		if !ok || !r.matches(v) {
			continue
		}
		l.remove(r.name)
	}
	return true
}

// neverRemoved are labels that keep leaves where they are.
var neverRemoved = []string{errorLabel, detailsLabel, keepErrors, tenantLabel}

// keepStage removes all labels but some; never those of errors, nor that which
// says whose a line is.
type keepStage struct {
	refs    []labelRef
	removed []string
}

func newKeep(st *syntax.KeepStage) (stage, error) {
	refs, err := compileRefs(st.Labels)
	return &keepStage{refs: refs}, err
}

func (s *keepStage) process(l *line) bool {
	s.removed = s.removed[:0]
	for _, x := range l.all() {
		special := slices.Contains(neverRemoved, x.Name)
		kept := slices.ContainsFunc(s.refs, func(r labelRef) bool { return r.name == x.Name && r.matches(x.Value) })
		if !special && !kept {
			s.removed = append(s.removed, x.Name)
		}
	}
	for _, name := range s.removed {
		l.remove(name)
	}
	return true
}
