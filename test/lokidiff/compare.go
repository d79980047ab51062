package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"mime"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// difference is one place where a client sees something else.
type difference struct {
	where        string // like data.result[3].values[0][1]
	loki, remora string
}

func (d difference) String() string {
	return fmt.Sprintf("%s: Loki %s, Remora %s", d.where, quoteShort(d.loki, 600), quoteShort(d.remora, 600))
}

// Of one answer at most so many differences are kept.
const maxDifferences = 5

// unseen are parts of an answer that no client reads as an answer: what the
// query cost.
var unseen = []string{"data.stats"}

// compare returns nothing where a client sees the same.
func compare(q *question, loki, remora *answer) []difference {
	if loki.err != nil || remora.err != nil {
		return []difference{{"request", fmt.Sprint(loki.err), fmt.Sprint(remora.err)}}
	}
	var c comparison
	if loki.status != remora.status {
		c.differ("status", fmt.Sprintf("%d %s", loki.status, loki.body), fmt.Sprintf("%d %s", remora.status, remora.body))
		return c.found
	}
	if a, b := mediaType(loki.contentType), mediaType(remora.contentType); a != b {
		c.differ("content type", a, b)
	}
	a, aJSON := decode(loki.body)
	b, bJSON := decode(remora.body)
	if !aJSON || !bJSON {
		if x, y := strings.TrimSpace(loki.body), strings.TrimSpace(remora.body); x != y {
			c.differ(textDiffers(q, x, y), x, y)
		}
		return c.found
	}
	if unordered.MatchString(q.path) {
		sortLists(a)
		sortLists(b)
	}
	c.samples = isMetric(a)
	c.values("", a, b)
	if len(c.found) > 0 && !c.samples {
		if where := equalTimes(a, b); where != "" {
			return []difference{{where, c.found[0].loki, c.found[0].remora}}
		}
	}
	if len(c.found) > 0 && len(linesOf(a)) > 0 && text(withoutDetails(a)) == text(withoutDetails(b)) {
		return []difference{{"the filter that failed", c.found[0].loki, c.found[0].remora}}
	}
	if len(c.found) > 0 && c.samples && repeats(a) && !repeats(b) {
		return []difference{{"series told twice", c.found[0].loki, c.found[0].remora}}
	}
	if len(c.found) > 0 && c.samples && chosen.MatchString(q.params.Get("query")) && sameNumbers(a, b) {
		return []difference{{"series chosen among equal ones", c.found[0].loki, c.found[0].remora}}
	}
	if len(c.found) > 0 && c.samples && strings.Contains(q.params.Get("query"), "label_replace") && sameSeries(a, b) {
		return []difference{{"series of one name", c.found[0].loki, c.found[0].remora}}
	}
	if len(c.found) > 0 && c.samples && sameSeries(withoutEmpty(a), withoutEmpty(b)) {
		return []difference{{"order of series with empty labels", c.found[0].loki, c.found[0].remora}}
	}
	return c.found
}

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

// sortLists orders lists of objects by what they are about, and lists of texts.
func sortLists(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			sortLists(x)
		}
	case []any:
		slices.SortStableFunc(v, func(a, b any) int { return strings.Compare(subject(a), subject(b)) })
	}
}

// subject is what an element of a list is about: its labels or its name.
func subject(v any) string {
	for _, name := range []string{"metric", "label", "pattern"} {
		if s := at(v, name); s != nil {
			return text(s)
		}
	}
	if _, isPoint := v.([]any); isPoint {
		return ""
	}
	return text(v)
}

// sameSeries reports whether two results have the same series in another order.
func sameSeries(a, b any) bool {
	x, _ := at(a, "data", "result").([]any)
	y, _ := at(b, "data", "result").([]any)
	return len(x) == len(y) && maps.Equal(texts(x), texts(y))
}

var (
	// failing is the line of which an error of a pipeline tells.
	failing = regexp.MustCompile(`(?s)for series: '\{.*\}'`)
	// failure is the text of a line that failed.
	failure = regexp.MustCompile(`^pipeline error: '(\w+)' for series: `)
	// unordered are endpoints whose lists Loki gives in an order of chance.
	unordered = regexp.MustCompile(`/(series|detected_labels|detected_fields|detected_field/[^/]+/values|index/volume|index/volume_range|patterns)$`)
	// chosen are aggregations that choose among series, or order them.
	chosen = regexp.MustCompile(`(?i)\b(topk|approx_topk|bottomk|sort|sort_desc)\b`)
)

func isMetric(v any) bool {
	kind := at(v, "data", "resultType")
	return kind == "matrix" || kind == "vector" || kind == "scalar"
}

func at(v any, names ...string) any {
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
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
	case slices.Equal(times(x), times(y)) && len(slices.Compact(times(x))) < len(x):
		return "choice of lines of one time"
	}
	return ""
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

func mediaType(s string) string {
	m, params, err := mime.ParseMediaType(s)
	if err != nil {
		return s
	}
	return m + " " + strings.ToLower(params["charset"])
}

func decode(body string) (v any, ok bool) {
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil || d.More() {
		return nil, false
	}
	return v, true
}

type comparison struct {
	found   []difference
	samples bool // values are numbers, though in strings
}

func (c *comparison) differ(where, loki, remora string) {
	if len(c.found) < maxDifferences {
		c.found = append(c.found, difference{where, loki, remora})
	}
}

func (c *comparison) values(where string, a, b any) {
	if slices.Contains(unseen, where) || len(c.found) >= maxDifferences {
		return
	}
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			c.objects(where, x, y)
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			c.lists(where, x, y)
			return
		}
	case json.Number:
		if y, ok := b.(json.Number); ok && near(x.String(), y.String()) {
			return
		}
	case string:
		if y, ok := b.(string); ok && (x == y || c.samples && strings.HasSuffix(where, "[1]") && near(x, y)) {
			return
		}
	default:
		if a == b {
			return
		}
	}
	c.differ(where, text(a), text(b))
}

func (c *comparison) objects(where string, a, b map[string]any) {
	names := maps.Clone(a)
	maps.Copy(names, b)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at := strings.TrimPrefix(where+"."+name, ".")
		x, inA := a[name]
		y, inB := b[name]
		switch {
		case slices.Contains(unseen, at):
		case !inA:
			c.differ(at, "nothing", text(y))
		case !inB:
			c.differ(at, text(x), "nothing")
		default:
			c.values(at, x, y)
		}
	}
}

func (c *comparison) lists(where string, a, b []any) {
	if len(a) != len(b) {
		c.differ(where+" length", strconv.Itoa(len(a)), strconv.Itoa(len(b)))
		c.onlyIn(where, a, b)
		return
	}
	for i := range a {
		c.values(fmt.Sprintf("%s[%d]", where, i), a[i], b[i])
	}
}

// onlyIn shows the first element that the other list has not.
func (c *comparison) onlyIn(where string, a, b []any) {
	inA, inB := texts(a), texts(b)
	for _, t := range slices.Sorted(maps.Keys(inA)) {
		if !inB[t] {
			c.differ(where+" has", t, "not")
			break
		}
	}
	for _, t := range slices.Sorted(maps.Keys(inB)) {
		if !inA[t] {
			c.differ(where+" has", "not", t)
			break
		}
	}
}

func texts(list []any) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, v := range list {
		m[text(v)] = true
	}
	return m
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// near compares numbers to 1e-9 of their size.
func near(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX != nil || errY != nil {
		return false
	}
	return x == y || math.IsNaN(x) && math.IsNaN(y) ||
		math.Abs(x-y) <= 1e-9*math.Max(1, math.Max(math.Abs(x), math.Abs(y)))
}
