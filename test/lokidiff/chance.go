package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Differences that follow from chance, or from the order in which things are read,
// are told as what they are.

// textDiffers says where texts differ: only in which line failed, or in which of
// the things that can fail did.
func textDiffers(q *question, a, b string) string {
	if failing.ReplaceAllString(a, "") == failing.ReplaceAllString(b, "") {
		return "text, the line that failed"
	}
	x, y := failure.FindStringSubmatch(a), failure.FindStringSubmatch(b)
	if x != nil && y != nil && canFail(q, x[1]) && canFail(q, y[1]) {
		return "text, the line that failed"
	}
	return "text"
}

// failingStages are the stages that make an error, by its name.
var failingStages = map[string]*regexp.Regexp{
	"JSONParserErr":       regexp.MustCompile(`\| *(json|unpack)\b`),
	"LogfmtParserErr":     regexp.MustCompile(`--strict`),
	"LabelFilterErr":      regexp.MustCompile(`\w *(>|<|>=|<=|==|!=|=) *[-+]?[0-9.]`),
	"SampleExtractionErr": regexp.MustCompile(`\| *unwrap\b`),
	"TemplateFormatErr":   regexp.MustCompile(`_format\b`),
}

func canFail(q *question, name string) bool {
	re := failingStages[name]
	return re != nil && re.MatchString(q.params.Get("query"))
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
// lines of one time, or in which of them fit within the limit.
func equalTimes(a, b any) string {
	x, y := linesOf(a), linesOf(b)
	if len(x) == 0 || len(x) != len(y) {
		return ""
	}
	times := func(list []string) []string {
		out := make([]string, len(list))
		for i, l := range list {
			out[i], _, _ = strings.Cut(l, " ")
		}
		return out
	}
	slices.Sort(x)
	slices.Sort(y)
	switch {
	case slices.Equal(x, y):
		return "order of lines of one time"
	case slices.Equal(times(x), times(y)) && (len(slices.Compact(times(x))) < len(x) || differAtOne(x, y)):
		return "choice of lines of one time"
	}
	return ""
}

// differAtOne reports whether sorted lines differ at the first time alone, or at the
// last: there a limit cuts.
func differAtOne(x, y []string) bool {
	first, last := 0, len(x)-1
	for first < len(x) && x[first] == y[first] {
		first++
	}
	for last > first && x[last] == y[last] {
		last--
	}
	return first == last
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
