package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// report counts and prints what came.
type report struct {
	rules   []*rule
	verbose bool
	out     io.Writer

	asked, equal, named, different int
	answered                       int // with status 200, by Loki
	rows                           map[string]*row
}

// row counts the questions of one row of the language or the API.
type row struct{ equal, named, different int }

// add judges one question. proven is asked where the rules do not explain all, for
// those that a second question shows to be the reason.
func (r *report) add(q *question, loki, remora *answer, proven func(*compared) []string) {
	r.asked++
	if loki.status == 200 {
		r.answered++
	}
	if r.rows == nil {
		r.rows = map[string]*row{}
	}
	name := q.name[:strings.LastIndexByte(q.name, '/')]
	if r.rows[name] == nil {
		r.rows[name] = &row{}
	}
	found := compare(q, loki, remora)
	if len(found) == 0 {
		r.equal++
		r.rows[name].equal++
		if r.verbose {
			fmt.Fprintf(r.out, "equal %s %s\n", q.name, q.params.Get("query"))
		}
		return
	}
	names, rest := judge(r.rules, q, found)
	if len(rest) > 0 {
		if by := proven(&compared{q, loki, remora, found}); by != nil {
			names, rest = by, nil
		}
	}
	if len(rest) == 0 {
		r.named++
		r.rows[name].named++
		if r.verbose {
			fmt.Fprintf(r.out, "named %s (%s)\n", q.name, strings.Join(names, ", "))
			r.show(q, found)
		}
		return
	}
	r.different++
	r.rows[name].different++
	fmt.Fprintf(r.out, "DIFFERENT %s\n", q.name)
	r.show(q, rest)
}

func (r *report) show(q *question, found []difference) {
	fmt.Fprintf(r.out, "  %s tenant=%s", q.path, q.tenant)
	for _, name := range slices.Sorted(maps.Keys(q.params)) {
		if name != "query" {
			fmt.Fprintf(r.out, " %s=%s", name, strings.Join(q.params[name], " "))
		}
	}
	fmt.Fprintf(r.out, "\n  %s\n", q.params.Get("query"))
	if q.body != "" {
		fmt.Fprintf(r.out, "  %s\n", quoteShort(q.body, 2000))
	}
	for _, d := range found {
		fmt.Fprintf(r.out, "    %s\n", d)
	}
}

// print ends the report. Where every question was asked, a name that no
// difference needs is told: it may be one that is left over.
func (r *report) print(all bool) {
	fmt.Fprintf(r.out, "\n%-34s %6s %6s %9s\n", "row", "equal", "named", "different")
	for _, name := range slices.Sorted(maps.Keys(r.rows)) {
		c := r.rows[name]
		fmt.Fprintf(r.out, "%-34s %6d %6d %9d\n", name, c.equal, c.named, c.different)
	}
	fmt.Fprintf(r.out, "\nnamed differences\n")
	for _, rule := range r.rules {
		if rule.used > 0 {
			fmt.Fprintf(r.out, "  %4d %s: %s\n", rule.used, rule.name, rule.why)
		} else if all {
			fmt.Fprintf(r.out, "     0 %s: nothing differs so here\n", rule.name)
		}
	}
	fmt.Fprintf(r.out, "\n%d questions (%d that Loki answers with 200): %d equal, %d different and named, %d different\n",
		r.asked, r.answered, r.equal, r.named, r.different)
}
