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
		if x, y := sameMoment(loki.body), sameMoment(remora.body); x != y {
			c.differ(textDiffers(x, y), x, y)
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
		if where := equalTimes(q, a, b); where != "" {
			return []difference{{where, c.found[0].loki, c.found[0].remora}}
		}
	}
	if len(c.found) > 0 && severalComparisons(q) && len(linesOf(a)) > 0 && sameButDetails(loki, remora) {
		return []difference{{"the filter that failed", c.found[0].loki, c.found[0].remora}}
	}
	if len(c.found) > 0 && !c.samples && sameButCategories(a, b) {
		return []difference{{"categories of labels", c.found[0].loki, c.found[0].remora}}
	}
	if len(c.found) > 0 && !c.samples && oneCategory(a, b) {
		if where := equalTimes(q, a, b); where != "" {
			return []difference{{"categories of labels", c.found[0].loki, c.found[0].remora}, {where, c.found[0].loki, c.found[0].remora}}
		}
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
	if len(c.found) > 0 && c.samples {
		a, _ := decode(loki.body)
		b, _ := decode(remora.body)
		withoutPartlyEmpty(a, b)
		others := comparison{samples: true}
		if others.values("", a, b); len(others.found) == 0 {
			return []difference{{"series with empty labels", c.found[0].loki, c.found[0].remora}}
		}
	}
	return c.found
}

// sameMoment is a text without the moment at which it was written.
func sameMoment(text string) string {
	return strings.TrimSpace(oldest.ReplaceAllString(text, "$1"))
}

var oldest = regexp.MustCompile(`(oldest acceptable timestamp is: )[0-9T:Z-]+`)

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

var (
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
