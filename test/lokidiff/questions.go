package main

import (
	"embed"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

//go:embed questions/*.txt
var questionFiles embed.FS

// kinds are the first words of a question and what they ask.
//
//	logs     a log query over the whole span, as many lines as may be asked for
//	range    a metric query over the span, by default every five minutes
//	instant  a metric query near the span's end
//	both     a metric query asked as range and as instant
//	push     a push of the body that follows; $T and seconds are a time since the base
//	otlp     the same to OTLP's endpoint
//	others   the endpoint of that name
//
// Words like name=value before the query are parameters. Times may be +30m:
// since the base. tenant=, categorize= and header:NAME= are no parameters of the
// request but of how it is sent; x=- leaves a parameter out.
var kinds = map[string]string{
	"logs":                  "/loki/api/v1/query_range",
	"range":                 "/loki/api/v1/query_range",
	"instant":               "/loki/api/v1/query",
	"labels":                "/loki/api/v1/labels",
	"series":                "/loki/api/v1/series",
	"stats":                 "/loki/api/v1/index/stats",
	"volume":                "/loki/api/v1/index/volume",
	"volume_range":          "/loki/api/v1/index/volume_range",
	"detected_labels":       "/loki/api/v1/detected_labels",
	"detected_fields":       "/loki/api/v1/detected_fields",
	"patterns":              "/loki/api/v1/patterns",
	"format":                "/loki/api/v1/format_query",
	"tail":                  tailPath,
	"push":                  "/loki/api/v1/push",
	"otlp":                  "/otlp/v1/logs",
	"get":                   "",
	"values":                "/loki/api/v1/label/{name}/values",
	"detected_field_values": "/loki/api/v1/detected_field/{name}/values",
}

// questions are those of the files and n that are made.
func questions(base time.Time, seed int64, n int) ([]*question, error) {
	var list []*question
	err := fs.WalkDir(questionFiles, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := questionFiles.ReadFile(path)
		if err != nil {
			return err
		}
		found, err := parseQuestions(string(text), base)
		if err != nil {
			return fmt.Errorf("%s:%w", path, err)
		}
		list = append(list, found...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	list = append(list, pushes(&generator{Rand: rand.New(rand.NewPCG(uint64(seed), 7)), base: base}, max(n/25, 4))...)
	list = append(list, followed(&generator{Rand: rand.New(rand.NewPCG(uint64(seed), 8)), base: base}, n/100)...)
	return append(list, generate(base, seed, n)...), nil
}

// parseQuestions reads one question a line. A line "== NAME" begins a row.
func parseQuestions(text string, base time.Time) ([]*question, error) {
	var list []*question
	row, n := "", 0
	for i, l := range strings.Split(text, "\n") {
		if name, ok := strings.CutPrefix(l, "== "); ok {
			row, n = strings.TrimSpace(name), 0
			continue
		}
		if strings.TrimSpace(l) == "" || strings.HasPrefix(l, "#") {
			continue
		}
		kind, rest, _ := strings.Cut(l, " ")
		all := []string{kind}
		if kind == "both" {
			all = []string{"range", "instant"}
		}
		for _, kind := range all {
			q, err := parseQuestion(kind, rest, base)
			if err != nil {
				return nil, fmt.Errorf("%d: %w", i+1, err)
			}
			n++
			q.name = fmt.Sprintf("%s/%d", row, n)
			list = append(list, q)
		}
	}
	return list, nil
}

var word = regexp.MustCompile(`^([a-z_A-Z:\[\]-]+)=(\S*)(?: |$)`)

var sinceBase = regexp.MustCompile(`\$T[0-9]+`)

func parseQuestion(kind, rest string, base time.Time) (*question, error) {
	path, ok := kinds[kind]
	if !ok {
		return nil, fmt.Errorf("unknown kind %q", kind)
	}
	q := &question{path: path, params: url.Values{}, tenant: tenantOne, headers: http.Header{}}
	q.defaults(kind, base)
	for {
		m := word.FindStringSubmatch(rest)
		if m == nil {
			break
		}
		rest = rest[len(m[0]):]
		q.set(m[1], m[2], base)
	}
	if kind == "push" || kind == "otlp" {
		q.push = true
		q.body = sinceBase.ReplaceAllStringFunc(strings.TrimSpace(rest), func(s string) string {
			seconds, _ := strconv.Atoi(s[2:])
			return fmt.Sprint(base.Add(time.Duration(seconds) * time.Second).UnixNano())
		})
		return q, nil
	}
	if strings.Contains(rest, "$N") {
		q.tenant = tenantLive
	}
	if rest = strings.TrimSpace(rest); rest != "" {
		text := rest
		if unquoted, err := strconv.Unquote(rest); err == nil && strings.HasPrefix(rest, `"{`) {
			text = unquoted
		}
		q.params.Set("query", text)
	}
	return q, nil
}

func (q *question) defaults(kind string, base time.Time) {
	switch kind {
	case "format", "get":
		return
	case "push", "otlp":
		q.tenant = tenantPush
		q.headers.Set("Content-Type", "application/json")
		return
	case "instant":
		q.set("time", "+1h30m", base)
		return
	case "tail":
		q.set("start", "+0s", base)
		q.set("limit", "1000", base)
		return
	case "logs":
		q.set("limit", "5000", base)
	case "range":
		q.set("step", "300", base)
	}
	q.set("start", "+0s", base)
	q.set("end", "+1h40m", base)
}

func (q *question) set(name, value string, base time.Time) {
	if d, err := time.ParseDuration(value); err == nil && value[0] == '+' {
		value = fmt.Sprint(base.Add(d).UnixNano())
	}
	header, isHeader := strings.CutPrefix(name, "header:")
	switch {
	case isHeader:
		q.headers.Set(header, value)
	case name == "tenant":
		if q.tenant = value; value == "-" {
			q.tenant = ""
		}
	case name == "categorize":
		q.categorize = value == "1"
	case name == "post":
		q.post = value == "1"
	case name == "path":
		q.path = value
	case name == "name":
		q.path = strings.ReplaceAll(q.path, "{name}", url.PathEscape(value))
	case value == "-":
		q.params.Del(name)
	case q.params.Has(name) && name == "match[]":
		q.params.Add(name, value)
	default:
		q.params.Set(name, value)
	}
}
