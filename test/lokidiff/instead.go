package main

import (
	"context"
	"maps"
	"net/url"
	"regexp"
	"slices"

	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// instead is what a Loki takes a query for. A rule that has it is proven: asked
// that, Remora must answer what Loki answered.
type instead struct {
	change func(query string) string
	ask    func(*pair, context.Context, *question) *answer // another way than a query
}

// changes are those that need the query's tree.
var changes = map[string]func(string) string{
	"formatted":     formatted,
	"early filters": earlyFilters,
	"sum by count":  sumByCount,

	"sum by all lines": sumByAllLines,
}

var arrow = regexp.MustCompile(`^/(.*)/ +becomes +/(.*)/$`)

// parseInstead reads "/REGEXP/ becomes /REPLACEMENT/" or the name of a change.
func parseInstead(text string) (*instead, error) {
	if change, ok := changes[text]; ok {
		return &instead{change: change}, nil
	}
	if text == "by the hour" {
		return &instead{ask: (*pair).byTheHour}, nil
	}
	m := arrow.FindStringSubmatch(text)
	if m == nil {
		return nil, errNoChange
	}
	re, err := regexp.Compile(m[1])
	if err != nil {
		return nil, err
	}
	return &instead{change: func(query string) string { return re.ReplaceAllString(query, m[2]) }}, nil
}

// formatted is the query as format_query writes it, which rounds sizes.
func formatted(query string) string {
	e, err := syntax.Parse(query)
	if err != nil {
		return query
	}
	return syntax.Format(e)
}

// sumByCount makes of each average a sum divided by a count.
func sumByCount(query string) string {
	e, err := syntax.Parse(query)
	if err != nil {
		return query
	}
	return withoutAverages(e).String()
}

func withoutAverages(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.VectorAgg:
		e.Expr = withoutAverages(e.Expr)
		if e.Op != "avg" {
			return e
		}
		sum, count := *e, *e
		sum.Op, count.Op = "sum", "count"
		return &syntax.Binary{Op: "/", L: &sum, R: &count}
	case *syntax.LabelReplace:
		e.Expr = withoutAverages(e.Expr)
	case *syntax.Binary:
		e.L, e.R = withoutAverages(e.L), withoutAverages(e.R)
	}
	return e
}

// sumByAllLines makes of each average of samples the sum of them divided by the count
// of the lines, whether they have the label or not.
func sumByAllLines(query string) string {
	e, err := syntax.Parse(query)
	if err != nil {
		return query
	}
	return withoutAveragesOverTime(e).String()
}

func withoutAveragesOverTime(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.VectorAgg:
		e.Expr = withoutAveragesOverTime(e.Expr)
	case *syntax.LabelReplace:
		e.Expr = withoutAveragesOverTime(e.Expr)
	case *syntax.Binary:
		e.L, e.R = withoutAveragesOverTime(e.L), withoutAveragesOverTime(e.R)
	case *syntax.RangeAgg:
		if e.Op != "avg_over_time" || e.Grouping == nil || e.Range.Unwrap == nil {
			return e
		}
		sum, count, lines, query := *e, *e, *e.Range, *e.Range.Query
		sum.Op, sum.Grouping = "sum_over_time", nil
		for _, f := range e.Range.Unwrap.Filters {
			query.Stages = append(slices.Clip(query.Stages), f)
		}
		lines.Query, lines.Unwrap = &query, nil
		count.Op, count.Grouping, count.Range = "count_over_time", nil, &lines
		return &syntax.Binary{
			Op: "/",
			L:  &syntax.VectorAgg{Op: "sum", Grouping: e.Grouping, Expr: &sum},
			R:  &syntax.VectorAgg{Op: "sum", Grouping: e.Grouping, Expr: &count},
		}
	}
	return e
}

// earlyFilters puts behind each parser the conditions on single labels that stand
// anywhere behind it, for lines in which it finds the label.
func earlyFilters(query string) string {
	e, err := syntax.Parse(query)
	if err != nil {
		return query
	}
	eachPipeline(e, func(q *syntax.LogQuery) {
		var out []syntax.Stage
		for i, s := range q.Stages {
			out = append(out, s)
			switch s.(type) {
			case *syntax.JSONStage, *syntax.LogfmtStage, *syntax.PatternStage, *syntax.RegexpStage, *syntax.UnpackStage:
				out = append(out, earlier(q.Stages[i+1:])...)
			}
		}
		q.Stages = out
	})
	return e.String()
}

func earlier(stages []syntax.Stage) (out []syntax.Stage) {
	made := map[string]bool{} // labels of label_format
	for _, s := range stages {
		switch s := s.(type) {
		case *syntax.LabelFormatStage:
			for _, f := range s.Formats {
				made[f.Name] = true
			}
		case *syntax.LabelFilterStage:
			name, compares := filtered(s.Filter)
			switch {
			case name == "" || name == "__error__" || name == "__error_details__":
			case compares && !made[name]: // it drops lines without the label, now or later
				out = append(out, s)
			default:
				missing := &syntax.StringFilter{Matcher: syntax.Matcher{Name: name, Op: logs.Equal}}
				out = append(out, &syntax.LabelFilterStage{Filter: &syntax.BinaryFilter{Or: true, L: missing, R: s.Filter}})
			}
		}
	}
	return out
}

// filtered is the label that a condition is about, "" where it is about several, and
// whether the condition compares values.
func filtered(f syntax.LabelFilter) (name string, compares bool) {
	switch f := f.(type) {
	case *syntax.StringFilter:
		return f.Name, false
	case *syntax.IPFilter:
		return f.Name, false
	case *syntax.NumberFilter:
		return f.Name, true
	case *syntax.DurationFilter:
		return f.Name, true
	case *syntax.BytesFilter:
		return f.Name, true
	}
	return "", false
}

func eachPipeline(e syntax.Expr, visit func(*syntax.LogQuery)) {
	switch e := e.(type) {
	case *syntax.LogQuery:
		visit(e)
	case *syntax.RangeAgg:
		visit(e.Range.Query)
	case *syntax.VectorAgg:
		eachPipeline(e.Expr, visit)
	case *syntax.LabelReplace:
		eachPipeline(e.Expr, visit)
	case *syntax.Binary:
		eachPipeline(e.L, visit)
		eachPipeline(e.R, visit)
	}
}

// applies reports whether the rule takes the question for another.
func (r *rule) applies(q *question) bool {
	if r.instead == nil || !r.about(q) {
		return false
	}
	query := q.params.Get("query")
	return r.instead.change == nil || r.instead.change(query) != query
}

// proven returns the rules under which Remora answers as Loki did: one alone, or
// all together; or one whose check is true of all that was found.
func (p *pair) proven(ctx context.Context, rules []*rule, c *compared) (names []string) {
	if r := p.checked(ctx, rules, c); r != nil {
		r.used++
		return []string{r.name}
	}
	var fit []*rule
	for _, r := range rules {
		if r.applies(c.q) {
			fit = append(fit, r)
		}
	}
	tries := make([][]*rule, 0, len(fit)+1)
	for _, r := range fit {
		tries = append(tries, []*rule{r})
	}
	if len(fit) > 1 {
		tries = append(tries, fit)
	}
	for _, try := range tries {
		other := p.askInstead(ctx, c.q, try)
		if other == nil {
			continue
		}
		found := compare(c.q, c.loki, other)
		more, rest := judge(rules, c.q, found)
		if len(rest) > 0 {
			r := p.checked(ctx, rules, &compared{c.q, c.loki, other, found})
			if r == nil {
				continue
			}
			more = append(more, r.name)
		}
		for _, r := range try {
			r.used++
			names = append(names, r.name)
		}
		return append(names, more...)
	}
	return nil
}

// askInstead asks Remora what the rules make of a question.
func (p *pair) askInstead(ctx context.Context, q *question, rules []*rule) *answer {
	other := *q
	other.params = url.Values(maps.Clone(q.params))
	ask := func(ctx context.Context, q *question) *answer { return p.ask(ctx, p.remora, q) }
	for _, r := range rules {
		if r.instead.ask != nil {
			ask = func(ctx context.Context, q *question) *answer { return r.instead.ask(p, ctx, q) }
			continue
		}
		other.params.Set("query", r.instead.change(other.params.Get("query")))
	}
	return ask(ctx, &other)
}
