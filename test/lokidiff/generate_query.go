package main

import (
	"fmt"
	"strings"
)

// app is a kind of lines and what can be asked of them.
type app struct {
	selector string
	needles  []string
	stored   []string // labels and structured metadata
	found    []string // labels that its parser finds
	numbers  []string // those of them that are mostly numbers
	parsers  []string
}

var apps = []app{
	{
		selector: `app="json"`, needles: []string{"error", "status\":500", "登录", "GET", "cut off", "done"},
		stored: []string{"env", "pod", "user", "trace_id", "pod_extracted", "detected_level"},
		found:  []string{"level", "msg", "status", "req_method", "req_hdr_x_id", "ok", "app_extracted", "a_b", "empty"}, numbers: []string{"status", "n", "dur_s"},
		parsers: []string{"json", "json", "json", "json level, status, n, dur_s", `json level="level", status="req.method", n="n"`, "unpack", "logfmt"},
	},
	{
		selector: `app="logfmt"`, needles: []string{"level=error", "失敗", "disk", "status=500", "10.0.1", "plain"},
		stored: []string{"env", "user", "pod", "trace_id", "detected_level"},
		found:  []string{"level", "msg", "status", "latency", "size", "user_extracted", "ip"}, numbers: []string{"n", "ratio", "status"},
		parsers: []string{"logfmt", "logfmt", "logfmt", "logfmt --strict", "logfmt --keep-empty", "logfmt level, n, status, ratio", "json"},
	},
	{
		selector: `app="web"`, needles: []string{"GET", "curl", "404", "frank", "用户", "1.1.1.1"}, stored: []string{"env", "cluster", "service_name"},
		found: []string{"method", "path", "status", "agent"}, numbers: []string{"size", "took", "status"},
		parsers: []string{
			"pattern `<ip> - <user> [<_>] \"<method> <path> <_>\" <status> <size> \"<agent>\" <took>`",
			"regexp `\"(?P<method>\\S+) (?P<path>\\S+) [^\"]*\" (?P<status>\\d+) (?P<size>\\d+) \"(?P<agent>[^\"]*)\" (?P<took>\\S+)`",
		},
	},
	{
		selector: `app="measure"`, needles: []string{"measured 1", "2", "99"}, stored: []string{"route", "took", "bytes", "ms"},
		found: []string{"route"}, numbers: []string{"ms", "ms", "nothing"}, parsers: []string{"logfmt", "drop bytes"},
	},
	{
		selector: `app="counter"`, needles: []string{"total=1", "h1"}, stored: []string{"host"}, found: []string{"host_extracted", "total"},
		numbers: []string{"total"}, parsers: []string{"logfmt", "pattern `total=<total> host=<_>`"},
	},
	{
		selector: `app="text"`, needles: []string{"失败", "失敗", "실패", "🚀", "エラー", "é"}, stored: []string{"lang"}, found: []string{"level", "timeout"},
		numbers: []string{"timeout"}, parsers: []string{"logfmt", "json"},
	},
	{
		selector: `app=~"odd|packed|color|clash"`, needles: []string{"a", "error", "{", "=", "1.2.3.4", "\\u00e9"}, stored: []string{"app", "kind", "free", "detected_level"},
		found: []string{"a", "b", "free_extracted", "kind_extracted", "x", "pod"}, numbers: []string{"a", "x", "n"}, parsers: []string{"json", "logfmt", "unpack", "logfmt --keep-empty", "json a, x, pod"},
	},
	{
		selector: `app="nested"`, needles: []string{"a", "level", "\\u", "{\"a\":1", "é"}, stored: []string{"kind", "detected_level", "app"},
		found: []string{"a", "a_b", "n", "b", "_1", "c_e_g", "app_extracted", "duration", "size", "t"}, numbers: []string{"n", "a", "a_b", "float"},
		parsers: []string{"json", "json", `json a, b, n="n"`, `json x="a[0].b", a="a"`, "logfmt", "unpack", "pattern `{\"a\":<a>,<_>`"},
	},
	{
		selector: `app="pairs"`, needles: []string{"a=", "b", "\"", "level=", "é"}, stored: []string{"kind", "detected_level", "service_name"},
		found: []string{"a", "b", "c", "msg", "level", "took", "ip", "a_b", "A"}, numbers: []string{"a", "b", "n"},
		parsers: []string{"logfmt", "logfmt", "logfmt --strict", "logfmt --keep-empty", "logfmt a, b, c", `logfmt x="a", b`, "json"},
	},
	{
		selector: `app=~"boxed|shape|quirk"`, needles: []string{"GET", "error", "_entry", "a", "200", "X"}, stored: []string{"app", "kind", "detected_level"},
		found: []string{"a", "m", "p", "s", "app_extracted", "_entry"}, numbers: []string{"s", "a"},
		parsers: []string{"unpack", "unpack", "pattern `<m> <p> <s> <t>`", "pattern `<_>a<a>`", "regexp `(?P<m>[A-Z]+) (?P<p>/\\S*)(?: (?P<s>\\d+))?`", "json", "logfmt"},
	},
	{
		selector: `app="lab"`, needles: []string{"line", "inner", "1"}, stored: []string{"v", "n", "service_name"},
		found: []string{"v_extracted", "n_extracted", "v"}, numbers: []string{"n", "v", "n_extracted"}, parsers: []string{"json", "json v", "logfmt"},
	},
	{
		selector: `app="amount"`, needles: []string{"v=", "metadata", "w=1", "5"}, stored: []string{"form", "v", "app"},
		found: []string{"v", "w", "v_extracted"}, numbers: []string{"w", "w", "v"}, parsers: []string{"logfmt", "logfmt v", "logfmt w, v", "pattern `v=\"<v>\" w=<w>`"},
	},
	{
		selector: `app="tagged"`, needles: []string{"line", "info", "n\":1"}, stored: []string{"level", "a_b", "q", "u", "kind", "app_extracted", "detected_level", "n"},
		found: []string{"a_b", "a_b_extracted", "q", "n", "n_extracted", "level"}, numbers: []string{"n", "n_extracted"}, parsers: []string{"json", "json a_b, n", "logfmt"},
	},
	{
		selector: `app="crowd"`, needles: []string{"n=1", "crowd", "n=3"}, stored: []string{"s", "g"},
		found: []string{"n"}, numbers: []string{"n"}, parsers: []string{"logfmt", "regexp `n=(?P<n>\\d)`"},
	},
	{
		selector: `app="address"`, needles: []string{"1.2.3.4", "::", "ip", "10"}, stored: []string{"kind", "app"},
		found: []string{"ip", "f"}, numbers: []string{"f"}, parsers: []string{"logfmt", "regexp `(?P<f>\\S+)`", "json"},
	},
	{
		selector: `app="ray"`, needles: []string{"INFO", "raylet", "Starting", "error", "node"}, stored: []string{"component", "job_id", "RayCluster"},
		found: []string{"level", "asctime", "message"}, numbers: []string{"levelno"}, parsers: []string{"json", "logfmt"},
	},
}

func (g *generator) choose() { g.app = apps[g.IntN(len(apps))] }

func (g *generator) one(list []string) string { return list[g.IntN(len(list))] }

func (g *generator) selector() string {
	g.choose()
	matchers := []string{g.app.selector}
	if g.IntN(3) == 0 {
		matchers = append(matchers, g.pick(`env="prod"`, `env!="prod"`, `env=~"p.*|d.*"`, `pod=""`, `lang!~"z.*"`, `app!="odd"`, `host=~"h[12]|"`, `component!=""`, `service_name=~".+"`))
	}
	return "{" + strings.Join(matchers, g.pick(",", ", ")) + "}"
}

func (g *generator) logQuery() string {
	var b strings.Builder
	b.WriteString(g.selector())
	b.WriteString(g.maybe(3, g.lineFilter()))
	parsed := g.IntN(3) > 0
	if parsed {
		b.WriteString(" | " + g.one(g.app.parsers))
	}
	for range g.IntN(4) {
		b.WriteString(g.stage(parsed))
	}
	return b.String()
}

func (g *generator) lineFilter() string {
	needle := func() string { return fmt.Sprintf("%q", g.one(g.app.needles)) }
	switch g.IntN(8) {
	case 0:
		return " != " + needle()
	case 1:
		return " |~ " + g.pick("`[a-z]+=\\d`", "`(?i)ERROR|warn`", "`^.{5}`", "`\\d{3,}`", "`e.*e`", "`[失실]`", "`(?i)get`")
	case 2:
		return " !~ " + g.pick("`[0-9]$`", "`(?i)info`", "`^\\{`", "`o{2}`")
	case 3:
		return " |= " + needle() + " or " + needle()
	case 4:
		return " != " + needle() + " or " + needle()
	case 5:
		return g.pick(" |> ", " !> ") + g.pick("`<_>error<_>`", "`<_>=<_> <_>`", "`{<_>`", "`<_>\"<_>`", "`<_>1<_>`")
	case 6:
		return g.pick(" |= ", " != ") + "ip(" + g.pick(`"10.0.0.0/8"`, `"192.168.4.1-192.168.4.9"`, `"1.1.1.1"`, `"2001:db8::/32"`) + ")"
	}
	return " |= " + needle()
}

func (g *generator) stage(parsed bool) string {
	name := g.one(g.app.stored)
	if parsed && g.IntN(3) > 0 {
		name = g.one(g.app.found)
	}
	switch g.IntN(10) {
	case 0:
		return g.lineFilter()
	case 1, 2, 3, 4:
		return " | " + g.labelFilter(name)
	case 5:
		if g.IntN(2) == 0 {
			return " | line_format `" + g.template(name) + "`"
		}
		return " | line_format " + g.pick("`{{."+name+"}}`", "`{{.app}} {{."+name+" | ToUpper}}`", "`{{__line__ | trunc 20}}`", "`x={{."+name+"}} y={{len .app}}`", "`{{if ."+name+"}}yes{{else}}no{{end}}`")
	case 6:
		if g.IntN(3) == 0 {
			return " | label_format x=`" + g.template(name) + "`"
		}
		return " | label_format " + g.pick("x="+name, "x=`{{."+name+"}}!`", "app=`new`", name+"=`{{.app}}`", "x="+name+", y=`{{."+name+"}}`")
	case 7:
		return " | drop " + g.pick(name, name+", "+g.one(g.app.stored), name+`=~".*e.*"`, "__error__", "__error__, __error_details__")
	case 8:
		return " | keep " + g.pick(name, name+", "+g.one(g.app.found), name+`=~".*r.*"`, "app, env")
	}
	return g.pick(" | __error__=``", " | __error__!=``", " | decolorize", " | __error__=`JSONParserErr`")
}

func (g *generator) labelFilter(name string) string {
	one := func(name string) string {
		switch g.IntN(8) {
		case 0:
			return name + g.pick(">", ">=", "<", "<=", "==", "!=", "=") + g.pick("5", "200", "404.5", "-1", "0", "1e2")
		case 1:
			return name + g.pick(">", "<", ">=", "!=") + g.pick("1s", "12ms", "1m30s", "0s")
		case 2:
			return name + g.pick(">", "<", ">=", "==") + g.pick("1KB", "512B", "7.5kB", "2MB")
		case 3:
			return name + g.pick("=~", "!~") + g.pick("`e.*`", "`.*o.*`", "`(?i)GET|error`", "``", "`\\d+`", "`.+`", "`[^e]*`", "`p(rod|-dev)?`", "`ann|bob`")
		case 4:
			return name + g.pick("!=", "=") + "``"
		case 5:
			return name + g.pick("=", "!=") + "ip(" + g.pick(`"10.0.0.0/8"`, `"10.0.1.0-10.0.2.9"`, `"192.168.4.5"`, `"2001:db8::/32"`) + ")"
		}
		return name + g.pick("=", "!=") + g.pick("`error`", "`prod`", "`GET`", "`500`", "`ann`", "`info`", "`/a`")
	}
	switch g.IntN(6) {
	case 0:
		return one(name) + g.pick(" and ", " or ", ", ", " ") + one(g.one(g.app.stored))
	case 1:
		return "(" + one(name) + " or " + one(g.one(g.app.found)) + ")" + g.pick(" and ", ", ") + one(g.one(g.app.stored))
	}
	return one(name)
}

// template is an action or two over a label.
func (g *generator) template(name string) string {
	value := g.pick("."+name, "."+name, "__line__", "."+g.one(g.app.stored))
	text := g.pick(
		"%s | ToUpper", "%s | lower | title", "%s | trunc 5", "%s | trunc -4", "substr 1 4 %s", "%s | replace \"e\" \"E\"", "Replace %s \"o\" \"0\" 1",
		"TrimPrefix %s \"re\"", "%s | trimSuffix \"r\"", "TrimLeft %s \"{le\"", "%s | trim", "%s | trimAll \"er\"", "%s | repeat 2", "%s | indent 2", "alignLeft 6 %s", "alignRight 6 %s",
		"regexReplaceAll \"[aeiou](.)\" %s \"<$1>\"", "regexReplaceAllLiteral \"\\\\d+\" %s \"$1\"", "%s | count \"e\"", "%s | urlencode", "%s | urlencode | urldecode", "%s | b64enc", "%s | b64enc | b64dec",
		"%s | default \"none\"", "%s | int", "%s | float64", "add 1 (%s | int)", "mul 2 (int %s)", "div (int %s) 7", "mod (int %s) 5", "addf 0.5 (float64 %s)", "divf (float64 %s) 4", "max 3 (int %s)", "minf 2.5 (float64 %s)",
		"%s | float64 | ceil", "%s | float64 | floor", "round (float64 %s) 1", "%s | duration_seconds", "%s | bytes", "%s | duration", "%s | len", "%s | printf \"%%q\"", "printf \"%%-8s|\" %s",
		"contains \"e\" %s", "hasPrefix \"e\" %s", "hasSuffix \"r\" %s", "if eq %s \"error\" }}bad{{ else if contains \"o\" %[1]s }}so{{ else }}good{{ end", "with %s }}({{ . }}){{ end", "and %s \"yes\"", "or %s \"no\"", "not %s",
		"eq %s \"info\"", "lt %s \"m\"", "html %s", "js %s", "urlquery %s", "index (fromJson %s) \"level\"", "%s | unixToTime", "%s | toDate \"2006-01-02\"", "slice %s 0 2", "$v := %s }}{{ $v", "%s | nindent 1",
	)
	if strings.Contains(text, "%[1]s") {
		text = strings.ReplaceAll(strings.Replace(text, "%s", value, 1), "%[1]s", value)
	} else {
		text = fmt.Sprintf(text, value)
	}
	return g.maybe(3, "{{.app}} ") + "{{ " + text + " }}" + g.maybe(4, " at {{ __timestamp__ | unixEpoch }}")
}
