package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/remora-ray/remora/internal/ray"
)

// result is what was measured in one recording, or in all.
type result struct {
	name                  string
	files, empty, skipped int
	lines, tagged, quoted int
	unnamed               int      // files of a known kind for which there is no component
	others                []string // files of no known kind
	wrong                 []string
	counts                map[string]*counts
}

// counts are the verdicts on one field.
type counts struct {
	right, wrong int
	none         int // rightly nothing: a driver has no actor
	untold       int // a thread of the user's, of which the tag knows as little
	unknown      map[string]int
	by           map[string]int
}

func newResult(name string) *result {
	return &result{name: name, counts: make(map[string]*counts)}
}

func (r *result) count(field string) *counts {
	c := r.counts[field]
	if c == nil {
		c = &counts{unknown: make(map[string]int), by: make(map[string]int)}
		r.counts[field] = c
	}
	return c
}

// file counts a file and notes one that no rule of package ray knows.
func (r *result) file(f ray.File, size int64) {
	r.files++
	if size == 0 {
		r.empty++
	}
	switch {
	case !f.Known:
		r.others = append(r.others, f.Path)
	case f.Component == ray.ComponentOther:
		r.unnamed++
	}
}

func (r *result) add(o *result) {
	r.files += o.files
	r.empty += o.empty
	r.skipped += o.skipped
	r.unnamed += o.unnamed
	r.lines += o.lines
	r.tagged += o.tagged
	r.quoted += o.quoted
	for _, p := range o.others {
		r.others = append(r.others, o.name+": "+p)
	}
	for _, w := range o.wrong {
		r.wrong = append(r.wrong, o.name+": "+w)
	}
	for field, c := range o.counts {
		d := r.count(field)
		d.right += c.right
		d.wrong += c.wrong
		d.none += c.none
		d.untold += c.untold
		for k, n := range c.unknown {
			d.unknown[k] += n
		}
		for k, n := range c.by {
			d.by[k] += n
		}
	}
}

// failed tells whether a value is false or a file has no kind.
func (r *result) failed() bool { return len(r.wrong) > 0 || len(r.others) > 0 }

func (c *counts) unknowns() int {
	n := 0
	for _, k := range c.unknown {
		n += k
	}
	return n
}

// writeTable prints a row for each recording: right/unknown/wrong for each field.
func writeTable(w io.Writer, results []*result) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "recording\tfiles\tno kind\tlines\ttagged\t%s\n", strings.Join(fieldNames, "\t"))
	for _, r := range results {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d", r.name, r.files, len(r.others), r.lines, r.tagged)
		for _, f := range fieldNames {
			c := r.count(f)
			fmt.Fprintf(tw, "\t%d/%d/%d", c.right, c.unknowns(), c.wrong)
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

// writeDetail prints how values were learnt and why others are not known.
func writeDetail(w io.Writer, r *result) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range fieldNames {
		c := r.count(f)
		fmt.Fprintf(tw, "\n%s: %d right, %d unknown, %d wrong; %d rightly none, %d of the user's own threads\t\n",
			f, c.right, c.unknowns(), c.wrong, c.none, c.untold)
		for _, k := range byCount(c.by) {
			fmt.Fprintf(tw, "  right by %s\t%d\n", k, c.by[k])
		}
		for _, k := range byCount(c.unknown) {
			fmt.Fprintf(tw, "  unknown: %s\t%d\n", k, c.unknown[k])
		}
	}
	return tw.Flush()
}

func byCount(m map[string]int) []string {
	keys := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(keys, func(a, b string) int { return m[b] - m[a] })
	return keys
}
