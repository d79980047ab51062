package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What a Loki has and we have not is answered with what to do instead.
func TestWhatIsNotServedIsExplained(t *testing.T) {
	r := start(t)
	for _, path := range []string{
		"/api/prom/query", "/api/prom/label", "/api/prom/tail", "/loki/api/v1/index/shards", "/loki/api/v2alpha/tail", "/flush", "/ring",
		"/ingester/shutdown", "/loki/api/v1/cache/generation_numbers", "/loki/api/v1/rules", "/loki/api/v1/rules/ns/group", "/api/prom/rules", "/otlp/v1/traces",
	} {
		for _, method := range []string{"GET", "POST"} {
			got := r.do(method, path, nil)
			got.want(t, 404, "there is nothing at "+path+": ")
			if strings.Count(strings.TrimSpace(got.body), "\n") > 0 || len(got.body) < 60 {
				t.Errorf("%s: %q is no sentence", path, got.body)
			}
		}
	}
	// Grafana takes these words for a server without rules.
	r.get("/loki/api/v1/rules").want(t, 404, "page not found")
}

func TestWhatGrafanaAsksBesides(t *testing.T) {
	r := start(t)
	r.get("/prometheus/api/v1/rules").want(t, 200, `{"status":"success","data":{"groups":[]},"errorType":"","error":""}`)
	r.get("/prometheus/api/v1/alerts").want(t, 200, `{"status":"success","data":{"alerts":[]},"errorType":"","error":""}`)
	var limits struct {
		Limits struct {
			MaxEntries  int      `json:"max_entries_limit_per_query"`
			MaxSeries   int      `json:"max_query_series"`
			MaxLength   string   `json:"max_query_length"`
			Volume      bool     `json:"volume_enabled"`
			Services    []string `json:"discover_service_name"`
			LevelFields []string `json:"log_level_fields"`
		}
		Patterns bool   `json:"pattern_ingester_enabled"`
		Version  string `json:"version"`
	}
	if err := json.Unmarshal([]byte(r.get("/loki/api/v1/drilldown-limits").body), &limits); err != nil {
		t.Fatal(err)
	}
	l := limits.Limits
	if l.MaxEntries != 5000 || l.MaxSeries != 500 || l.MaxLength != "30d1h" || !l.Volume || len(l.Services) != 13 || len(l.LevelFields) != 14 || !limits.Patterns || limits.Version != "v0.0.0-test" {
		t.Errorf("limits are %+v", limits)
	}
}

func TestConfigIsYAMLWithoutSecrets(t *testing.T) {
	r := start(t, withAuth(t, "very-secret *"))
	got := r.do("GET", "/config", nil, "Authorization", "Bearer very-secret")
	got.want(t, 200)
	var settings struct {
		AuthEnabled bool           `yaml:"auth_enabled"`
		Server      map[string]any `yaml:"server"`
		Queries     map[string]any `yaml:"queries"`
	}
	if err := yaml.Unmarshal([]byte(got.body), &settings); err != nil {
		t.Fatal(err)
	}
	if !settings.AuthEnabled || settings.Server["query_timeout"] != "1m" || settings.Queries["max_range"] != "30d1h" || settings.Queries["max_series"] != 500 {
		t.Errorf("settings are %+v", settings)
	}
	if strings.Contains(got.body, "secret") {
		t.Error("settings tell a token")
	}
	r.get("/config").want(t, 401)
	r.do("GET", "/services", nil, "Authorization", "Bearer very-secret").want(t, 200, "store => Running")
}
