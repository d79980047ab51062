package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// Differences that follow from chance, or from the order in which things are read,
// are told as what they are.

// textDiffers says where texts differ: only in which line failed, or anywhere.
func textDiffers(a, b string) string {
	if failure.MatchString(a) && failure.MatchString(b) {
		return "text, the line that failed"
	}
	if x, y := faultsOf(a), faultsOf(b); len(x) > 1 && slices.Equal(x, y) {
		return "order of faults"
	}
	return "text"
}

// faultsOf are the faults that an answer to a push lists, sorted.
func faultsOf(text string) []string {
	at := faults.FindStringIndex(text)
	if at == nil {
		return nil
	}
	counts, list := faults.FindAllString(text, -1), faults.Split(text[at[0]:], -1)[1:]
	for i := range list {
		list[i] = counts[i] + strings.Trim(list[i], "; ")
	}
	slices.Sort(list)
	return list
}

// faults begin so.
var faults = regexp.MustCompile(`\d+ errors like: `)

// severalComparisons reports whether a log query has a parser and several comparisons
// behind it that a line can fail.
func severalComparisons(q *question) bool {
	e, err := syntax.Parse(q.params.Get("query"))
	l, ok := e.(*syntax.LogQuery)
	if err != nil || !ok {
		return false
	}
	n, parsed := 0, false
	for _, s := range l.Stages {
		switch s := s.(type) {
		case *syntax.JSONStage, *syntax.LogfmtStage, *syntax.PatternStage, *syntax.RegexpStage, *syntax.UnpackStage:
			parsed = true
		case *syntax.LabelFilterStage:
			n += comparisons(s.Filter)
		}
	}
	return parsed && n > 1
}

// comparisons counts the comparisons of a filter that fail where a label cannot be
// read.
func comparisons(f syntax.LabelFilter) int {
	switch f := f.(type) {
	case *syntax.BinaryFilter:
		return comparisons(f.L) + comparisons(f.R)
	case *syntax.NumberFilter, *syntax.DurationFilter, *syntax.BytesFilter:
		return 1
	}
	return 0
}

// sameButDetails reports whether two log answers differ only in which label a filter
// could not read.
func sameButDetails(loki, remora *answer) bool {
	a, _ := decode(loki.body)
	b, _ := decode(remora.body)
	return text(withoutDetails(a)) == text(withoutDetails(b))
}

// withoutDetails takes from log lines which label a filter could not read, and puts
// lines together whose labels are the same then.
func withoutDetails(v any) any {
	byLabels := map[string][]any{}
	streams, _ := at(v, "data", "result").([]any)
	for _, s := range streams {
		labels, _ := at(s, "stream").(map[string]any)
		forget(labels)
		values, _ := at(s, "values").([]any)
		for _, line := range values {
			if l, _ := line.([]any); len(l) == 3 {
				parsed, _ := at(l[2], "parsed").(map[string]any)
				forget(parsed)
			}
		}
		byLabels[text(labels)] = append(byLabels[text(labels)], values...)
	}
	for _, lines := range byLabels {
		slices.SortFunc(lines, func(a, b any) int { return strings.Compare(text(a), text(b)) })
	}
	return byLabels
}

func forget(labels map[string]any) {
	if labels["__error__"] == "LabelFilterErr" {
		delete(labels, "__error_details__")
	}
}

// repeats reports whether a result has a series twice, or a time twice in one.
func repeats(v any) bool {
	names := map[string]bool{}
	series, _ := at(v, "data", "result").([]any)
	for _, s := range series {
		name := text(at(s, "metric"))
		if names[name] {
			return true
		}
		names[name] = true
		times := map[string]bool{}
		points, _ := at(s, "values").([]any)
		for _, p := range points {
			point, _ := p.([]any)
			if t := text(point[0]); times[t] {
				return true
			} else {
				times[t] = true
			}
		}
	}
	return false
}

// withoutEmpty removes labels that were found empty from the series of a result.
func withoutEmpty(v any) any {
	list, _ := at(v, "data", "result").([]any)
	for _, s := range list {
		labels, _ := at(s, "metric").(map[string]any)
		maps.DeleteFunc(labels, func(_ string, value any) bool { return value == "" })
	}
	return v
}

// sameSeries reports whether two results have the same series in another order.
func sameSeries(a, b any) bool {
	x, _ := at(a, "data", "result").([]any)
	y, _ := at(b, "data", "result").([]any)
	return len(x) == len(y) && maps.Equal(texts(x), texts(y))
}

// equalTimes names the difference of log answers that differ only in the order of
// lines of one time, in which of them fit within the limit, or in lines that stages
// have made equal.
func equalTimes(q *question, a, b any) string {
	x, y := linesOf(a), linesOf(b)
	slices.Sort(x)
	slices.Sort(y)
	limit, _ := strconv.Atoi(q.params.Get("limit"))
	switch full := len(y) >= max(limit, 1); {
	case len(x) == 0:
		return ""
	case len(x) == len(y) && !sameTimes(a, b):
		return ""
	case slices.Equal(x, y):
		return "order of lines of one time"
	case full && len(x) == len(y) && cutAtOneTime(x, y):
		return "choice of lines of one time"
	case len(x) == len(y) && q.params.Get("interval") != "" && slices.EqualFunc(x, y, func(a, b string) bool { return timeOf(a) == timeOf(b) }):
		return "choice of lines of one time"
	case madeEqual.MatchString(q.params.Get("query")) && sameOnce(x, y, full):
		return "lines that are made equal"
	}
	return ""
}

// sameTimes reports whether the lines of each stream have the same times in the same
// order in two log answers, and there are the same streams; where lines of one time
// are in the one and not in the other, both are in order of time.
func sameTimes(a, b any) bool {
	x, y := streamTimes(a), streamTimes(b)
	return maps.EqualFunc(x, y, slices.Equal) || slices.Equal(ordered(x), ordered(y)) && ordered(y) != nil
}

func streamTimes(v any) map[string][]string {
	out := map[string][]string{}
	streams, _ := at(v, "data", "result").([]any)
	for _, s := range streams {
		name := text(at(s, "stream"))
		values, _ := at(s, "values").([]any)
		for _, line := range values {
			if l, ok := line.([]any); ok && len(l) > 1 {
				out[name] = append(out[name], fmt.Sprint(l[0]))
			}
		}
	}
	return out
}

// ordered are the times of all streams in the order that each of them has; nil where
// one is in no order.
func ordered(times map[string][]string) (all []string) {
	up, down := true, true
	for _, list := range times {
		up = up && slices.IsSorted(list)
		down = down && slices.IsSortedFunc(list, func(a, b string) int { return cmp.Compare(b, a) })
		all = append(all, list...)
	}
	if !up && !down {
		return nil
	}
	slices.Sort(all)
	return all
}

// madeEqual are stages that make lines equal.
var madeEqual = regexp.MustCompile(`\| *(line_format|unpack|decolorize)\b`)

// cutAtOneTime reports whether sorted lines differ at the first time alone, or at the
// last: there a limit cuts.
func cutAtOneTime(x, y []string) bool {
	first, last := timeOf(x[0]), timeOf(x[len(x)-1])
	other := ""
	for _, l := range append(missing(x, y), missing(y, x)...) {
		t := timeOf(l)
		if t != first && t != last || other != "" && t != other {
			return false
		}
		other = t
	}
	return true
}

func timeOf(line string) string {
	t, _, _ := strings.Cut(line, " ")
	return t
}

// missing are the lines of x that y has not, each as often as that.
func missing(x, y []string) (out []string) {
	left := map[string]int{}
	for _, l := range y {
		left[l]++
	}
	for _, l := range x {
		if left[l]--; left[l] < 0 {
			out = append(out, l)
		}
	}
	return out
}

// sameOnce reports whether Loki has the lines of Remora's answer, each once: all of
// them, or where the answer is full, those and more.
func sameOnce(loki, remora []string, full bool) bool {
	loki, remora = slices.Compact(slices.Clone(loki)), slices.Compact(slices.Clone(remora))
	if full {
		return len(missing(remora, loki)) == 0
	}
	return slices.Equal(loki, remora)
}

// linesOf writes each line with its time and stream.
func linesOf(v any) []string {
	var out []string
	streams, _ := at(v, "data", "result").([]any)
	for _, s := range streams {
		values, _ := at(s, "values").([]any)
		for _, line := range values {
			if l, ok := line.([]any); ok && len(l) > 1 {
				out = append(out, fmt.Sprint(l[0])+" "+text(l[1:])+text(at(s, "stream")))
			}
		}
	}
	return out
}

// sameNumbers reports whether two results have the same values at each time, those
// of a vector in the same order, whichever series have them.
func sameNumbers(a, b any) bool {
	x, y := numbersByTime(a), numbersByTime(b)
	if len(x) != len(y) {
		return false
	}
	for t, list := range x {
		if !slices.EqualFunc(list, y[t], func(v, w float64) bool { return near(fmt.Sprint(v), fmt.Sprint(w)) }) {
			return false
		}
	}
	return true
}

func numbersByTime(v any) map[string][]float64 {
	out := map[string][]float64{}
	add := func(point any) {
		if p, ok := point.([]any); ok && len(p) == 2 {
			n, _ := strconv.ParseFloat(fmt.Sprint(p[1]), 64)
			out[fmt.Sprint(p[0])] = append(out[fmt.Sprint(p[0])], n)
		}
	}
	series, _ := at(v, "data", "result").([]any)
	for _, s := range series {
		if value := at(s, "value"); value != nil {
			add(value)
		}
		points, _ := at(s, "values").([]any)
		for _, p := range points {
			add(p)
		}
	}
	if at(v, "data", "resultType") == "matrix" {
		for _, list := range out {
			slices.Sort(list)
		}
	}
	return out
}

// withoutPartlyEmpty removes the series that have a label found empty in either
// result, and those that are called like them but for such labels.
func withoutPartlyEmpty(a, b any) {
	names := map[string]bool{}
	each := func(v any, visit func(labels map[string]any, empty bool) bool) {
		data, _ := at(v, "data").(map[string]any)
		list, _ := at(v, "data", "result").([]any)
		data["result"] = slices.DeleteFunc(list, func(s any) bool {
			labels, _ := at(s, "metric").(map[string]any)
			whole := len(labels)
			labels = maps.Clone(labels)
			maps.DeleteFunc(labels, func(_ string, value any) bool { return value == "" })
			return visit(labels, len(labels) < whole)
		})
	}
	for _, v := range []any{a, b} {
		each(v, func(labels map[string]any, empty bool) bool {
			names[text(labels)] = names[text(labels)] || empty
			return false
		})
	}
	for _, v := range []any{a, b} {
		each(v, func(labels map[string]any, _ bool) bool { return names[text(labels)] })
	}
}

// sameButCategories reports whether two log answers differ only in the categories of
// labels, of lines whose labels another line of Remora's answer has in other ones, and
// in the order of lines of one time.
func sameButCategories(a, b any) bool {
	loki, remora := categories(a), categories(b)
	if len(loki) == 0 || len(loki) != len(remora) || !sameTimes(a, b) {
		return false
	}
	known := map[string]map[string]bool{}
	for _, l := range remora {
		if known[l.labels] == nil {
			known[l.labels] = map[string]bool{}
		}
		known[l.labels][l.told] = true
	}
	for i, l := range loki {
		r := remora[i]
		if l.line != r.line || l.labels != r.labels || l.told != r.told && (len(known[r.labels]) < 2 || !known[r.labels][l.told]) {
			return false
		}
	}
	return true
}

// oneCategory puts the labels of two log answers that have several categories in the
// one or the other into one, and reports whether there are any.
func oneCategory(a, b any) bool {
	seen := map[string]string{} // category of a label
	mixed := map[string]bool{}
	eachLabel(func(category, name string) {
		if seen[name] != "" && seen[name] != category {
			mixed[name] = true
		}
		seen[name] = category
	}, a, b)
	for _, v := range []any{a, b} {
		eachLine(v, func(told map[string]any) {
			for name := range mixed {
				for _, category := range []string{"structuredMetadata", "parsed"} {
					labels, _ := told[category].(map[string]any)
					if value, ok := labels[name]; ok {
						delete(labels, name)
						told["any "+name] = value
					}
					if len(labels) == 0 {
						delete(told, category)
					}
				}
			}
		})
	}
	return len(mixed) > 0
}

func eachLabel(visit func(category, name string), answers ...any) {
	for _, v := range answers {
		eachLine(v, func(told map[string]any) {
			for category, labels := range told {
				m, _ := labels.(map[string]any)
				for name := range m {
					visit(category, name)
				}
			}
		})
	}
}

// eachLine visits what is told of each line's labels.
func eachLine(v any, visit func(told map[string]any)) {
	streams, _ := at(v, "data", "result").([]any)
	for _, s := range streams {
		values, _ := at(s, "values").([]any)
		for _, line := range values {
			if l, _ := line.([]any); len(l) == 3 {
				if told, ok := l[2].(map[string]any); ok {
					visit(told)
				}
			}
		}
	}
}

// categorized is a line with its labels, whatever their categories, and as they were
// told.
type categorized struct{ line, labels, told string }

func categories(v any) (out []categorized) {
	streams, _ := at(v, "data", "result").([]any)
	for _, s := range streams {
		values, _ := at(s, "values").([]any)
		for _, line := range values {
			l, _ := line.([]any)
			if len(l) != 3 {
				return nil
			}
			all := map[string]any{}
			for _, category := range []string{"structuredMetadata", "parsed"} {
				labels, _ := at(l[2], category).(map[string]any)
				maps.Copy(all, labels)
			}
			stream := text(at(s, "stream"))
			out = append(out, categorized{stream + text(l[:2]), stream + text(all), stream + text(l[2])})
		}
	}
	slices.SortFunc(out, func(a, b categorized) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.labels, b.labels))
	})
	return out
}
