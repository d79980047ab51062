package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/server"
)

const limitsFile = `
defaults: {max_line_size: 200000}
tenants:
  small: {ingestion_rate_mb: 0.001, ingestion_burst_size_mb: 0.002, max_global_streams_per_user: 2, max_line_size: 1500, max_query_length: 30m, max_concurrent_queries: 1}
`

func withTenants(t *testing.T, text string) option {
	t.Helper()
	path := filepath.Join(t.TempDir(), "limits.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	limits, err := server.LoadLimits(path)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *server.Config) { c.Tenants = limits }
}

func TestLimitsOfATenant(t *testing.T) {
	now := noon
	r := start(t, withStore(openStore(t)), withTenants(t, limitsFile), func(c *server.Config) { c.Now = func() time.Time { return now } })
	push := func(tenant, app, line string) answer {
		return r.pushJSON(`{"streams":[{"stream":{"app":"`+app+`"},"values":[`+jsonLine(now, line)+`]}]}`, "X-Scope-OrgID", tenant)
	}
	// The rate: what was not sent is there later, up to the burst.
	push("small", "one", strings.Repeat("x", 1400)).want(t, 204)
	got := push("small", "one", strings.Repeat("y", 1400))
	got.want(t, 429, "ingestion rate limit exceeded for user small (limit: 1049 bytes/sec) while attempting to ingest '1' lines totaling '1400' bytes, "+
		"reduce log volume or contact your Loki administrator to see if the limit can be increased")
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
	}
	push("large", "one", strings.Repeat("y", 190_000)).want(t, 204)
	now = now.Add(2 * time.Second)
	push("small", "one", strings.Repeat("y", 1400)).want(t, 204)

	// The size of a line.
	now = now.Add(time.Minute)
	push("small", "one", strings.Repeat("z", 1501)).want(t, 400, "max entry size '1500' bytes exceeded")
	push("large", "one", strings.Repeat("z", 200_001)).want(t, 400, "max entry size '200000' bytes exceeded")

	// Streams: the third waits until one of the first was quiet for an hour. Our
	// agent's are not counted.
	now = now.Add(time.Minute)
	push("small", "two", "x").want(t, 204)
	push("small", "three", "x").want(t, 429, `Maximum active stream limit exceeded when trying to create stream {app="three", service_name="three"}, reduce the number of active streams`, "user: 'small'")
	file := stream(logs.LabelsOf("job", "ray/logs"), "x")
	file.Entries[0].Metadata = logs.LabelsOf("offset", "0")
	file.Range = &loki.FileRange{File: loki.FileID{1}, To: 9}
	r.do("POST", pushPath, packed(&loki.Push{Streams: []loki.Stream{file}}), "X-Scope-OrgID", "small").want(t, 204)
	now = now.Add(61 * time.Minute)
	push("small", "three", "x").want(t, 204)

	// The range of a query, also where a tenant is one of several.
	for tenants, status := range map[string]int{"small": 400, "large": 200, "large|small": 400} {
		got := r.do("GET", address("/loki/api/v1/query_range", "query", `{app="one"}`, "since", "31m"), nil, "X-Scope-OrgID", tenants)
		if got.status != status || status == 400 && !strings.Contains(got.body, "the query time range exceeds the limit (query length: 31m0s, limit: 30m)") {
			t.Errorf("%s: %d %s", tenants, got.status, got.body)
		}
	}
}

func TestQueriesOfATenantAtOnce(t *testing.T) {
	store := &memoryStore{block: make(chan struct{})}
	r := start(t, withStore(store), withTenants(t, limitsFile))
	query := func(tenant string) answer {
		return r.do("GET", address("/loki/api/v1/query_range", "query", `{app="x"}`, "since", "5m"), nil, "X-Scope-OrgID", tenant)
	}
	first := make(chan answer, 1)
	go func() { first <- query("small") }()
	eventually(t, func() bool { return store.waiting() == 1 })
	query("small").want(t, 429, "too many outstanding requests")
	go func() { first <- query("large") }()
	eventually(t, func() bool { return store.waiting() == 2 })
	close(store.block)
	for range 2 {
		(<-first).want(t, 200)
	}
	query("small").want(t, 200)
}

// The file in the documentation is one.
func TestLimitsInTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the documentation has no example")
	}
	r := start(t, withTenants(t, example))
	r.do("GET", address("/loki/api/v1/query_range", "query", `{a="b"}`, "since", "720h1s"), nil, "X-Scope-OrgID", "team-a").want(t, 400, "limit: 30d)")
}

func TestBadLimits(t *testing.T) {
	for text, want := range map[string]string{
		"defaults: {ingestion_rate: 4}":      "field ingestion_rate not found",
		"tenants: {..: {}}":                  `tenant name ".." is not allowed`,
		"defaults: {max_query_length: soon}": `cannot parse "soon" to a valid duration`,
		"defaults: {max_line_size: large}":   "cannot unmarshal",
		"rates: {}":                          "field rates not found",
	} {
		path := filepath.Join(t.TempDir(), "limits.yaml")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := server.LoadLimits(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := server.LoadLimits("nope"); err == nil {
		t.Error("a file that is not there was read")
	}
}

// What the server remembers of tenants and streams stays bounded.
func TestManyTenantsAndStreams(t *testing.T) {
	r := start(t, withTenants(t, "defaults: {max_global_streams_per_user: 50}"))
	refused := 0
	for i := range 100 {
		got := r.pushJSON(fmt.Sprintf(`{"streams":[{"stream":{"n":"%d"},"values":[%s]}]}`, i, jsonLine(noon, "x")))
		if got.status == 429 {
			refused++
		}
	}
	if refused != 50 {
		t.Errorf("%d of 100 streams were refused, 50 are allowed", refused)
	}
}
