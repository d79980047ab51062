package plan

import (
	"slices"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// hint finds out which labels the parsers of a merged aggregation must find. In
// sums parsers that need not find any are left out and others stop when they
// have found them, as in Loki: sum(count_over_time({…} | json [1m])) does not
// fail on lines that are no JSON.
//
// written are the stages of the query, also those that were pushed down or left out
// as they change no line.
func (r *Range) hint(written []syntax.Stage) {
	if r.Grouping.Without {
		return
	}
	for _, s := range written {
		names, _ := referenced(s)
		r.Errors = r.Errors || slices.ContainsFunc(names, aboutErrors)
	}
	labels := make([]string, 0, 8)
	for _, n := range r.Grouping.Labels {
		r.Errors = r.Errors || aboutErrors(n)
		labels = append(labels, n)
	}
	stages := r.Stages
	if r.Unwrap != nil {
		labels = append(labels, r.Unwrap.Label)
		for _, f := range r.Unwrap.Filters {
			stages = append(slices.Clip(stages), f)
		}
	}
	for _, s := range stages {
		names, known := needed(s)
		if !known {
			r.Errors = r.Errors || r.Outer != "sum"
			return
		}
		for _, n := range names {
			r.Errors = r.Errors || aboutErrors(n)
			labels = append(labels, n)
		}
	}
	// A query that asks about errors forgives them, but behind an unwrap it asks
	// too late.
	r.Forgives = r.Errors && r.Outer == "sum" && r.Unwrap == nil
	r.Errors = r.Errors || r.Outer != "sum"
	slices.Sort(labels)
	r.Needed, r.NeedsAll = slices.DeleteFunc(slices.Compact(labels), aboutErrors), false
	r.Stages = slices.DeleteFunc(slices.Clone(r.Stages), r.idle)
}

// idle reports whether a stage cannot change a sum, knowing which labels that
// needs.
func (r *Range) idle(s syntax.Stage) bool {
	// Whether a label is found as x or as x_extracted depends on which are dropped.
	renamed := slices.ContainsFunc(r.Needed, func(n string) bool { return !storedName(n) })
	switch s := s.(type) {
	case *syntax.JSONStage, *syntax.LogfmtStage, *syntax.RegexpStage, *syntax.PatternStage, *syntax.UnpackStage:
		return len(r.Needed) == 0 && !r.Errors
	case *syntax.DropStage:
		return !renamed && !slices.ContainsFunc(s.Labels, func(l syntax.LabelRef) bool {
			return l.Matcher != nil || aboutErrors(l.Name) || slices.Contains(r.Needed, l.Name)
		})
	case *syntax.KeepStage:
		return !renamed && !slices.ContainsFunc(r.Needed, func(name string) bool {
			return !slices.ContainsFunc(s.Labels, func(l syntax.LabelRef) bool { return l.Name == name && l.Matcher == nil })
		})
	}
	return false
}

// referenced returns the labels that a stage reads; known is false where it may
// read any.
func referenced(s syntax.Stage) (names []string, known bool) {
	switch s := s.(type) {
	case *syntax.LabelFilterStage:
		return filterNames(s.Filter, nil), true
	case *syntax.LineFormatStage:
		return templateLabels(s.Template)
	case *syntax.LabelFormatStage:
		return formatLabels(s)
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

// needed are the labels that a stage makes parsers look for. A drop or keep of labels
// with a value makes them look for none, and a drop of __error__ makes a query forgive.
func needed(s syntax.Stage) (names []string, known bool) {
	names, known = referenced(s)
	switch s.(type) {
	case *syntax.DropStage, *syntax.KeepStage:
		names = slices.DeleteFunc(names, func(n string) bool { return !aboutErrors(n) })
	}
	return names, known
}

// refNames are the labels whose value a drop or keep looks at, and __error__.
func refNames(refs []syntax.LabelRef) (names []string) {
	for _, r := range refs {
		if r.Matcher != nil || aboutErrors(r.Name) {
			names = append(names, r.Name)
		}
	}
	return names
}

// withoutIdleFormats leaves out every line_format whose line nothing looks at
// where lines are counted. One that fails then fails no query.
func withoutIdleFormats(stages []syntax.Stage) []syntax.Stage {
	read := false
	var out []syntax.Stage
	for _, s := range slices.Backward(stages) {
		switch s.(type) {
		case *syntax.LineFormatStage:
			if !read {
				continue
			}
		case *syntax.LabelFilterStage, *syntax.DropStage, *syntax.KeepStage, *syntax.DecolorizeStage:
		default:
			read = true
		}
		out = append(out, s)
	}
	slices.Reverse(out)
	return out
}
