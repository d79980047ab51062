package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/remora-ray/remora/test/loopback"
)

// kind is one kind of store.
type kind struct {
	name  string
	dir   string
	isOur bool // our engine answers, so that also the words of errors are ours
	// start runs the programs of the store and returns what --store is to say.
	start func(ctx context.Context, p programs, dir string) (address string, all []*program, err error)
}

var kinds = []kind{
	{"embedded", "embedded", true, func(context.Context, programs, string) (string, []*program, error) { return "", nil, nil }},
	{"victorialogs", "victorialogs", true, startVictoriaLogs},
	{"victorialogs cluster", "cluster", true, startCluster},
	{"loki", "loki", false, startLoki},
}

// Retention as long as ours: what is older than it VictoriaLogs drops and tells
// nobody. It gives empty lines a text, unless that is empty.
var (
	keepAll  = []string{"-retentionPeriod=100y", "-futureRetention=10y"}
	keepText = "-defaultMsgValue="
)

func victoriaLogs(ctx context.Context, p programs, dir, name string, args ...string) (*program, error) {
	addr, err := loopback.Address()
	if err != nil {
		return nil, err
	}
	args = append([]string{p.victoriaLogs, "-httpListenAddr=" + addr, "-storageDataPath=" + filepath.Join(dir, name)}, args...)
	return start(ctx, dir, name, addr, "/health", args...)
}

func startVictoriaLogs(ctx context.Context, p programs, dir string) (string, []*program, error) {
	v, err := victoriaLogs(ctx, p, dir, "victorialogs", append(keepAll, keepText, "-delete.enable")...)
	if err != nil {
		return "", nil, err
	}
	return "victorialogs://" + v.addr, []*program{v}, nil
}

// startCluster runs two storage nodes, one program that takes lines and one that
// answers.
func startCluster(ctx context.Context, p programs, dir string) (_ string, all []*program, err error) {
	var nodes []string
	for i := range 2 {
		n, err := victoriaLogs(ctx, p, dir, fmt.Sprintf("node%d", i+1), append(keepAll, keepText, "-internaldelete.enable")...)
		if err != nil {
			return "", all, err
		}
		all, nodes = append(all, n), append(nodes, n.addr)
	}
	storage := "-storageNode=" + strings.Join(nodes, ",")
	insert, err := victoriaLogs(ctx, p, dir, "vlinsert", storage, keepText, "-select.disable")
	if err != nil {
		return "", all, err
	}
	all = append(all, insert)
	query, err := victoriaLogs(ctx, p, dir, "vlselect", storage, "-insert.disable", "-delete.enable")
	if err != nil {
		return "", all, err
	}
	all = append(all, query)
	return fmt.Sprintf("victorialogs://%s?insert=%s&node=%s&node=%s", query.addr, insert.addr, nodes[0], nodes[1]), all, nil
}

// lokiConfig is a Loki of one process that takes lines of any age and adds
// nothing to them.
const lokiConfig = `auth_enabled: true
server: {http_listen_address: 127.0.0.1, http_listen_port: %[1]s, grpc_listen_address: 127.0.0.1, grpc_listen_port: %[2]s, log_level: error}
common:
  path_prefix: %[4]s
  instance_addr: 127.0.0.1
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
  storage:
    filesystem: {chunks_directory: %[4]s/chunks, rules_directory: %[4]s/rules}
schema_config:
  configs:
    - {from: 2020-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}
memberlist: {bind_addr: [127.0.0.1], bind_port: %[3]s}
pattern_ingester: {enabled: true}
querier: {multi_tenant_queries_enabled: true, query_ingesters_within: 0}
ingester: {max_chunk_age: 96h, chunk_idle_period: 96h}
query_range: {cache_results: false}
compactor: {retention_enabled: true, delete_request_store: filesystem, delete_request_cancel_period: 1ms}
analytics: {reporting_enabled: false}
limits_config:
  reject_old_samples: false
  discover_service_name: []
  discover_log_levels: false
  volume_enabled: true
  deletion_mode: filter-and-delete
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
`

func startLoki(ctx context.Context, p programs, dir string) (string, []*program, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	var addr string
	var ports []any
	for i := range 3 {
		a, err := loopback.Address()
		if err != nil {
			return "", nil, err
		}
		if i == 0 {
			addr = a
		}
		_, port, _ := net.SplitHostPort(a)
		ports = append(ports, port)
	}
	config := filepath.Join(dir, "loki.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, lokiConfig, append(ports, filepath.Join(dir, "loki"))...), 0o644); err != nil {
		return "", nil, err
	}
	l, err := start(ctx, dir, "loki", addr, "/ready", p.loki, "-config.file="+config)
	if err != nil {
		return "", nil, err
	}
	return "loki://" + addr, []*program{l}, nil
}
