package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/remora-ray/remora/bench/gen"
)

// peer is another agent: a program that a module of its own below peers names,
// with one way of setting it up.
type peer struct {
	name, version string
	set           string // what is not as the program comes
	target        string // package to build
	args          func(program, root, state, url string) ([]string, error)
	dropsEmpty    bool
	catchUp       bool // takes part in the catching up alone
}

const (
	promtailPackage  = "github.com/grafana/loki/v3/clients/cmd/promtail"
	collectorVersion = "v0.149.0"
)

var peers = []peer{
	{name: "promtail", version: "v3.4.2", target: promtailPackage, args: promtail},
	{name: "otelcol", version: collectorVersion, target: ".", args: collector, dropsEmpty: true},
	{name: "otelcol", version: collectorVersion, set: "snappy for gzip", target: ".", args: collectorWith("snappy", ""), dropsEmpty: true, catchUp: true},
	{name: "otelcol", version: collectorVersion, set: "time and level read", target: ".", args: collectorWith("snappy", timeAndLevel), dropsEmpty: true, catchUp: true},
}

// build builds the peer unless it is in the cache, as lowly as the machine knows.
func (p peer) build(ctx context.Context, cache string) (path string, err error) {
	module := filepath.Join("peers", p.name)
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		text, err := os.ReadFile(filepath.Join(module, name))
		if err != nil && !os.IsNotExist(err) {
			return "", err
		}
		sum.Write(text)
	}
	path = filepath.Join(cache, p.name+"-"+p.version, p.name+"-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	half := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(half)
	c := exec.CommandContext(ctx, "nice", "-n", "19", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", half, p.target)
	c.Dir, c.Env = module, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", p.name, err, lastBytes(out, 2000))
	}
	return path, os.Rename(half, path)
}

func lastBytes(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// program is the peer, built.
func (p peer) program(path string) program {
	return program{name: p.name, version: p.version, set: p.set, dropsEmpty: p.dropsEmpty, catchUp: p.catchUp, args: func(root, state, url string) ([]string, error) {
		return p.args(path, root, state, url)
	}}
}

// everyFile matches what Ray logs below root: .log, .out and .err.
func everyFile(root string) string { return filepath.Join(root, gen.Session, "logs", "**", "*.*") }

// promtail runs as it comes: batches of 1 MiB or a second, snappy, positions on
// disk. Of its own it adds the file's name as a label. It serves nothing.
func promtail(path, root, state, url string) ([]string, error) {
	return withConfig(path, "-config.file=", state, fmt.Sprintf(`
server: {disable: true, log_level: warn}
positions: {filename: %q}
clients: [{url: %q}]
scrape_configs:
  - job_name: bench
    static_configs: [{targets: [localhost], labels: {job: bench, __path__: %q}}]
`, filepath.Join(state, "positions.yaml"), url+"/loki/api/v1/push", everyFile(root)))
}

// collector runs with the defaults of its receiver, of its exporter and of the
// usual batch processor (8192 lines or 200 ms), but for what makes it deliver the
// same: it keeps blanks at the ends of lines, waits when its queue is full instead
// of dropping, and tells no figures of its own. It keeps no positions on disk, as
// is its default, which spares it the writing.
func collector(path, root, state, url string) ([]string, error) {
	return collectorWith("gzip", "")(path, root, state, url)
}

// timeAndLevel reads what most lines of Ray begin with; others pass as they are.
const timeAndLevel = `
      - type: regex_parser
        regex: '^(\[|\{"asctime": ")?(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\d*( - |\t| |", "levelname": ")(?P<level>[A-Z]+)'
        on_error: send_quiet
        timestamp: {parse_from: attributes.time, layout: '%Y-%m-%d %H:%M:%S,%L'}
        severity: {parse_from: attributes.level, mapping: {info: [I], warn: [W], error: [E], fatal: [C, F], debug: [D]}}`

func collectorWith(compression, operators string) func(path, root, state, url string) ([]string, error) {
	return func(path, root, state, url string) ([]string, error) {
		return withConfig(path, "--config=file:", state, fmt.Sprintf(`
receivers:
  file_log:
    include: [%q]
    start_at: beginning
    preserve_leading_whitespaces: true
    preserve_trailing_whitespaces: true
    retry_on_failure: {enabled: true}
    operators: %s
processors:
  batch: {}
exporters:
  otlp_http:
    endpoint: %q
    compression: %s
    sending_queue: {block_on_overflow: true}
service:
  telemetry: {logs: {level: warn}, metrics: {level: none}}
  pipelines:
    logs: {receivers: [file_log], processors: [batch], exporters: [otlp_http]}
`, everyFile(root), or(operators, "[]"), url, compression))
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func withConfig(path, flag, state, text string) ([]string, error) {
	file := filepath.Join(state, "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return []string{path, flag + file}, nil
}
