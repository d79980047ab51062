package plan

import (
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// aboutErrors reports whether a label says what went wrong with a line.
func aboutErrors(name string) bool { return strings.HasPrefix(name, "__error") }

// mayFail reports whether a stage can mark a line with an error.
func mayFail(s syntax.Stage) bool {
	switch s := s.(type) {
	case *syntax.LineFilter, *syntax.RegexpStage, *syntax.PatternStage, *syntax.DecolorizeStage, *syntax.DropStage, *syntax.KeepStage:
		return false
	case *syntax.LabelFilterStage:
		return filterMayFail(s.Filter)
	}
	return true
}

func filterMayFail(f syntax.LabelFilter) bool {
	switch f := f.(type) {
	case *syntax.StringFilter, *syntax.IPFilter:
		return false
	case *syntax.BinaryFilter:
		return filterMayFail(f.L) || filterMayFail(f.R)
	}
	return true
}

// withoutErrors returns a stage without what it says about errors, where no line
// can have one; nil where nothing is left of it.
func withoutErrors(s syntax.Stage) syntax.Stage {
	switch s := s.(type) {
	case *syntax.DropStage:
		refs := slices.DeleteFunc(slices.Clone(s.Labels), func(r syntax.LabelRef) bool { return aboutErrors(r.Name) })
		if len(refs) == 0 {
			return nil
		}
		return &syntax.DropStage{At: s.At, Labels: refs}
	case *syntax.LabelFilterStage:
		f, ok := s.Filter.(*syntax.StringFilter)
		if !ok || !aboutErrors(f.Name) {
			return s
		}
		m, err := logs.NewMatcher(f.Name, f.Op, f.Value)
		if err == nil && m.Matches("") {
			return nil
		}
	}
	return s
}
