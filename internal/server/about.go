package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/detect"
	"github.com/remora-ray/remora/internal/logql/plan"
)

// drilldownLimits answers /loki/api/v1/drilldown-limits: what Grafana's Logs
// Drilldown asks before it offers a choice.
func (s *Server) drilldownLimits(w http.ResponseWriter, r *request) error {
	q := s.queryLimits()
	body, err := json.Marshal(map[string]any{
		"limits": map[string]any{
			"discover_log_levels":         true,
			"discover_service_name":       detect.ServiceLabels(),
			"log_level_fields":            detect.LevelNames(),
			"max_entries_limit_per_query": q.MaxEntries,
			"max_line_size_truncate":      false,
			"max_query_bytes_read":        "0B",
			"max_query_length":            promDuration(q.MaxRange),
			"max_query_lookback":          "0s",
			"max_query_range":             "0s",
			"max_query_series":            q.MaxSeries,
			"metric_aggregation_enabled":  false,
			"otlp_config":                 map[string]any{"resource_attributes": map[string]any{"attributes_config": []any{map[string]any{"action": "index_label", "attributes": otlpLabels}}}},
			"pattern_persistence_enabled": false,
			"query_timeout":               promDuration(s.limits.QueryTimeout),
			"retention_period":            "0s",
			"volume_enabled":              true,
			"volume_max_series":           maxVolumes,
		},
		"pattern_ingester_enabled": true,
		"version":                  s.version.Version,
	})
	if err != nil {
		return err
	}
	return replyAbout(w, r, body)
}

// queryLimits are the engine's where it tells them.
func (s *Server) queryLimits() plan.Limits {
	if e, ok := s.engine.(interface{ Limits() plan.Limits }); ok {
		return e.Limits()
	}
	return plan.Limits{}.WithDefaults()
}

// config answers /config: the settings that are in force, as YAML. No token is
// among them.
func (s *Server) config(w http.ResponseWriter, _ *request) error {
	body, err := yaml.Marshal(map[string]any{
		"auth_enabled": s.auth != nil,
		"server":       settings(s.limits),
		"queries":      settings(s.queryLimits()),
	})
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, err = w.Write(body)
	return clientGone(err)
}

// settings names the fields of a struct as YAML does, durations in words.
func settings(limits any) map[string]any {
	v := reflect.ValueOf(limits)
	out := map[string]any{}
	for i := range v.NumField() {
		value := v.Field(i).Interface()
		if d, ok := value.(time.Duration); ok {
			value = promDuration(d)
		}
		out[snake(v.Type().Field(i).Name)] = value
	}
	return out
}

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// promDuration writes a duration as Prometheus does: 30d1h.
func promDuration(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	out := ""
	for _, u := range []struct {
		unit string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if n := d / u.size; n > 0 {
			out += fmt.Sprintf("%d%s", n, u.unit)
			d -= n * u.size
		}
	}
	return out
}

// services answers /services: the parts of the server and how they are.
func (s *Server) services(w http.ResponseWriter, _ *request) error {
	state := "Running"
	if s.store.Ready() != nil {
		state = "Failed"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := fmt.Fprintf(w, "server => Running\nstore => %s\nquerier => Running\n", state)
	return clientGone(err)
}

// noRules and noAlerts answer Grafana, which asks each data source for its rules.
func (s *Server) noRules(w http.ResponseWriter, r *request) error {
	return replyAbout(w, r, []byte(`{"status":"success","data":{"groups":[]},"errorType":"","error":""}`))
}

func (s *Server) noAlerts(w http.ResponseWriter, r *request) error {
	return replyAbout(w, r, []byte(`{"status":"success","data":{"alerts":[]},"errorType":"","error":""}`))
}
