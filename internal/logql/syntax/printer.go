package syntax

import (
	"strconv"
	"strings"
	"time"
)

// printer writes a tree on one line so that it can be read again.
type printer struct{ strings.Builder }

func (e *LogQuery) String() string      { return printed(e) }
func (e *RangeAgg) String() string      { return printed(e) }
func (e *VectorAgg) String() string     { return printed(e) }
func (e *Binary) String() string        { return printed(e) }
func (e *LabelReplace) String() string  { return printed(e) }
func (e *VectorLiteral) String() string { return printed(e) }
func (e *Literal) String() string       { return printed(e) }

// Parse is the inverse of String.
func printed(e Expr) string {
	var p printer
	p.expr(e)
	return p.String()
}

func (p *printer) put(parts ...string) {
	for _, s := range parts {
		p.WriteString(s)
	}
}

func (p *printer) quote(s string) {
	p.put(strconv.Quote(s))
}

func (p *printer) expr(e Expr) {
	switch e := e.(type) {
	case *LogQuery:
		p.logQuery(e)
	case *RangeAgg:
		p.put(string(e.Op))
		p.put("(")
		if rangeOps[e.Op].param {
			p.put(formatFloat(e.Param), ",")
			p.put(" ")
		}
		p.logRange(e.Range)
		p.put(")")
		p.grouping(e.Grouping)
	case *VectorAgg:
		p.put(string(e.Op))
		p.grouping(e.Grouping)
		if e.Grouping != nil {
			p.put(" ")
		}
		p.put("(")
		if vectorOps[e.Op].param {
			p.put(strconv.Itoa(e.Param), ",")
			p.put(" ")
		}
		p.expr(e.Expr)
		p.put(")")
	case *Binary:
		p.binary(e)
	case *LabelReplace:
		p.put("label_replace")
		p.put("(")
		p.expr(e.Expr)
		for _, s := range []string{e.Dst, e.Replacement, e.Src, e.Regex} {
			p.put(",")
			p.put(" ")
			p.quote(s)
		}
		p.put(")")
	case *VectorLiteral:
		p.put("vector(", formatFloat(e.Value), ")")
	case *Literal:
		p.put(formatFloat(e.Value))
	}
}

func (p *printer) grouping(g *Grouping) {
	switch {
	case g == nil:
	case g.Without:
		p.put(" without (", strings.Join(g.Labels, ", "), ")")
	default:
		p.put(" by (", strings.Join(g.Labels, ", "), ")")
	}
}

func (p *printer) binary(b *Binary) {
	own := precedence[b.Op]
	right := b.Op == "^"
	p.side(b.L, own, !right)
	p.put(" ")
	p.put(string(b.Op))
	if b.ReturnBool {
		p.put(" bool")
	}
	if m := b.Matching; m != nil {
		p.put(" ", map[bool]string{true: "on", false: "ignoring"}[m.On], " (", strings.Join(m.Labels, ", "), ")")
		if m.Group != "" {
			p.put(" group_", m.Group, " (", strings.Join(m.Include, ", "), ")")
		}
	}
	p.put(" ")
	p.side(b.R, own, right)
}

// side writes an operand, in parentheses where it binds less tightly than the
// operator, or as tightly on the side where the operator does not associate.
func (p *printer) side(e Expr, own int, associates bool) {
	if b, ok := e.(*Binary); ok {
		if inner := precedence[b.Op]; inner < own || inner == own && !associates {
			p.put("(")
			p.expr(e)
			p.put(")")
			return
		}
	}
	p.expr(e)
}

func (p *printer) logRange(r *LogRange) {
	p.logQuery(r.Query)
	if u := r.Unwrap; u != nil {
		p.put(" ")
		p.put("| unwrap ")
		if u.Conversion != "" {
			p.put(u.Conversion, "(", u.Label, ")")
		} else {
			p.put(u.Label)
		}
		for _, f := range u.Filters {
			p.put(" ")
			p.stage(f)
		}
	}
	p.put(" [", formatPromDuration(r.Range), "]")
	if r.Offset != 0 {
		p.put(" offset ", formatDuration(r.Offset))
	}
}

func (p *printer) logQuery(q *LogQuery) {
	p.matchers(q.Matchers)
	for _, s := range q.Stages {
		p.put(" ")
		p.stage(s)
	}
}

func (p *printer) matchers(ms []Matcher) {
	p.put("{")
	for i, m := range ms {
		if i > 0 {
			p.put(", ")
		}
		p.matcher(m)
	}
	p.put("}")
}

func (p *printer) matcher(m Matcher) {
	p.put(m.Name, m.Op.String())
	p.quote(m.Value)
}

// formatDuration writes d with units that the grammar knows: 1h30m, 1.5µs; below
// zero none are longer than an hour.
func formatDuration(d time.Duration) string {
	switch {
	case d > 0 && d%time.Millisecond == 0:
		return formatPromDuration(d)
	}
	return d.String()
}
