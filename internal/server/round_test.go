package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// What one server with the real store answers about three lines, one of them of
// a file.
func TestRoundTrip(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	gcs := logs.LabelsOf("job", "ray/logs", "component", "gcs")
	worker := logs.LabelsOf("job", "ray/logs", "component", "worker")
	file := stream(worker, "hello <b>")
	file.Entries[0].Metadata = logs.LabelsOf("offset", "7", "detected_level", "error")
	file.Range = &loki.FileRange{File: loki.FileID{1}, From: 0, To: 20, Metadata: logs.LabelsOf("filename", "worker.out")}
	r.push(stream(gcs, "one", "two"), file).want(t, 204)
	r.push(stream(gcs, "one", "two"), file).want(t, 204) // a repeat is stored once

	categorized := []string{"X-Loki-Response-Encoding-Flags", "categorize-labels"}
	tests := []struct {
		name   string
		path   string
		header []string
		want   string // JSON; statistics left out
	}{
		{
			"labels merged", address("/loki/api/v1/query_range", "query", `{job="ray/logs"}`), nil,
			`{"status":"success","data":{"resultType":"streams","result":[
			{"stream":{"component":"gcs","detected_level":"unknown","job":"ray/logs","service_name":"gcs"},"values":[["1795262399999000000","two"],["1795262399998000000","one"]]},
			{"stream":{"component":"worker","detected_level":"error","filename":"worker.out","job":"ray/logs","offset":"7"},"values":[["1795262399999000000","hello <b>"]]}]}}`,
		},
		{
			"labels apart", address("/loki/api/v1/query_range", "query", `{component="worker"}`, "direction", "FORWARD"), categorized,
			`{"status":"success","data":{"resultType":"streams","encodingFlags":["categorize-labels"],"result":[
			{"stream":{"component":"worker","job":"ray/logs"},"values":[["1795262399999000000","hello <b>",
			{"structuredMetadata":{"detected_level":"error","filename":"worker.out","offset":"7"}}]]}]}}`,
		},
		{
			"parsed labels", address("/loki/api/v1/query_range", "query", `{component="worker"} | pattern "<word> <_>"`), categorized,
			`{"status":"success","data":{"resultType":"streams","encodingFlags":["categorize-labels"],"result":[
			{"stream":{"component":"worker","job":"ray/logs"},"values":[["1795262399999000000","hello <b>",
			{"structuredMetadata":{"detected_level":"error","filename":"worker.out","offset":"7"},"parsed":{"word":"hello"}}]]}]}}`,
		},
		{
			"no lines", address("/loki/api/v1/query_range", "query", `{component="none"}`), nil,
			`{"status":"success","data":{"resultType":"streams","result":[]}}`,
		},
		{
			"matrix", address("/loki/api/v1/query_range", "query", `sum by (component) (count_over_time({job="ray/logs"}[1m]))`,
				"start", "1795262400", "end", "1795262460", "step", "60"), categorized,
			`{"status":"success","data":{"resultType":"matrix","result":[
			{"metric":{"component":"gcs"},"values":[[1795262400,"2"]]},{"metric":{"component":"worker"},"values":[[1795262400,"1"]]}]}}`,
		},
		{
			"vector", address("/loki/api/v1/query", "query", `count_over_time({component="gcs"}[1m])`), nil,
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"component":"gcs","detected_level":"unknown","job":"ray/logs","service_name":"gcs"},"value":[1795262400,"2"]}]}}`,
		},
		{
			"health check of Grafana", address("/loki/api/v1/query", "query", `vector(1)+vector(1)`, "time", "4000000000"), nil,
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[4000000000,"2"]}]}}`,
		},
		{
			"scalar", address("/loki/api/v1/query", "query", `2*3`, "time", "1.5"), nil,
			`{"status":"success","data":{"resultType":"scalar","result":[1.500,"6"]}}`,
		},
		{"labels", "/loki/api/v1/labels", nil, `{"status":"success","data":["component","job","service_name"]}`},
		{"label, by its older name", "/loki/api/v1/label", nil, `{"status":"success","data":["component","job","service_name"]}`},
		{"values", "/loki/api/v1/label/component/values", nil, `{"status":"success","data":["gcs","worker"]}`},
		{
			"values of some streams", address("/loki/api/v1/label/component/values", "query", `{job="ray/logs",component!="gcs"}`), nil,
			`{"status":"success","data":["worker"]}`,
		},
		{"values of an unknown label", "/loki/api/v1/label/other/values", nil, `{"status":"success"}`},
		{
			"series", address("/loki/api/v1/series", "match[]", `{component="gcs"}`, "match", `{job=~".+"}`), nil,
			`{"status":"success","data":[{"component":"gcs","job":"ray/logs","service_name":"gcs"},{"component":"worker","job":"ray/logs"}]}`,
		},
		{"all series", address("/loki/api/v1/series", "match[]", "{}"), nil, `{"status":"success","data":[{"component":"gcs","job":"ray/logs","service_name":"gcs"},{"component":"worker","job":"ray/logs"}]}`},
		{"no series", address("/loki/api/v1/series", "match[]", `{a="b"}`), nil, `{"status":"success","data":[]}`},
		{"another tenant", "/loki/api/v1/labels", []string{"X-Scope-OrgID", "other"}, `{"status":"success"}`},
		{"two tenants", "/loki/api/v1/labels", []string{"X-Scope-OrgID", "other|fake"}, `{"status":"success","data":["__tenant_id__","component","job","service_name"]}`},
		{
			"formatted query", address("/loki/api/v1/format_query", "query", `{a="b"}|="x"`), nil,
			`{"status":"success","data":"{a=\"b\"} |= \"x\""}`,
		},
		{
			"committed offsets", "POST /api/remora/v1/offsets",
			[]string{"body", `{"files":["01000000000000000000000000000000","02000000000000000000000000000000"]}`},
			`{"files":[{"file":"01000000000000000000000000000000","committed":20},{"file":"02000000000000000000000000000000","committed":0}]}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(r, tt.path, tt.header)
			got.want(t, 200)
			if ct := got.header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
				t.Errorf("content type %q", ct)
			}
			if d := cmp.Diff(decoded(t, tt.want), withoutStats(decoded(t, got.body))); d != "" {
				t.Errorf("answer differs (-want +got):\n%s", d)
			}
		})
	}
}

func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("answer is not JSON: %v: %s", err, text)
	}
	return v
}

func withoutStats(v map[string]any) map[string]any {
	if data, ok := v["data"].(map[string]any); ok {
		delete(data, "stats")
	}
	if files, ok := v["files"].([]any); ok {
		for _, f := range files {
			delete(f.(map[string]any), "generations")
		}
	}
	return v
}

// ask sends "POST /path" or, without a method, a GET; a header "body" is the
// body.
func ask(r *rig, path string, header []string) answer {
	method := "GET"
	if m, rest, ok := strings.Cut(path, " "); ok {
		method, path = m, rest
	}
	var body []byte
	if len(header) > 1 && header[0] == "body" {
		body, header = []byte(header[1]), header[2:]
	}
	return r.do(method, path, body, header...)
}
