package server_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/server"
	"github.com/remora-ray/remora/internal/store"
)

func TestBadQueries(t *testing.T) {
	r := start(t)
	const queryRange, instant = "/loki/api/v1/query_range", "/loki/api/v1/query"
	long := `{a="` + strings.Repeat("b", 1<<20) + `"}`
	tests := []struct {
		name   string
		path   string
		params []string
		status int
		want   string
	}{
		{"no query", queryRange, nil, 400, "syntax error: unexpected $end"},
		{"syntax", queryRange, []string{"query", `{a="b"} |= 5`}, 400, "parse error at line 1, col"},
		{"selector that matches all", queryRange, []string{"query", `{a=~".*"}`}, 400, "queries require at least one regexp or equality matcher"},
		{"bad regexp", queryRange, []string{"query", `{a=~"("}`}, 400, "parse error"},
		{"query of 1 MB", queryRange, []string{"query", long}, 400, "query has 1048582 bytes, at most 131071 are allowed"},
		{"log query at an instant", instant, []string{"query", `{a="b"}`}, 400, "log queries are not supported as an instant query type, please change your query to a range query type"},
		{"start", queryRange, []string{"query", `{a="b"}`, "start", "yesterday"}, 400, `could not parse 'start' parameter: strconv.ParseInt: parsing "yesterday": invalid syntax`},
		{"end before start", queryRange, []string{"query", `{a="b"}`, "start", "200", "end", "100"}, 400, "end timestamp must not be before or equal to start time"},
		{"far future", queryRange, []string{"query", `{a="b"}`, "end", "9999-12-31T23:59:59Z"}, 400, "value out of range"},
		{"far future in seconds", queryRange, []string{"query", `{a="b"}`, "end", "99999999999999999999"}, 400, "value out of range"},
		{"range too long", queryRange, []string{"query", `{a="b"}`, "start", "1"}, 400, "the query time range exceeds the limit"},
		{"since", queryRange, []string{"query", `{a="b"}`, "since", "1.5h"}, 400, `could not parse 'since' parameter: unknown unit "." in duration "1.5h"`},
		{"limit 0", queryRange, []string{"query", `{a="b"}`, "limit", "0"}, 400, "limit must be a positive value"},
		{"limit too large", queryRange, []string{"query", `{a="b"}`, "limit", "5001"}, 400, "max entries limit per query exceeded, limit > max_entries_limit_per_query (5001 > 5000)"},
		{"limit in words", queryRange, []string{"query", `{a="b"}`, "limit", "all"}, 400, `strconv.Atoi: parsing "all": invalid syntax`},
		{"direction", queryRange, []string{"query", `{a="b"}`, "direction", "up"}, 400, "invalid direction 'up'"},
		{"step 0", queryRange, []string{"query", `{a="b"}`, "step", "0"}, 400, "zero or negative query resolution step widths are not accepted"},
		{"step", queryRange, []string{"query", `{a="b"}`, "step", "1.5s"}, 400, `cannot parse "1.5s" to a valid duration`},
		{"too many points", queryRange, []string{"query", `{a="b"}`, "step", "0.1", "since", "1h"}, 400, "exceeded maximum resolution of 11,000 points per time series"},
		{"interval", queryRange, []string{"query", `{a="b"}`, "interval", "-1"}, 400, "interval must be >= 0"},
		{"time", instant, []string{"query", "1", "time", "NaN"}, 400, `strconv.ParseInt: parsing "NaN": invalid syntax`},
		{"escapes", queryRange + "?query=%zz", nil, 400, "read parameters"},
		{"selector of labels", "/loki/api/v1/labels", []string{"query", "{"}, 400, "parse error"},
		{"selector of series", "/loki/api/v1/series", []string{"match[]", "nope"}, 400, "parse error"},
		{"selectors of 1 MB", "/loki/api/v1/series", []string{"match[]", long}, 400, "more than 131071 bytes"},
		{"very many selectors", "/loki/api/v1/series?" + strings.Repeat("match=&", 101), nil, 400, "101 selectors are given, at most 100 are allowed"},
		{"selector of stats", "/loki/api/v1/index/stats", []string{"query", `{a="b"} |= "c"`}, 400, "only label matchers are supported"},
		{"format", "/loki/api/v1/format_query", []string{"query", "{"}, 400, `"status":"invalid-query"`},
		{"tail of a metric", "/loki/api/v1/tail", []string{"query", `rate({a="b"}[1m])`}, 400, "only log queries can be followed"},
		{"tail of nonsense", "/loki/api/v1/tail", []string{"query", "{"}, 400, "parse error"},
		{"tail with a long delay", "/loki/api/v1/tail", []string{"query", `{a="b"}`, "delay_for", "6"}, 400, "delay_for can't be greater than 5"},
		{"tail without a WebSocket", "/loki/api/v1/tail", []string{"query", `{a="b"}`}, 426, "WebSocket"},
		{"unknown endpoint", "/loki/api/v1/nothing", nil, 404, "there is nothing at /loki/api/v1/nothing"},
		{"unknown endpoint of ours", "/api/remora/v2/x", nil, 404, "there is nothing at"},
		{"OTLP for metrics", "/otlp/v1/metrics", nil, 404, "logs are taken at /otlp/v1/logs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.get(tt.path, tt.params...)
			got.want(t, tt.status, tt.want)
			if ct := got.header.Get("Content-Type"); tt.status != 426 && tt.name != "format" && ct != "text/plain; charset=utf-8" {
				t.Errorf("content type %q", ct)
			}
			if len(got.body) > 2000 {
				t.Errorf("answer has %d bytes", len(got.body))
			}
		})
	}
}

func TestMethods(t *testing.T) {
	r := start(t)
	for path, methods := range map[string][2]string{
		"/loki/api/v1/push":        {"GET", "POST"},
		"/api/remora/v1/offsets":   {"GET", "POST"},
		"/loki/api/v1/query_range": {"DELETE", "GET, HEAD, POST"},
		"/loki/api/v1/tail":        {"POST", "GET, HEAD"},
		"/ready":                   {"POST", "GET, HEAD"},
		"/":                        {"POST", "GET, HEAD"},
	} {
		got := r.do(methods[0], path, nil)
		got.want(t, 405, methods[0]+" is not allowed for "+path)
		if allow := got.header.Get("Allow"); allow != methods[1] {
			t.Errorf("%s allows %q", path, allow)
		}
	}
	r.do("POST", "/loki/api/v1/nothing", nil).want(t, 404, "there is nothing at")
}

func TestPostForm(t *testing.T) {
	r := start(t, withLimits(server.Limits{FormBytes: 1 << 20}))
	r.push(stream(logs.LabelsOf("app", "x"), "one")).want(t, 204)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	r.do("POST", "/loki/api/v1/query_range?limit=5", []byte(`query=%7Bapp%3D%22x%22%7D`), form...).want(t, 200, `"one"]`)
	r.do("POST", "/loki/api/v1/query_range", []byte("query="+strings.Repeat("x", 1<<20)), form...).want(t, 413, "larger than the 1048576 bytes allowed")
}

func TestGzipAnswers(t *testing.T) {
	r := start(t)
	lines := make([]string, 100)
	for i := range lines {
		lines[i] = "a line that is long enough to be worth it"
	}
	r.push(stream(logs.LabelsOf("app", "x"), lines...)).want(t, 204)
	path := address("/loki/api/v1/query_range", "query", `{app="x"}`)
	plain := r.do("GET", path, nil, "Accept-Encoding", "gzip;q=0")
	got := r.do("GET", path, nil, "Accept-Encoding", "deflate, gzip;q=0.8")
	if got.header.Get("Content-Encoding") != "gzip" || plain.header.Get("Content-Encoding") != "" || len(got.body)*5 > len(plain.body) {
		t.Fatalf("compressed %q %d bytes, plain %q %d bytes", got.header.Get("Content-Encoding"), len(got.body), plain.header.Get("Content-Encoding"), len(plain.body))
	}
	z, err := gzip.NewReader(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(z)
	if err != nil || strings.Count(string(body), "long enough") != 100 {
		t.Errorf("%v: %s", err, body)
	}
}

// engineFunc is an engine made for one test.
type engineFunc func(context.Context) (*exec.Result, error)

func (f engineFunc) Run(ctx context.Context, _ exec.Source, _ exec.Params) (*exec.Result, error) {
	return f(ctx)
}

func TestQueryTimeout(t *testing.T) {
	r := start(t, withStore(&memoryStore{block: make(chan struct{})}), withLimits(server.Limits{QueryTimeout: 20 * time.Millisecond}))
	r.get("/loki/api/v1/query_range", "query", `{a="b"}`).want(t, 504, "request timed out, decrease the duration of the request or add more label matchers")
	r.get("/loki/api/v1/labels").want(t, 504, "request timed out")
}

func TestQueryErrors(t *testing.T) {
	r := start(t, withStore(&memoryStore{readErr: errors.New("read index: bad block")}))
	r.get("/loki/api/v1/query_range", "query", `{a="b"}`).want(t, 500, "read index: bad block")
	r.get("/loki/api/v1/series").want(t, 500, "read index: bad block")
	if !strings.Contains(r.log.String(), "level=WARN msg=request route=query_range") {
		t.Errorf("log: %s", r.log)
	}
	p := start(t, withEngine(engineFunc(func(context.Context) (*exec.Result, error) { panic("oh no") })))
	p.get("/loki/api/v1/query", "query", "1").want(t, 500, "internal error: see the server's log")
	if !strings.Contains(p.log.String(), "oh no") || !strings.Contains(p.log.String(), "query_test.go") {
		t.Errorf("log: %s", p.log)
	}
	p.get("/ready").want(t, 200, "ready")
}

// A client that goes away ends its query, and the metrics tell.
func TestClientGone(t *testing.T) {
	running := make(chan struct{})
	r := start(t, withEngine(engineFunc(func(ctx context.Context) (*exec.Result, error) {
		close(running)
		<-ctx.Done()
		return nil, ctx.Err()
	})))
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", r.url+"/loki/api/v1/query?query=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-running
		cancel()
	}()
	if _, err := http.DefaultClient.Do(req); err == nil { //nolint:bodyclose // there is none
		t.Fatal("an answer to a cancelled request")
	}
	eventually(t, func() bool {
		return strings.Contains(r.get("/metrics").body, `remora_server_requests_total{route="query",status="499"} 1`)
	})
}

func TestTooManyQueries(t *testing.T) {
	block := make(chan struct{})
	r := start(t, withStore(&memoryStore{block: block}), withLimits(server.Limits{Queries: 1, QueuedQueries: 1}))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { r.get("/loki/api/v1/labels").want(t, 200) })
	}
	eventually(t, func() bool {
		m := r.get("/metrics").body
		return strings.Contains(m, "remora_server_queries_running 1") && strings.Contains(m, "remora_server_queries_waiting 1")
	})
	got := r.get("/loki/api/v1/labels")
	got.want(t, 429, "too many outstanding requests")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(block)
	wg.Wait()
}

func TestQueryTagsAreLogged(t *testing.T) {
	r := start(t)
	r.do("GET", "/loki/api/v1/labels", nil, "X-Query-Tags", "Source=logvolhist\x09,a=\"b\"").want(t, 200)
	if !strings.Contains(r.log.String(), `tags="Source=logvolhist_,a=_b_"`) {
		t.Errorf("log: %s", r.log)
	}
}

// Neither lines nor tokens reach the log, whatever happens to a request.
func TestLogsHoldNoContent(t *testing.T) {
	r := start(t, withAuth(t, "top-secret fake"))
	header := []string{"Content-Type", "application/json", "Authorization", "Bearer top-secret"}
	r.do("POST", pushPath, []byte(jsonPush(jsonLine(noon, "my private line"), jsonLine(noon.AddDate(0, -1, 0), "my private line"))), header...).want(t, 400)
	r.do("POST", pushPath, []byte(jsonPush(`["x","my private line"]`)), header...).want(t, 400)
	r.do("GET", "/loki/api/v1/labels", nil, "Authorization", "Bearer wrong-secret").want(t, 401)
	for _, secret := range []string{"private", "top-secret", "wrong-secret"} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("%q was logged: %s", secret, r.log)
		}
	}
	if !strings.Contains(r.log.String(), "route=push method=POST status=400") {
		t.Errorf("log: %s", r.log)
	}
}

func (engineFunc) Prepare(string) (*exec.Prepared, error) {
	return nil, errors.New("nothing is followed")
}

// greedyStore has questions that take more memory than one may have.
type greedyStore struct{ memoryStore }

func (*greedyStore) Buckets(context.Context, []string, logs.BucketQuery, func(logs.Bucket) error) error {
	return &store.MemoryError{What: "the groups that it counts", Limit: 256 << 20}
}

func TestAQueryThatNeedsTooMuchMemoryIsToldToBeNarrowed(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Store = &greedyStore{} })
	a := r.get("/loki/api/v1/query", "query", `sum by (offset) (count_over_time({app="x"}[1h]))`)
	if a.status != http.StatusBadRequest || !strings.Contains(a.body, "256 MiB") || !strings.Contains(a.body, "narrow it") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
