// Package logqltest runs scripts of log lines and queries against any source,
// and has a source in memory to run them against.
//
// Invariant: Memory does exactly what the contract of exec.Source says, in the
// plainest way, so that it can judge the others. What a selection only allows to
// leave out is left out.
package logqltest

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/logs"
)

// Memory is a source of the records that it holds, in the order they came.
type Memory []logs.Record

// Select implements exec.Source.
func (m Memory) Select(ctx context.Context, sel logs.Selection, yield func(*logs.Record) error) error {
	list, err := m.selected(sel)
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b logs.Record) int {
		switch {
		case a.Time == b.Time:
			return 0
		case a.Time < b.Time == (sel.Direction == logs.Forward):
			return -1
		}
		return 1
	})
	if sel.Limit > 0 && len(list) > sel.Limit {
		list = list[:sel.Limit]
	}
	for i := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := list[i]
		if err := yield(&r); err != nil {
			return err
		}
	}
	return nil
}

// Buckets implements exec.Source.
func (m Memory) Buckets(_ context.Context, q logs.BucketQuery, yield func(logs.Bucket) error) error {
	list, err := m.selected(q.Selection)
	if err != nil {
		return err
	}
	type key struct {
		end   int64
		group string
	}
	buckets := map[key]*logs.Bucket{}
	var order []key
	for i := range list {
		r := &list[i]
		since := r.Time - q.Origin
		n := since / q.Width
		if since%q.Width > 0 {
			n++
		}
		group := make([]logs.Label, 0, len(q.By))
		for _, name := range q.By {
			group = append(group, logs.Label{Name: name, Value: r.Label(name)})
		}
		b := &logs.Bucket{End: q.Origin + n*q.Width, Group: logs.Normalize(group)}
		k := key{b.End, b.Group.String()}
		if buckets[k] == nil {
			buckets[k] = b
			order = append(order, k)
		}
		buckets[k].Lines++
		if !q.LinesOnly {
			buckets[k].Bytes += uint64(len(r.Line))
		}
	}
	for _, k := range order {
		if err := yield(*buckets[k]); err != nil {
			return err
		}
	}
	return nil
}

func (m Memory) selected(sel logs.Selection) ([]logs.Record, error) {
	tests := make([]func(string) bool, len(sel.Lines))
	for i, f := range sel.Lines {
		test, err := lineTest(f)
		if err != nil {
			return nil, err
		}
		tests[i] = test
	}
	var list []logs.Record
next:
	for i := range m {
		r := &m[i]
		if r.Time < sel.Start || r.Time >= sel.End || !logs.MatchesAll(sel.Matchers, r.Stream) {
			continue
		}
		for _, l := range sel.Labels {
			if !l.Matches(r.Label(l.Name)) {
				continue next
			}
		}
		for _, test := range tests {
			if !test(r.Line) {
				continue next
			}
		}
		for i := range sel.Needs {
			if !sel.Needs[i].Met(r) {
				continue next
			}
		}
		list = append(list, looked(*r, &sel))
	}
	return list, nil
}

// looked leaves of a record what is looked at.
func looked(r logs.Record, sel *logs.Selection) logs.Record {
	if names := sel.Metadata; names != nil {
		r.Metadata = slices.DeleteFunc(slices.Clone(r.Metadata), func(l logs.Label) bool { return !slices.Contains(names, l.Name) })
	}
	if sel.NoLines {
		r.Line = ""
	}
	return r
}

func lineTest(f logs.LineFilter) (func(string) bool, error) {
	var tests []func(string) bool
	for _, v := range f.Any {
		if f.Op == logs.Contains || f.Op == logs.NotContains {
			tests = append(tests, func(s string) bool { return strings.Contains(s, v) })
			continue
		}
		re, err := regexp.Compile(v)
		if err != nil {
			return nil, err
		}
		tests = append(tests, re.MatchString)
	}
	negative := f.Op == logs.NotContains || f.Op == logs.NotMatchesRegexp
	return func(s string) bool {
		for _, test := range tests {
			if test(s) {
				return !negative
			}
		}
		return negative
	}, nil
}
