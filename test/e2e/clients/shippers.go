package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	shippedFiles = 8
	shippedLines = 2500 // of each file
)

// logFiles writes files of numbered lines, some odd, and returns the lines.
func logFiles(dir string) (lines []string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	kinds := []string{
		"plain line %d of file %d", `{"level":"error","n":%d,"file":%d}`, `level=warn msg="a b" n=%d file=%d`, "日本語のログ %d %d 🚀", "tab\tand \"quotes\" \\ %d %d <b>&amp;",
	}
	for f := range shippedFiles {
		var text strings.Builder
		for i := range shippedLines {
			line := fmt.Sprintf(kinds[i%len(kinds)], i, f)
			lines = append(lines, line)
			text.WriteString(line + "\n")
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.log", f)), []byte(text.String()), 0o644); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

func promtail(ctx context.Context, s *site, path string) error {
	return ship(ctx, s, "promtail", `{job="e2e"}`, func(files, config string) ([]string, string) {
		return []string{path, "-config.file=" + config}, fmt.Sprintf(`
server: {disable: true, log_level: warn}
positions: {filename: %q}
clients: [{url: %q, tenant_id: promtail, batchwait: 200ms}]
scrape_configs:
  - job_name: e2e
    static_configs: [{targets: [localhost], labels: {job: e2e, __path__: %q}}]
`, config+".positions", s.url+"/loki/api/v1/push", files)
	})
}

func collector(ctx context.Context, s *site, path string) error {
	return ship(ctx, s, "otelcol", `{service_name="e2e"}`, func(files, config string) ([]string, string) {
		return []string{path, "--config=file:" + config}, fmt.Sprintf(`
receivers:
  file_log: {include: [%q], start_at: beginning, resource: {service.name: e2e}, retry_on_failure: {enabled: true}}
processors:
  batch: {timeout: 200ms}
exporters:
  otlp_http: {endpoint: %q, headers: {X-Scope-OrgID: otelcol}, sending_queue: {block_on_overflow: true}}
service:
  telemetry: {logs: {level: warn}, metrics: {level: none}}
  pipelines:
    logs: {receivers: [file_log], processors: [batch], exporters: [otlp_http]}
`, files, s.url+"/otlp")
	})
}

// ship lets a shipper push files as a tenant of its name and checks what arrived.
func ship(ctx context.Context, s *site, name, query string, setUp func(files, config string) (args []string, text string)) error {
	dir := filepath.Join(s.dir, name)
	want, err := logFiles(dir)
	if err != nil {
		return err
	}
	config := filepath.Join(s.dir, name+".yaml")
	args, text := setUp(filepath.Join(dir, "*.log"), config)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	p, err := startProgram(s.dir, name, args...)
	if err != nil {
		return err
	}
	err = s.await(ctx, 2*time.Minute, fmt.Sprintf("%d lines of %s", len(want), name), func() (bool, error) {
		select {
		case <-p.ended:
			return false, fmt.Errorf("%s ended by itself: see %s.log", name, name)
		default:
		}
		n, err := s.count(ctx, name, query)
		return n >= len(want), err
	})
	p.stop()
	if err != nil {
		return err
	}
	got, err := s.lines(ctx, name, query)
	if err != nil {
		return err
	}
	s.told = fmt.Sprintf("%d lines of %d files, each there once", len(got), shippedFiles)
	return once(want, got)
}

func (s *site) count(ctx context.Context, tenant, query string) (int, error) {
	body, err := s.get(ctx, tenant, "/loki/api/v1/index/stats", url.Values{"query": {query}, "start": {fmt.Sprint(time.Now().Add(-24 * time.Hour).UnixNano())}})
	if err != nil {
		return 0, err
	}
	var stats struct{ Entries int }
	err = json.Unmarshal(body, &stats)
	return stats.Entries, err
}

// replayed sends recorded pushes of Fluent Bit with their headers, their times
// moved to today.
func replayed(ctx context.Context, s *site) error {
	const query = `{RayCluster="raycluster-fluentbit-sidecar-logs"}`
	total := 0
	for _, name := range []string{"fluent-bit", "fluent-bit-gzip"} {
		pushes, err := readRecording(filepath.Join("test/e2e/clients/testdata", name+".jsonl.zst"))
		if err != nil {
			return err
		}
		want, err := pushes.moveTo(time.Now().Add(-time.Minute))
		if err != nil {
			return err
		}
		if name != "fluent-bit" {
			pushes.tenant(name) // the first one's lines are these
		}
		for i, p := range pushes {
			if err := s.send(ctx, p); err != nil {
				return fmt.Errorf("%s, push %d: %w", name, i+1, err)
			}
		}
		got, err := s.lines(ctx, pushes[0].Headers["X-Scope-OrgID"], query)
		if err != nil {
			return err
		}
		if err := once(want, got); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		total += len(got)
	}
	s.told = fmt.Sprintf("%d lines, plain and gzip, each there once", total)
	return nil
}

func (s *site) send(ctx context.Context, p *recordedPush) error {
	req, err := http.NewRequestWithContext(ctx, p.Method, s.url+p.Path, bytes.NewReader(p.Body))
	if err != nil {
		return err
	}
	for k, v := range p.Headers {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}
