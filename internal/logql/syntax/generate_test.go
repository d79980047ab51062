package syntax

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// generator writes random queries of the whole grammar.
type generator struct {
	*rand.Rand
	depth int
}

func (g *generator) pick(options ...string) string { return options[g.IntN(len(options))] }

func (g *generator) maybe(s string) string {
	if g.IntN(2) == 0 {
		return ""
	}
	return s
}

func (g *generator) name() string {
	return g.pick("a", "b", "_x1", "level", "json", "offset", "by", "sum", "unless", "on", "ip", "Keep", "unwrap", "duration", "rate", "été")
}

func (g *generator) names() string {
	list := make([]string, g.IntN(3))
	for i := range list {
		list[i] = g.name()
	}
	return "(" + strings.Join(list, ",") + ")"
}

func (g *generator) str() string {
	s := g.pick("", "x", "a b", `q"uote`, `back\\slash`, "new\nline", "`tick`", "é", `\d+`, "<_> x", "\x00")
	if !strings.Contains(s, "`") && g.IntN(2) == 0 {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

func (g *generator) matcher() string {
	if g.IntN(2) == 0 {
		return g.name() + g.pick("=", "!=") + g.str()
	}
	return g.name() + g.pick("=~", "!~") + g.pick(`".+"`, "`a|b`", `"x.*"`)
}

func (g *generator) selector() string {
	list := []string{`app="a"`}
	for range g.IntN(3) {
		list = append(list, g.matcher())
	}
	return "{" + strings.Join(list, ",") + "}"
}

func (g *generator) ip() string {
	return "ip(" + g.pick(`"10.0.0.1"`, `"10.0.0.1-10.0.0.9"`, `"10.0.0.0/8"`, `"::1"`, `"2001:db8::/32"`) + ")"
}

func (g *generator) lineFilter() string {
	op := g.pick("|=", "!=", "|~", "!~", "|>", "!>")
	terms := make([]string, 1+g.IntN(3))
	for i := range terms {
		switch op {
		case "|=", "!=":
			terms[i] = g.str()
			if g.IntN(4) == 0 {
				terms[i] = g.ip()
			}
		case "|~", "!~":
			terms[i] = g.pick(`"a.c"`, "`\\d+`", `"(?i)x"`, `""`)
		default:
			terms[i] = g.pick(`"a <_> b"`, `"<_>"`, "`x`", `""`)
		}
	}
	return op + " " + strings.Join(terms, " or ")
}

func (g *generator) condition() string {
	if g.depth > 4 {
		return `a="b"`
	}
	g.depth++
	defer func() { g.depth-- }()
	switch g.IntN(8) {
	case 0, 1:
		return g.matcher()
	case 2:
		return g.name() + g.pick("=", "!=") + g.ip()
	case 3:
		return "(" + g.condition() + ")"
	case 4:
		return g.condition() + g.pick(" and ", ",", " or ", " ", " AND ", " Or ") + g.condition()
	}
	op := g.pick("=", "==", "!=", ">", ">=", "<", "<=")
	return g.name() + op + g.pick("5", "-1.5", "+2", "1e3", "0x10", "5m", "1h30m", "1.5s", "-3ms", "1d", "10KB", "1.5MiB", "3B", "0", "2ns", "7µs")
}

func (g *generator) extractions() string {
	list := make([]string, g.IntN(3))
	for i := range list {
		list[i] = g.pick("a", "b", "level", "été") + g.maybe("="+g.pick(`"a"`, "`b-c`", `"x"`))
	}
	return strings.Join(list, ", ")
}

func (g *generator) stage() string {
	switch g.IntN(13) {
	case 0, 1:
		return g.lineFilter()
	case 2:
		return "| " + g.pick("json", "JSON") + " " + g.extractions()
	case 3:
		return "| logfmt " + g.maybe("--strict ") + g.maybe("--keep-empty ") + g.extractions()
	case 4:
		return "| regexp " + g.pick("`(?P<a>x)`", `"(?P<b_1>.*) (?P<c>\\d)"`)
	case 5:
		return "| pattern " + g.pick("`<a> <_> [<b>]`", `"<x>"`)
	case 6:
		return "| " + g.pick("unpack", "decolorize")
	case 7:
		return "| line_format " + g.str()
	case 8:
		return "| label_format " + g.pick("a=b", "a=`{{.x}}`", "c=d, e=`x`, level=json", `a=""`)
	case 9, 10:
		refs := make([]string, 1+g.IntN(3))
		for i := range refs {
			refs[i] = g.name()
			// A bare name at the end would take a line filter for its matcher.
			if i == len(refs)-1 || g.IntN(3) == 0 {
				refs[i] = g.matcher()
			}
		}
		return "| " + g.pick("drop", "keep") + " " + strings.Join(refs, ",")
	}
	return "| " + "(" + g.condition() + ")"
}

func (g *generator) logQuery() string {
	parts := []string{g.selector()}
	for range g.IntN(4) {
		parts = append(parts, g.stage())
	}
	q := strings.Join(parts, g.pick(" ", "\n", " # note\n"))
	if g.IntN(5) == 0 {
		return "(" + q + ")"
	}
	return q
}

func (g *generator) window() string {
	return g.pick("[5m]", "[1h30m]", "[90s]", "[1d]", "[1y]", "[250ms]") + g.maybe(" offset "+g.pick("5m", "-1h", "1.5s", "1w", "-48h"))
}

// logRange places the range before the pipeline, in it or after it.
func (g *generator) logRange(unwrap bool) string {
	pipeline := ""
	for range g.IntN(3) {
		pipeline += " " + g.stage()
	}
	if unwrap {
		pipeline += " | unwrap " + g.pick("a", "bytes(a)", "duration(level)", "duration_seconds(x)", "DURATION(y)")
		if g.IntN(2) == 0 {
			pipeline += " | (" + g.condition() + ")"
		}
	}
	switch g.IntN(4) {
	case 0:
		return g.selector() + g.window() + pipeline
	case 1:
		return "(" + g.selector() + pipeline + ")" + g.window()
	case 2:
		return "(" + g.selector() + pipeline + g.window() + ")"
	}
	return g.selector() + pipeline + " " + g.window()
}

func (g *generator) grouping() string { return g.pick("by", "without", "BY") + g.names() }

func (g *generator) rangeAgg() string {
	ops := make([]string, 0, len(rangeOps))
	for op := range rangeOps {
		ops = append(ops, string(op))
	}
	// Map order is random in another way than the seed.
	op := RangeOp(slicesMinAt(ops, g.IntN(len(ops))))
	takes := rangeOps[op]
	param := ""
	if takes.param {
		param = g.pick("0.9", "1", "1e-3") + ", "
	}
	unwrap := takes.samples && (!takes.lines || g.IntN(2) == 0)
	call := "(" + param + g.logRange(unwrap) + ")"
	if !takes.grouping {
		return string(op) + call
	}
	return string(op) + call + g.maybe(g.grouping())
}

func (g *generator) metric() string {
	g.depth++
	defer func() { g.depth-- }()
	if g.depth > 5 {
		return g.rangeAgg()
	}
	switch g.IntN(9) {
	case 0, 1:
		return g.rangeAgg()
	case 2, 3:
		op := g.pick("sum", "avg", "min", "max", "count", "stddev", "stdvar", "topk", "bottomk", "approx_topk", "sort", "sort_desc", "SUM")
		takes := vectorOps[VectorOp(strings.ToLower(op))]
		param := ""
		if takes.param {
			param = "3,"
		}
		call := "(" + param + g.metric() + ")"
		if takes.grouping && g.IntN(2) == 0 {
			if g.IntN(2) == 0 {
				return op + " " + g.grouping() + call
			}
			return op + call + " " + g.grouping()
		}
		return op + call
	case 4:
		return fmt.Sprintf("label_replace(%s, \"dst\", %s, %s, %s)", g.metric(), g.str(), g.str(), g.pick(`".*"`, "`(a)|b`"))
	case 5:
		return "vector(" + g.pick("1", "2.5", "1e21") + ")"
	case 6:
		return "(" + g.metric() + ")"
	}
	if g.IntN(3) == 0 {
		number := g.pick("1", "-1", "+2", "0.5", "1e100")
		op := g.pick("+", "-", "*", "/", "%", "^", "==", "!=", ">", ">=", "<", "<=", "> bool", "== bool")
		if g.IntN(2) == 0 {
			return "(" + number + " " + op + " " + g.metric() + ")"
		}
		return "(" + g.metric() + " " + op + " " + number + ")"
	}
	op := g.pick("+", "-", "*", "/", "%", "^", "==", "!=", "> bool", "<", "and", "or", "unless", "AND")
	if g.IntN(2) == 0 {
		op += " " + g.pick("on", "ignoring") + g.names()
		if !strings.Contains("and or unless AND", strings.Fields(op)[0]) {
			op += g.maybe(" " + g.pick("group_left", "group_right") + g.pick("()", "(zz)", "(zz,zy)"))
		}
	}
	return g.metric() + " " + op + " " + g.metric()
}

// slicesMinAt is the n-th smallest of list.
func slicesMinAt(list []string, n int) string {
	for i := range list {
		smaller := 0
		for _, s := range list {
			if s < list[i] {
				smaller++
			}
		}
		if smaller == n {
			return list[i]
		}
	}
	return list[0]
}

func (g *generator) query() string {
	if g.IntN(2) == 0 {
		return g.logQuery()
	}
	return g.metric()
}
