package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// generate makes n questions from the grammar. Each has a seed of its own, so
// that one more question changes no other.
func generate(base time.Time, seed int64, n int) []*question {
	list := make([]*question, n)
	for i := range list {
		g := &generator{Rand: rand.New(rand.NewPCG(uint64(seed), uint64(i)+1000)), base: base}
		list[i] = g.question()
		list[i].name = fmt.Sprintf("made, %s/%d", list[i].name, i+1)
	}
	return list
}

type generator struct {
	*rand.Rand
	base time.Time
	app  app // what the query reads
}

func (g *generator) pick(list ...string) string { return list[g.IntN(len(list))] }

// maybe is s once in n times.
func (g *generator) maybe(n int, s string) string {
	if g.IntN(n) == 0 {
		return s
	}
	return ""
}

func (g *generator) ask(name, path string) *question {
	q := &question{name: name, path: path, params: url.Values{}, tenant: tenantOne, headers: http.Header{}}
	switch g.IntN(12) {
	case 0:
		q.tenant = tenantTwo
	case 1:
		q.tenant = tenantOne + "|" + tenantTwo
	}
	return q
}

// between sets start and end to a part of the span, on a round minute or not.
func (g *generator) between(q *question) {
	from, to := g.IntN(100), g.IntN(100)
	if g.IntN(3) > 0 {
		from, to = 0, 100
	}
	at := func(minutes int) string {
		d := time.Duration(minutes) * time.Minute
		if g.IntN(4) == 0 {
			d += time.Duration(g.Int64N(int64(time.Minute)))
		}
		return fmt.Sprint(g.base.Add(d).UnixNano())
	}
	q.params.Set("start", at(min(from, to)))
	q.params.Set("end", at(max(from, to)+1))
}

func (g *generator) question() *question {
	switch n := g.IntN(100); {
	case n < 40:
		return g.logs(g.logQuery())
	case n < 60:
		return g.metricRange(g.metric(2))
	case n < 77:
		return g.instant(g.metric(2))
	case n < 87:
		return g.broken()
	case n < 92:
		q := g.ask("format_query", "/loki/api/v1/format_query")
		q.params.Set("query", g.anyQuery())
		return q
	}
	return g.other()
}

func (g *generator) anyQuery() string {
	if g.IntN(2) == 0 {
		return g.logQuery()
	}
	return g.metric(2)
}

func (g *generator) logs(query string) *question {
	q := g.ask("log query", "/loki/api/v1/query_range")
	g.between(q)
	q.params.Set("query", query)
	q.params.Set("limit", g.pick("5000", "5000", "1000", "7", "30"))
	q.params.Set("direction", g.pick("backward", "forward"))
	if g.IntN(15) == 0 {
		q.params.Set("interval", g.pick("60", "10m", "0.5"))
	}
	q.categorize = g.IntN(2) == 0
	q.oneTenant(query)
	return q
}

// empties are stages that find empty labels, which Loki drops where it asks
// several tenants.
var empties = regexp.MustCompile(`keep-empty|json |logfmt \w|label_format|json level`)

func (q *question) oneTenant(query string) {
	if empties.MatchString(query) && strings.Contains(q.tenant, "|") {
		q.tenant = tenantOne
	}
}

func (g *generator) metricRange(query string) *question {
	q := g.ask("range query", "/loki/api/v1/query_range")
	g.between(q)
	q.params.Set("query", query)
	q.params.Set("step", g.pick("60", "300", "7m", "20", "600", "1h", "13"))
	q.oneTenant(query)
	return q
}

func (g *generator) instant(query string) *question {
	if g.IntN(16) == 0 {
		query = "approx_topk(" + g.pick("1", "2", "5", "100") + ", sum by (" + g.one(g.app.stored) + ") (" + g.counted() + "))"
	}
	q := g.ask("instant query", "/loki/api/v1/query")
	q.params.Set("query", query)
	q.params.Set("time", fmt.Sprint(g.base.Add(time.Duration(g.IntN(110))*time.Minute).UnixNano()))
	q.oneTenant(query)
	return q
}

var tokens = regexp.MustCompile("\\[[0-9a-z]+\\]|\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|[A-Za-z_0-9.]+|[|!=<>~]{1,2}|\\S")

// broken is a query of which a token is missing, doubled or another's.
func (g *generator) broken() *question {
	words := tokens.FindAllString(g.anyQuery(), -1)
	i := g.IntN(len(words))
	switch g.IntN(4) {
	case 0:
		words = append(words[:i:i], words[i+1:]...)
	case 1:
		words = append(words[:i+1:i+1], words[i:]...)
	case 2:
		words[i] = g.pick("{", "}", "(", ")", ",", "|", "|=", "=", "by", "json", "5", "5m", "1KB", `"x"`, "x", "[5m]", "sum", "or", "bool", "offset", "unwrap", "-", "==", "--strict")
	case 3:
		words = words[:i]
	}
	q := g.logs(strings.Join(words, " "))
	q.name = "broken query"
	q.params.Set("limit", "5000")
	return q
}

// other asks what is no query.
func (g *generator) other() *question {
	selector := g.selector()
	var q *question
	switch g.IntN(10) {
	case 6:
		q = g.ask("detected_field values", "/loki/api/v1/detected_field/"+g.pick("level", "status", "a", "app", "user", "msg", "detected_level", "pod")+"/values")
		q.params.Set("query", g.logQuery())
		q.params.Set("line_limit", "1000")
	case 9:
		q = g.ask("patterns", "/loki/api/v1/patterns")
		q.params.Set("query", selector)
		q.params.Set("step", g.pick("60", "600", "1h", "13"))
	case 7:
		q = g.ask("series", "/loki/api/v1/series")
		q.params["match[]"] = []string{selector, g.selector(), "{" + g.pick(`env="prod"`, `app=~".*o.*", pod=""`, `service_name!~"j.*", app!=""`) + "}"}
	case 8:
		q = g.ask("index/volume_range", "/loki/api/v1/index/volume_range")
		q.params.Set("query", selector)
		q.params.Set("step", g.pick("600", "1h", "300"))
		q.params.Set("aggregateBy", g.pick("series", "labels"))
	case 0:
		q = g.ask("labels", "/loki/api/v1/labels")
		q.params.Set("query", selector)
	case 1:
		q = g.ask("label values", "/loki/api/v1/label/"+g.pick("app", "env", "pod", "lang", "component", "nothing")+"/values")
		q.params.Set("query", selector)
	case 2:
		q = g.ask("series", "/loki/api/v1/series")
		q.params.Set("match[]", selector)
	case 3:
		q = g.ask("index/volume", "/loki/api/v1/index/volume")
		q.params.Set("query", selector)
		q.params.Set("aggregateBy", g.pick("series", "labels"))
	case 4:
		q = g.ask("detected_labels", "/loki/api/v1/detected_labels")
		q.params.Set("query", selector)
	default:
		q = g.ask("detected_fields", "/loki/api/v1/detected_fields")
		q.params.Set("query", g.logQuery())
		q.params.Set("line_limit", "1000")
	}
	q.params.Set("start", fmt.Sprint(g.base.UnixNano()))
	q.params.Set("end", fmt.Sprint(g.base.Add(span).UnixNano()))
	return q
}
