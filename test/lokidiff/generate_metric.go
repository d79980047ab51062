package main

import "strings"

// metric is an expression of numbers, nested at most depth deep.
func (g *generator) metric(depth int) string {
	if depth == 0 {
		return g.aggregated()
	}
	switch g.IntN(15) {
	case 12:
		return g.metric(0) + " or " + g.pick("vector(0)", "vector(-1.5)", "on (app) vector(7)")
	case 13:
		return "sum by (app) (" + g.counted() + ") " + g.pick("*", "/", "-", "< bool") + " on (app) group_right (" + g.pick("", "service_name") + ") sum by (app, " + g.one(g.app.stored) + ") (" + g.counted() + ")"
	case 14:
		return g.metric(0) + " " + g.pick("and", "or", "unless") + g.pick(" ignoring (", " on (") + g.one(g.app.stored) + ") " + g.metric(0)
	case 0:
		return g.metric(depth-1) + " " + g.operator() + " " + g.pick("2", "0", "0.5", "-1")
	case 1:
		return g.pick("100", "1", "-2.5") + " " + g.pick("*", "+", "-", "/", "> bool", "<") + " " + g.metric(depth-1)
	case 2:
		by := g.pick("app", "env", "detected_level", "service_name")
		return "sum by (" + by + ") (" + g.counted() + ") " + g.operator() + g.maybe(2, " on ("+by+")") + " sum by (" + by + ") (" + g.counted() + ")"
	case 3:
		return "sum by (app, env) (" + g.counted() + ") " + g.pick("/", "*", "-", ">", ">= bool") +
			g.pick(" on (app) group_left ", " ignoring (env) group_left () ", " on (app) group_left (service_name) ") + "sum by (app" + g.maybe(2, ", service_name") + ") (" + g.counted() + ")"
	case 4:
		return g.metric(0) + " " + g.pick("and", "or", "unless") + g.maybe(3, " on (app)") + " " + g.metric(0)
	case 5:
		return "label_replace(" + g.metric(0) + ", " + g.pick(`"new", "$1-x", "app", "(.*)"`, `"app", "y", "env", "p.*"`, `"new", "$1", "detected_level", "(e).*|i(.*)"`, `"env", "", "env", ".*"`) + ")"
	case 6:
		return g.pick("topk", "bottomk") + "(" + g.pick("1", "2", "5") + ", " + g.metric(0) + ")" + g.maybe(4, " by (app)")
	case 7:
		return "(" + g.metric(depth-1) + ")" + g.maybe(2, " * 2")
	case 8:
		return g.pick("sort", "sort_desc") + "(" + g.metric(0) + ")"
	case 9:
		return g.counted()
	}
	return g.aggregated()
}

func (g *generator) operator() string {
	return g.pick("+", "-", "*", "/", "%", "^", ">", "<", "==", "!=", ">=", "<=", "> bool", "!= bool")
}

// aggregated is a vector aggregation over a range aggregation.
func (g *generator) aggregated() string {
	op := g.pick("sum", "sum", "sum", "avg", "min", "max", "count", "stddev", "stdvar")
	inner := g.counted()
	if g.IntN(2) == 0 {
		inner = g.sampled()
	}
	switch g.IntN(4) {
	case 0:
		return op + "(" + inner + ")"
	case 1:
		return op + "(" + inner + ")" + g.grouping()
	case 2:
		return op + g.grouping() + " (" + inner + ")"
	}
	return op + " by (" + g.one(g.app.stored) + ") (" + inner + ")"
}

func (g *generator) grouping() string {
	names := []string{g.one(g.app.stored), g.one(g.app.found)}
	if g.IntN(8) == 0 {
		return " " + g.pick("by", "without") + " ()"
	}
	return " " + g.pick("by", "by", "without") + " (" + strings.Join(names[:1+g.IntN(2)], ", ") + ")"
}

func (g *generator) window() string {
	return g.pick("[5m]", "[10m]", "[1h]", "[90s]", "[20s]", "[2h]", "[7m]") + g.maybe(8, g.pick(" offset 5m", " offset 1h", " offset -3m"))
}

// counted is a range aggregation over lines.
func (g *generator) counted() string {
	return g.pick("count_over_time", "count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time") + "(" + g.forgiving(g.logQuery()) + " " + g.window() + ")"
}

// forgiving mostly leaves lines with errors out.
func (g *generator) forgiving(query string) string {
	if g.IntN(6) > 0 && strings.Contains(query, " | ") {
		return query + " | __error__=``"
	}
	return query
}

// sampled is a range aggregation over unwrapped samples.
func (g *generator) sampled() string {
	query := g.logQuery()
	label := g.one(g.app.numbers)
	unwrap := " | unwrap " + g.pick(label, label, label, "duration(took)", "bytes(bytes)", "duration(latency)", "duration_seconds(latency)", "bytes(size)")
	if g.IntN(6) > 0 {
		unwrap += " | __error__=``"
	}
	op := g.pick("sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "stddev_over_time", "stdvar_over_time", "first_over_time", "last_over_time", "rate", "rate_counter", "quantile_over_time")
	param, by := "", ""
	if op == "quantile_over_time" {
		param = g.pick("0.5", "0.99", "0", "1") + ", "
	}
	switch op {
	case "sum_over_time", "rate", "rate_counter":
	case "avg_over_time":
		// Loki divides by the number of all lines, also of those without the label.
		unwrap = " | " + label + "=~`-?[0-9]+([.][0-9]+)?` | unwrap " + label
		fallthrough
	default:
		by = g.maybe(2, g.grouping())
	}
	return op + "(" + param + query + unwrap + " " + g.window() + ")" + by
}
