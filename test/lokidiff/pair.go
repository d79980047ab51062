package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/remora-ray/remora/test/loopback"
)

// lokiConfig is a Loki of one process with its default limits but for the rates.
const lokiConfig = `auth_enabled: true
server:
  http_listen_address: 127.0.0.1
  http_listen_port: %[1]s
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: %[2]s
  log_level: error
common:
  path_prefix: %[3]s
  instance_addr: 127.0.0.1
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
  storage:
    filesystem: {chunks_directory: %[3]s/chunks, rules_directory: %[3]s/rules}
schema_config:
  configs:
    - {from: 2020-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}
memberlist: {bind_addr: [127.0.0.1], bind_port: %[4]s}
querier: {multi_tenant_queries_enabled: true, query_ingesters_within: 12h}
ingester: {max_chunk_age: 6h, chunk_idle_period: 6h}
pattern_ingester: {enabled: true}
compactor: {working_directory: %[3]s/compactor, retention_enabled: true, delete_request_store: filesystem}
query_range: {cache_results: false}
analytics: {reporting_enabled: false}
limits_config:
  volume_enabled: true
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
`

// server is one of the two programs.
type server struct {
	name string
	url  string
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// pair is Loki and Remora with the same lines.
type pair struct {
	dir          string
	loki, remora *server
	http         *http.Client
}

func startPair(ctx context.Context, o *options) (*pair, error) {
	program, err := lokiProgram(o.loki)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lokidiff")
	if err != nil {
		return nil, err
	}
	p := &pair{dir: dir, http: &http.Client{
		Timeout:   90 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 16},
	}}
	ports, err := loopback.Ports(4)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "loki.yaml")
	text := fmt.Appendf(nil, lokiConfig, ports[0], ports[1], filepath.Join(dir, "loki"), ports[2])
	if o.bare {
		text = append(text, "  discover_service_name: []\n  discover_log_levels: false\n"...)
	}
	if o.approx {
		text = append(text, "  shard_aggregations: [approx_topk]\nfrontend: {encoding: protobuf}\n"...)
	}
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return nil, err
	}
	p.loki = &server{name: "Loki", url: "http://127.0.0.1:" + ports[0], log: filepath.Join(dir, "loki.log")}
	p.remora = &server{name: "Remora", url: "http://127.0.0.1:" + ports[3], log: filepath.Join(dir, "remora.log")}
	err = errors.Join(
		p.loki.start(program, "-config.file="+config),
		p.remora.start(filepath.Join(o.bin, "remora"), "server", "--data", filepath.Join(dir, "remora"),
			"--listen", "127.0.0.1:"+ports[3]),
	)
	for _, s := range []*server{p.loki, p.remora} {
		if err == nil {
			err = p.ready(ctx, s)
		}
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (s *server) start(program string, args ...string) error {
	out, err := os.Create(s.log)
	if err != nil {
		return err
	}
	defer out.Close()
	s.cmd = exec.Command(program, args...)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.done = make(chan struct{})
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	return nil
}

// ready waits until the server answers a query.
func (p *pair) ready(ctx context.Context, s *server) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		a := p.ask(ctx, s, &question{path: "/loki/api/v1/labels", tenant: tenantOne})
		if a.status == http.StatusOK {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.done:
			text, _ := os.ReadFile(s.log)
			return fmt.Errorf("%s ended: %s", s.name, text)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; its log is %s", s.name, ctx.Err(), s.log)
		}
	}
}

// push sends the same bodies to both, one after the other.
func (p *pair) push(ctx context.Context, streams []stream) error {
	for _, b := range bodies(streams) {
		body, err := json.Marshal(b)
		if err != nil {
			return err
		}
		for _, s := range []*server{p.loki, p.remora} {
			if err := p.pushOne(ctx, s, b.tenant, body); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pair) pushOne(ctx context.Context, s *server, tenant string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/loki/api/v1/push", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Scope-OrgID", tenant)
	resp, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("push to %s: %s: %s", s.name, resp.Status, text)
	}
	return nil
}

// close ends both and removes what they wrote.
func (p *pair) close() error {
	for _, s := range []*server{p.loki, p.remora} {
		if s == nil || s.cmd == nil {
			continue
		}
		_ = s.cmd.Process.Kill()
		<-s.done
	}
	return os.RemoveAll(p.dir)
}
