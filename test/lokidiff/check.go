package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// compared is a question, its answers and where they differ.
type compared struct {
	q            *question
	loki, remora *answer
	found        []difference
}

// check finds out, by other questions, whether the reason of a rule is the one.
type check func(*pair, context.Context, *compared) bool

var checks map[string]check

func init() {
	checks = map[string]check{
		"such a line fails": (*pair).failsSo,
		"equal series":      (*pair).chosenOfEqual,
		"lines are so":      (*pair).linesAreSo,
	}
}

// checked is the rule whose check is true of what was found, nil for none.
func (p *pair) checked(ctx context.Context, rules []*rule, c *compared) *rule {
	for _, r := range rules {
		if r.check == nil || slices.ContainsFunc(c.found, func(d difference) bool { return !r.explains(c.q, d) }) {
			continue
		}
		if r.check(p, ctx, c) {
			return r
		}
	}
	return nil
}

// failure is what a client is told of a line that failed.
var failure = regexp.MustCompile(`(?s)^pipeline error: '(\w+)' for series: '(\{.*\})'\.\n`)

// failsSo reports whether Remora finds a line that fails as the one that Loki tells
// of, with its labels: so that only which line is told differs.
func (p *pair) failsSo(ctx context.Context, c *compared) bool {
	m := failure.FindStringSubmatch(c.loki.body)
	e, err := syntax.Parse(c.q.params.Get("query"))
	if m == nil || err != nil || failure.FindString(c.remora.body) == "" {
		return false
	}
	told, err := syntax.ParseSelector(m[2])
	if err != nil {
		return false
	}
	for _, query := range failingLines(e, m[1]) {
		a := p.ask(ctx, p.remora, c.q.asLines(query))
		v, ok := decode(a.body)
		if !ok {
			continue
		}
		streams, _ := at(v, "data", "result").([]any)
		for _, s := range streams {
			labels, _ := at(s, "stream").(map[string]any)
			if !slices.ContainsFunc(told, func(t syntax.Matcher) bool {
				return t.Name != "__error__" && labels[t.Name] != t.Value
			}) {
				return true
			}
		}
	}
	return false
}

// failingLines are log queries for the lines that fail in a query, by the name of
// the error. Where a value is none, a comparison with the label fails as it does.
func failingLines(e syntax.Expr, failure string) (queries []string) {
	eachRange(e, func(r *syntax.LogRange) {
		query := *r.Query
		query.Stages = slices.Clone(query.Stages)
		if failure == "SampleExtractionErr" {
			if r.Unwrap == nil {
				return
			}
			failure = "LabelFilterErr"
			query.Stages = append(query.Stages, &syntax.LabelFilterStage{Filter: readAs(r.Unwrap)})
		}
		query.Stages = append(query.Stages, &syntax.LabelFilterStage{Filter: &syntax.StringFilter{
			Matcher: syntax.Matcher{Name: "__error__", Op: logs.Equal, Value: failure},
		}})
		queries = append(queries, query.String())
	})
	return queries
}

// readAs is a comparison that reads a label as an unwrap does.
func readAs(u *syntax.Unwrap) syntax.LabelFilter {
	switch u.Conversion {
	case "bytes":
		return &syntax.BytesFilter{Name: u.Label, Op: ">"}
	case "duration", "duration_seconds":
		return &syntax.DurationFilter{Name: u.Label, Op: ">"}
	}
	return &syntax.NumberFilter{Name: u.Label, Op: ">"}
}

func eachRange(e syntax.Expr, visit func(*syntax.LogRange)) {
	switch e := e.(type) {
	case *syntax.RangeAgg:
		visit(e.Range)
	case *syntax.VectorAgg:
		eachRange(e.Expr, visit)
	case *syntax.LabelReplace:
		eachRange(e.Expr, visit)
	case *syntax.Binary:
		eachRange(e.L, visit)
		eachRange(e.R, visit)
	}
}

// asLines is the question for the lines of a query that a metric question may read.
func (q *question) asLines(query string) *question {
	other := *q
	other.path, other.categorize = "/loki/api/v1/query_range", false
	other.params = url.Values{"query": {query}, "limit": {"5000"}}
	start, end := q.params.Get("start"), q.params.Get("end")
	if q.params.Has("time") {
		start, end = q.params.Get("time"), q.params.Get("time")
	}
	other.params.Set("start", shifted(start, -26*time.Hour))
	other.params.Set("end", shifted(end, time.Hour))
	return &other
}

func shifted(ns string, d time.Duration) string {
	n, _ := strconv.ParseInt(ns, 10, 64)
	return fmt.Sprint(n + int64(d))
}

// chosenOfEqual reports whether each series that Loki chose has that value where
// nothing is chosen: so that it was one of equal ones, as the numbers are the same.
func (p *pair) chosenOfEqual(ctx context.Context, c *compared) bool {
	e, err := syntax.Parse(c.q.params.Get("query"))
	if err != nil {
		return false
	}
	all := *c.q
	all.params = url.Values(maps.Clone(c.q.params))
	all.params.Set("query", withoutChoice(e).String())
	v, ok := decode(p.ask(ctx, p.remora, &all).body)
	loki, isJSON := decode(c.loki.body)
	if !ok || !isJSON {
		return false
	}
	known := pointsOf(v)
	for name, value := range pointsOf(loki) {
		if other, ok := known[name]; !ok || !near(value, other) {
			return false
		}
	}
	return true
}

// withoutChoice leaves out the aggregations that choose among series or order them.
func withoutChoice(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.VectorAgg:
		e.Expr = withoutChoice(e.Expr)
		if chosen.MatchString(string(e.Op)) {
			return e.Expr
		}
	case *syntax.LabelReplace:
		e.Expr = withoutChoice(e.Expr)
	case *syntax.Binary:
		e.L, e.R = withoutChoice(e.L), withoutChoice(e.R)
	}
	return e
}

// pointsOf are the values of a metric answer by series and time.
func pointsOf(v any) map[string]string {
	out := map[string]string{}
	series, _ := at(v, "data", "result").([]any)
	for _, s := range series {
		points, _ := at(s, "values").([]any)
		if point := at(s, "value"); point != nil {
			points = append(points, point)
		}
		for _, point := range points {
			if p, ok := point.([]any); ok && len(p) == 2 {
				out[strings.Join([]string{text(at(s, "metric")), fmt.Sprint(p[0])}, " ")] = fmt.Sprint(p[1])
			}
		}
	}
	return out
}

// linesAreSo reports whether Remora's patterns fit as many lines, by a filter of the
// language, as they were counted, and tell their counts in order of time.
func (p *pair) linesAreSo(ctx context.Context, c *compared) bool {
	v, ok := decode(c.remora.body)
	if !ok {
		return false
	}
	patterns, _ := at(v, "data").([]any)
	for _, told := range patterns[:min(len(patterns), 10)] {
		pattern, _ := at(told, "pattern").(string)
		samples, _ := at(told, "samples").([]any)
		counted, last := 0, -1
		for _, s := range samples {
			point, _ := s.([]any)
			if len(point) != 2 {
				return false
			}
			when, _ := strconv.Atoi(fmt.Sprint(point[0]))
			n, _ := strconv.Atoi(fmt.Sprint(point[1]))
			if when <= last {
				return false
			}
			counted, last = counted+n, when
		}
		lines := c.q.asLines(c.q.params.Get("query") + " |> " + strconv.Quote(pattern))
		answer, ok := decode(p.ask(ctx, p.remora, lines).body)
		if found := len(linesOf(answer)); !ok || counted == 0 || found < min(counted, 5000) {
			return false
		}
	}
	return true
}
