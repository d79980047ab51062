package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// pushes makes n pushes in Loki's and OpenTelemetry's words with what is at the edge of
// what may be sent, requests to delete, and the questions what became of them. Their
// streams are the tenant's tenantEdge.
func pushes(g *generator, n int) (list []*question) {
	for i := range n {
		app := fmt.Sprintf("edge%d", i)
		q := g.edgePush(app)
		if g.IntN(3) == 0 {
			q = g.edgeOTLP(app)
		}
		list = append(list, q)
	}
	for range n / 8 {
		list = append(list, g.deletion())
	}
	for i := range n {
		for _, categorize := range []bool{false, true} {
			q := &question{name: "made, what became of a push/0", path: "/loki/api/v1/query_range", tenant: tenantEdge, categorize: categorize}
			q.params = url.Values{"query": {fmt.Sprintf(`{service_name=~".+"} | n="%d"`, i)}, "limit": {"5000"}}
			q.params.Set("start", fmt.Sprint(g.base.UnixNano()))
			q.params.Set("end", fmt.Sprint(g.base.Add(span).UnixNano()))
			list = append(list, q)
		}
	}
	for i, q := range list {
		q.name = fmt.Sprintf("%s/%d", q.name[:strings.LastIndexByte(q.name, '/')], i+1)
	}
	return list
}

// edgePush is a push of one to three streams in JSON.
func (g *generator) edgePush(app string) *question {
	type stream struct {
		Stream map[string]any `json:"stream"`
		Values []any          `json:"values"`
	}
	var streams []stream
	for range 1 + g.IntN(3) {
		s := stream{Stream: map[string]any{"app": app}}
		for range g.IntN(4) {
			s.Stream[g.pick("env", "service", "job", "level", "a_b", "x:y", "a.b", "9a", "_", strings.Repeat("n", 100))] = g.pick("prod", "", "ü", "a\"b", "\\", "{x=\"y\"}", "new\nline", strings.Repeat("v", 2048), strings.Repeat("v", 2049), "error", "5")
		}
		if g.IntN(6) == 0 {
			for i := range 13 + g.IntN(4) {
				s.Stream[fmt.Sprintf("l%d", i)] = "x"
			}
		}
		for range g.IntN(4) {
			s.Values = append(s.Values, g.edgeValue(app))
		}
		streams = append(streams, s)
	}
	if slices.ContainsFunc(streams, func(s stream) bool { return s.Stream["a.b"] != nil || s.Stream["9a"] != nil || s.Stream["x:y"] != nil }) {
		streams = streams[:1] // a Loki stores nothing of what comes with a name that is none
	}
	body, _ := json.Marshal(map[string]any{"streams": streams})
	q := &question{name: "made, push/0", path: "/loki/api/v1/push", tenant: tenantEdge, push: true, body: string(body), params: url.Values{}}
	q.headers = http.Header{"Content-Type": {"application/json"}}
	return q
}

// edgeValue is a line with a time of its own, so that no order is left to chance.
func (g *generator) edgeValue(app string) []any {
	at := g.base.Add(time.Duration(g.Int64N(int64(span)))).UnixNano()
	switch g.IntN(14) {
	case 0:
		at = g.base.AddDate(0, 0, -8).UnixNano()
	case 1:
		at = g.base.AddDate(0, 0, 1).UnixNano()
	}
	text := g.pick("plain", "level=warn msg=x", `{"level":"error","n":1}`, "", " ", "用户 登录", "\x00", "tab\t", "ERROR here", "a\u2028b", strings.Repeat("long ", 52_429), strings.Repeat("x", 262_144))
	meta := map[string]any{"n": strings.TrimPrefix(app, "edge")}
	for range g.IntN(4) {
		meta[g.pick("user", "a.b", "level", "severity_number", "trace-id", "9x", "app", "user", "__x__", "a__b", "ö-x", "e", strings.Repeat("m", 100))] = g.pick("ann", "", "17", "WARN", "ü", strings.Repeat("v", 3000), "a\"b")
	}
	if g.IntN(12) == 0 {
		for i := range 120 + g.IntN(12) {
			meta[fmt.Sprintf("k%d", i)] = "v"
		}
	}
	if g.IntN(12) == 0 {
		meta["huge"] = strings.Repeat("h", 64*1024-10+g.IntN(20))
	}
	if g.IntN(5) == 0 {
		return []any{fmt.Sprint(at), text}
	}
	return []any{fmt.Sprint(at), text, meta}
}

// edgeOTLP is a push of one resource in OpenTelemetry's JSON.
func (g *generator) edgeOTLP(app string) *question {
	attribute := func(key string, value any) any { return map[string]any{"key": key, "value": value} }
	text := func(s string) any { return map[string]any{"stringValue": s} }
	value := func() any {
		switch g.IntN(8) {
		case 0:
			return map[string]any{"intValue": g.pick("5", "-1", "9007199254740993")}
		case 1:
			return map[string]any{"doubleValue": []float64{0.5, 1e21, -0.25, 3}[g.IntN(4)]}
		case 2:
			return map[string]any{"boolValue": g.IntN(2) == 0}
		case 3:
			return map[string]any{"arrayValue": map[string]any{"values": []any{text("a"), map[string]any{"intValue": "2"}}}}
		case 4:
			return map[string]any{"kvlistValue": map[string]any{"values": []any{attribute("in.ner", text("deep")), attribute("n", map[string]any{"boolValue": true})}}}
		case 5:
			return map[string]any{"bytesValue": "aGk="}
		}
		return text(g.pick("x", "y z", "ü", "a\"b", "level=error", "{\"a\":1}"))
	}
	attributes := func(names ...string) (list []any) {
		for range g.IntN(4) {
			name := g.pick(names...)
			if !slices.ContainsFunc(list, func(a any) bool { return a.(map[string]any)["key"] == name }) {
				list = append(list, attribute(name, value()))
			}
		}
		return list
	}
	var records []any
	for range 1 + g.IntN(3) {
		r := map[string]any{"body": value(), "attributes": append(attributes("user.id", "a-b", "level", "severity", "scope_name", "9x", "nested"), attribute("n", text(strings.TrimPrefix(app, "edge"))))}
		at := fmt.Sprint(g.base.Add(time.Duration(g.Int64N(int64(span)))).UnixNano())
		switch g.IntN(10) {
		case 0:
			r["observedTimeUnixNano"] = at
		case 1:
			r["timeUnixNano"] = fmt.Sprint(g.base.AddDate(0, 0, g.IntN(2)*9-8).UnixNano())
		default:
			r["timeUnixNano"] = at
		}
		if g.IntN(3) == 0 {
			r["severityNumber"] = g.IntN(26)
		}
		if g.IntN(4) == 0 {
			r["severityText"] = g.pick("WARN", "Information", "odd", "")
		}
		if g.IntN(4) == 0 {
			r["traceId"], r["spanId"], r["flags"] = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", g.IntN(3)
		}
		if g.IntN(6) == 0 {
			r["droppedAttributesCount"] = 3
		}
		records = append(records, r)
	}
	scope := map[string]any{"logRecords": records}
	if g.IntN(3) == 0 {
		scope["scope"] = map[string]any{"name": g.pick("lib", ""), "version": g.pick("1.2", ""), "attributes": attributes("user.id", "in.scope", "n2")}
	}
	resource := map[string]any{"attributes": append(attributes("host.name", "k8s.pod.name", "k8s.namespace.name", "cloud.region", "service.instance.id", "deployment.environment.name", "process.pid"), attribute("service.name", text(app)))}
	body, _ := json.Marshal(map[string]any{"resourceLogs": []any{map[string]any{"resource": resource, "scopeLogs": []any{scope}}}})
	q := &question{name: "made, OTLP/0", path: "/otlp/v1/logs", tenant: tenantEdge, push: true, body: string(body), params: url.Values{}}
	q.headers = http.Header{"Content-Type": {"application/json"}}
	return q
}

// deletion is a request to delete that finds nothing, as when a Loki deletes is its
// own affair; what is said of it is compared.
func (g *generator) deletion() *question {
	p := url.Values{}
	if g.IntN(8) > 0 {
		p.Set("query", g.pick(`{app="gone"}`, `{app="gone"} |= "x"`, `{app=~"gone.*", env!="x"}`, `{app="gone"} | json`, `{app="gone"} | json | level="x"`, `{app="gone`, `{}`, `gone`, `rate({app="gone"}[5m])`, `{app="gone"} | line_format "x"`))
	}
	if g.IntN(8) > 0 {
		p.Set("start", g.pick("1795000000", "1795000000.5", "2026-01-01T00:00:00Z", "x", "-5", "0", "1795000000000000000"))
	}
	if g.IntN(2) == 0 {
		p.Set("end", g.pick("1795000005", "1795000000", "1794999999", "4102444800", "y", "2026-01-01T01:00:00Z"))
	}
	if g.IntN(6) == 0 {
		p.Set("max_interval", g.pick("1h", "1d", "10m"))
	}
	return &question{name: "made, deletion/0", path: "/loki/api/v1/delete?" + p.Encode(), tenant: tenantDeleting, push: true, params: url.Values{}, headers: http.Header{}}
}
