package exec

import (
	"slices"

	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// grouper picks the labels of a line that name its series.
type grouper struct {
	grouping *syntax.Grouping
	perLine  []string // see plan.Limits.LineLabels
	samples  bool     // of unwrapped samples
	inner    bool     // of a range aggregation: each tenant has series of its own
	out      []logs.Label
	names    []string // of by, sorted
}

// of returns the labels, sorted, valid until the next call. A label that was
// found empty is a label, but not of samples, where labels are left out or where
// several tenants are asked.
func (g *grouper) of(l *line) []logs.Label {
	g.out = g.out[:0]
	if g.grouping != nil && !g.grouping.Without {
		if g.names == nil {
			names := g.grouping.Labels
			if g.inner {
				names = append(slices.Clip(names), tenantLabel)
			}
			g.names = slices.Compact(slices.Sorted(slices.Values(names)))
		}
		for _, n := range g.names {
			v, ok := l.lookup(n)
			if n == tenantLabel {
				v, ok = find(l.stream, n)
			}
			if ok && !(v == "" && (g.samples || ofTenant(l))) {
				g.out = append(g.out, logs.Label{Name: n, Value: v})
			}
		}
		return g.out
	}
	for _, x := range l.all() {
		if x.Value == "" && (g.samples || g.grouping != nil || ofTenant(l)) || g.grouping != nil && slices.Contains(g.grouping.Labels, x.Name) || g.tellsLines(l, x.Name) {
			continue
		}
		g.out = append(g.out, x)
	}
	return g.out
}

// ofTenant reports whether a line says whose it is.
func ofTenant(l *line) bool {
	_, ok := find(l.stream, tenantLabel)
	return ok
}

// tellsLines reports whether a label is structured metadata that makes no series.
func (g *grouper) tellsLines(l *line, name string) bool {
	if !slices.Contains(g.perLine, name) {
		return false
	}
	_, ofLine := find(l.meta, name)
	return ofLine && !slices.Contains(l.hidden, name)
}

// pick returns the labels of a series that a grouping keeps: none without a
// grouping.
func pick(g *syntax.Grouping, ls logs.Labels) logs.Labels {
	if g == nil {
		return logs.Labels{}
	}
	out := make(logs.Labels, 0, len(ls))
	for _, l := range ls {
		if slices.Contains(g.Labels, l.Name) != g.Without && !(g.Without && l.Value == "") {
			out = append(out, l)
		}
	}
	return out
}
