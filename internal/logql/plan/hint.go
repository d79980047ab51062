package plan

import (
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// hint finds out which labels the parsers of a summed count must find. Parsers
// that need not find any are left out, as in Loki: sum(count_over_time({…} |
// json [1m])) does not fail on lines that are no JSON.
func (r *Range) hint() {
	if r.Grouping.Without {
		return
	}
	needed := slices.Clone(r.Grouping.Labels)
	for _, s := range r.Stages {
		names, known := referenced(s)
		if !known {
			return
		}
		needed = append(needed, names...)
	}
	for _, n := range needed {
		if strings.HasPrefix(n, "__error") {
			return
		}
	}
	slices.Sort(needed)
	r.Needed, r.NeedsAll = slices.Compact(needed), false
	if len(r.Needed) > 0 {
		return
	}
	r.Stages = slices.DeleteFunc(slices.Clone(r.Stages), func(s syntax.Stage) bool {
		switch s.(type) {
		case *syntax.JSONStage, *syntax.LogfmtStage, *syntax.RegexpStage, *syntax.PatternStage,
			*syntax.DropStage, *syntax.KeepStage:
			return true
		}
		return false
	})
}

// referenced returns the labels that a stage reads; known is false where it may
// read any.
func referenced(s syntax.Stage) (names []string, known bool) {
	switch s := s.(type) {
	case *syntax.LabelFilterStage:
		return filterNames(s.Filter, nil), true
	case *syntax.LineFormatStage, *syntax.LabelFormatStage:
		return nil, false
	case *syntax.DropStage:
		return refNames(s.Labels), true
	case *syntax.KeepStage:
		return refNames(s.Labels), true
	}
	return nil, true
}

func filterNames(f syntax.LabelFilter, names []string) []string {
	switch f := f.(type) {
	case *syntax.StringFilter:
		return append(names, f.Name)
	case *syntax.NumberFilter:
		return append(names, f.Name)
	case *syntax.DurationFilter:
		return append(names, f.Name)
	case *syntax.BytesFilter:
		return append(names, f.Name)
	case *syntax.IPFilter:
		return append(names, f.Name)
	case *syntax.BinaryFilter:
		return filterNames(f.R, filterNames(f.L, names))
	}
	return names
}

// refNames are the labels whose value a drop or keep looks at, and __error__,
// which a drop makes a query forgive.
func refNames(refs []syntax.LabelRef) (names []string) {
	for _, r := range refs {
		if r.Matcher != nil || strings.HasPrefix(r.Name, "__error") {
			names = append(names, r.Name)
		}
	}
	return names
}
