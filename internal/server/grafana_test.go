package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// grafanaHeaders are on what Grafana's Loki data source sends, whose own headers
// name the tenant and the token.
var grafanaHeaders = []string{
	"User-Agent", "Grafana/12.3.0", "X-Scope-OrgID", "team", "Authorization", "Bearer secret",
	"X-Loki-Response-Encoding-Flags", "categorize-labels", "X-Query-Tags", "Source=datasample", "Accept-Encoding", "gzip", "X-Grafana-Org-Id", "1",
}

// forGrafana is a server with lines as our agent ships them.
func forGrafana(t *testing.T) *rig {
	r := start(t, withStore(openStore(t)), withAuth(t, "secret team"))
	at := func(ago time.Duration) int64 { return noon.Add(-ago).UnixNano() }
	for i, part := range []struct{ component, level, line string }{
		{"worker", "error", "Traceback (most recent call last): OutOfMemory"}, {"worker", "info", "step 1"}, {"gcs", "info", "gcs is up"},
	} {
		s := loki.Stream{
			Labels: logs.LabelsOf("service_name", "ray-cluster", "job", "ray/logs", "RayCluster", "demo", "namespace", "ml", "node_type", "head", "component", part.component),
			Range: &loki.FileRange{
				File: loki.FileID{byte(i + 1)}, To: 100,
				Metadata: logs.LabelsOf("filename", part.component+".out", "node_id", "ab12", "node_ip", "10.0.0.1", "session", "session_1"),
			},
			Entries: []logs.Entry{{Time: at(time.Duration(i+1) * time.Minute), Line: part.line, Metadata: logs.LabelsOf(
				"offset", "0", "detected_level", part.level, "job_id", "01000000", "submission_id", "raysubmit_1", "actor_id", "ff01", "actor_name", "A", "task_name", "train",
			)}},
		}
		got := r.do("POST", pushPath, packed(&loki.Push{Streams: []loki.Stream{s}}), "X-Scope-OrgID", "team", "Authorization", "Bearer secret")
		got.want(t, 204)
	}
	return r
}

// ask sends a request as the data source does and reads the answer into v.
func (r *rig) grafana(path string, v any, params ...string) {
	r.t.Helper()
	req, err := http.NewRequest("GET", r.url+address(path, params...), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(grafanaHeaders); i += 2 {
		if grafanaHeaders[i] != "Accept-Encoding" { // Go asks for it and undoes it
			req.Header.Set(grafanaHeaders[i], grafanaHeaders[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		r.t.Fatalf("%s: %s %v", path, resp.Status, resp.Header)
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		r.t.Fatalf("%s: %v", path, err)
	}
}

// queryAnswer has the fields that the data source reads of a query's answer.
type queryAnswer struct {
	Status string `json:"status"`
	Data   struct {
		ResultType    string   `json:"resultType"`
		EncodingFlags []string `json:"encodingFlags"`
		Result        []struct {
			Stream map[string]string   `json:"stream"`
			Metric map[string]string   `json:"metric"`
			Values [][]json.RawMessage `json:"values"`
			Value  []json.RawMessage   `json:"value"`
		} `json:"result"`
		Stats struct {
			Summary map[string]float64 `json:"summary"`
		} `json:"stats"`
	} `json:"data"`
}

func TestWhatGrafanaReads(t *testing.T) {
	r := forGrafana(t)
	from, to := nanos(noon.Add(-time.Hour)), nanos(noon)
	const sel = `{job="ray/logs"}`

	var health queryAnswer
	r.grafana("/loki/api/v1/query", &health, "direction", "backward", "query", "vector(1)+vector(1)", "time", "4000000000")
	if d := health.Data; d.ResultType != "vector" || len(d.Result) != 1 || string(d.Result[0].Value[1]) != `"2"` {
		t.Errorf("health check: %+v", health)
	}

	var lines queryAnswer
	r.grafana("/loki/api/v1/query_range", &lines, "direction", "backward", "end", to, "limit", "1000", "query", sel+` |= "step" | regexp "(?P<n>[0-9])"`, "start", from, "step", "15000ms")
	d := lines.Data
	if d.ResultType != "streams" || len(d.Result) != 1 || len(d.EncodingFlags) != 1 || d.EncodingFlags[0] != "categorize-labels" {
		t.Fatalf("lines: %+v", lines)
	}
	var extra struct {
		StructuredMetadata map[string]string `json:"structuredMetadata"`
		Parsed             map[string]string `json:"parsed"`
	}
	value := d.Result[0].Values[0]
	if err := json.Unmarshal(value[2], &extra); err != nil {
		t.Fatal(err)
	}
	if string(value[0]) != `"`+nanos(noon.Add(-2*time.Minute))+`"` || string(value[1]) != `"step 1"` || d.Result[0].Stream["RayCluster"] != "demo" ||
		d.Result[0].Stream["filename"] != "" || extra.StructuredMetadata["filename"] != "worker.out" || extra.Parsed["n"] != "1" {
		t.Errorf("line: %s %v %+v", value, d.Result[0].Stream, extra)
	}
	for _, name := range []string{"bytesProcessedPerSecond", "linesProcessedPerSecond", "totalBytesProcessed", "totalLinesProcessed", "execTime", "queueTime", "subqueries", "totalEntriesReturned"} {
		if _, ok := d.Stats.Summary[name]; !ok {
			t.Errorf("the summary lacks %s", name)
		}
	}

	var volume queryAnswer // the histogram above the lines
	r.grafana("/loki/api/v1/query_range", &volume, "direction", "backward", "end", to, "query", `sum by (level, detected_level) (count_over_time(`+sel+`[1m]))`, "start", from, "step", "60000ms")
	if len(volume.Data.Result) != 2 || volume.Data.ResultType != "matrix" || len(volume.Data.EncodingFlags) != 0 || volume.Data.Result[0].Metric["detected_level"] != "error" {
		t.Errorf("histogram: %+v", volume)
	}

	var list struct {
		Status string   `json:"status"`
		Data   []string `json:"data"`
	}
	r.grafana("/loki/api/v1/labels", &list, "start", from, "end", to)
	if fmt.Sprint(list.Data) != "[RayCluster component job namespace node_type service_name]" {
		t.Errorf("labels: %v", list)
	}
	r.grafana("/loki/api/v1/label/component/values", &list, "start", from, "end", to, "query", `{RayCluster="demo"}`)
	if fmt.Sprint(list.Data) != "[gcs worker]" {
		t.Errorf("values: %v", list)
	}
	var series struct {
		Data []map[string]string `json:"data"`
	}
	r.grafana("/loki/api/v1/series", &series, "match[]", `{component="gcs"}`, "start", from, "end", to)
	if len(series.Data) != 1 || series.Data[0]["node_type"] != "head" {
		t.Errorf("series: %v", series)
	}
	var stats struct{ Streams, Chunks, Bytes, Entries int }
	r.grafana("/loki/api/v1/index/stats", &stats, "query", sel, "start", from, "end", to)
	if stats.Streams != 2 || stats.Entries != 3 || stats.Bytes == 0 || stats.Chunks == 0 {
		t.Errorf("stats: %+v", stats)
	}
	var volumes queryAnswer // of Drilldown's first page
	r.grafana("/loki/api/v1/index/volume", &volumes, "query", `{service_name=~".+"}`, "start", from, "end", to, "limit", "5000", "targetLabels", "service_name", "aggregateBy", "series")
	if len(volumes.Data.Result) != 1 || volumes.Data.Result[0].Metric["service_name"] != "ray-cluster" || len(volumes.Data.Result[0].Value) != 2 {
		t.Errorf("volumes: %+v", volumes)
	}
	var labels struct {
		DetectedLabels []struct {
			Label       string
			Cardinality int
		}
	}
	r.grafana("/loki/api/v1/detected_labels", &labels, "query", "", "start", from, "end", to)
	if len(labels.DetectedLabels) != 6 || labels.DetectedLabels[1].Label != "component" || labels.DetectedLabels[1].Cardinality != 2 {
		t.Errorf("detected labels: %+v", labels)
	}
	var fields struct {
		Fields []struct {
			Label, Type string
			Cardinality int
			Parsers     []string
			JSONPath    []string
		}
		Limit int
	}
	r.grafana("/loki/api/v1/detected_fields", &fields, "query", sel, "start", from, "end", to, "line_limit", "1000", "limit", "100")
	if len(fields.Fields) < 10 || fields.Limit != 100 || fields.Fields[0].Type == "" {
		t.Errorf("detected fields: %+v", fields)
	}
	var values struct{ Values []string }
	r.grafana("/loki/api/v1/detected_field/filename/values", &values, "query", sel, "start", from, "end", to)
	if fmt.Sprint(values.Values) != "[worker.out gcs.out]" {
		t.Errorf("values of a field: %+v", values)
	}
	var patterns struct {
		Data []struct {
			Pattern, Level string
			Samples        [][2]int64
		}
	}
	r.grafana("/loki/api/v1/patterns", &patterns, "query", sel, "start", from, "end", to, "step", "60s")
	if len(patterns.Data) != 3 || len(patterns.Data[0].Samples) != 1 {
		t.Errorf("patterns: %+v", patterns)
	}
	var limits struct {
		Limits                 map[string]any
		PatternIngesterEnabled bool `json:"pattern_ingester_enabled"`
	}
	r.grafana("/loki/api/v1/drilldown-limits", &limits)
	if !limits.PatternIngesterEnabled || limits.Limits["volume_enabled"] != true {
		t.Errorf("limits: %+v", limits)
	}
	var rules struct{ Data struct{ Groups []any } }
	r.grafana("/prometheus/api/v1/rules", &rules)

	// A message that Grafana shows as it is.
	got := r.do("GET", address("/loki/api/v1/query_range", "query", "{"), nil, grafanaHeaders...)
	got.want(t, 400, "parse error at line 1, col 2")
}

func TestWhatGrafanaTails(t *testing.T) {
	r := forGrafana(t)
	h := http.Header{}
	for i := 0; i < len(grafanaHeaders); i += 2 {
		h.Set(grafanaHeaders[i], grafanaHeaders[i+1])
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(r.url, "http")+address("/loki/api/v1/tail", "query", `{component="gcs"}`), &websocket.DialOptions{HTTPHeader: h})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body != nil {
		defer resp.Body.Close()
	}
	defer conn.CloseNow()
	_, frame, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		EncodingFlags []string `json:"encodingFlags"`
		Streams       []struct {
			Stream map[string]string
			Values [][]json.RawMessage
		}
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.EncodingFlags) != 1 || len(f.Streams) != 1 || f.Streams[0].Stream["component"] != "gcs" || len(f.Streams[0].Values[0]) != 3 || string(f.Streams[0].Values[0][1]) != `"gcs is up"` {
		t.Errorf("frame: %s", frame)
	}
}

// Each query of each dashboard is answered with something.
func TestDashboards(t *testing.T) {
	r := forGrafana(t)
	files, err := filepath.Glob("../../deploy/grafana/dashboards/*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("dashboards are %q, %v", files, err)
	}
	uids := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			UID, Title string
			Templating struct {
				List []struct {
					Name, Type string
					Query      json.RawMessage
				}
			}
			Panels []struct {
				Title   string
				Targets []struct{ Expr, QueryType string }
			}
		}
		if err := json.Unmarshal(text, &board); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if uids[board.UID] || board.UID == "" || board.Title == "" {
			t.Errorf("%s: its uid %q is no name of its own", file, board.UID)
		}
		uids[board.UID] = true
		for _, v := range board.Templating.List {
			var q struct{ Label, Stream string }
			if v.Type != "query" {
				continue
			}
			if err := json.Unmarshal(v.Query, &q); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			var values struct{ Data []string }
			if r.grafana("/loki/api/v1/label/"+q.Label+"/values", &values, "query", filled(q.Stream)); len(values.Data) == 0 {
				t.Errorf("%s: nothing to choose for %s", file, v.Name)
			}
		}
		for _, p := range board.Panels {
			for _, target := range p.Targets {
				path, when := "/loki/api/v1/query_range", []string{"step", "60000ms"}
				if target.QueryType == "instant" {
					path, when = "/loki/api/v1/query", nil
				}
				var a queryAnswer
				if r.grafana(path, &a, append(when, "query", filled(target.Expr))...); len(a.Data.Result) == 0 {
					t.Errorf("%s: %s: nothing is found by %s", file, p.Title, target.Expr)
				}
			}
		}
	}
}

// filled puts values where Grafana puts them.
func filled(query string) string {
	return strings.NewReplacer("$cluster", "demo", "$component", ".+", "$text", "", "$__auto", "1m", "$__range", "1h").Replace(query)
}

// What Grafana's chart is given is what is provisioned without it.
func TestProvisioning(t *testing.T) {
	read := func(name string, v any) {
		t.Helper()
		text, err := os.ReadFile("../../deploy/grafana/" + name)
		if err == nil {
			err = yaml.Unmarshal(text, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var values struct {
		Datasources        map[string]any    `yaml:"datasources"`
		DashboardProviders map[string]any    `yaml:"dashboardProviders"`
		ConfigMaps         map[string]string `yaml:"dashboardsConfigMaps"`
	}
	read("values.yaml", &values)
	for name, chart := range map[string]any{"datasources": values.Datasources["remora.yaml"], "dashboards": values.DashboardProviders["remora.yaml"]} {
		var alone any
		read("provisioning/"+name+"/remora.yaml", &alone)
		if fmt.Sprint(alone) != fmt.Sprint(chart) {
			t.Errorf("%s differ: %v and %v", name, alone, chart)
		}
	}
	if values.ConfigMaps["remora"] == "" {
		t.Error("the chart mounts no dashboards")
	}
}
