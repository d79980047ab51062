package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// lokiConfig is a Loki of one process that takes whatever it is sent.
const lokiConfig = `auth_enabled: false
server:
  http_listen_address: %[1]s
  http_listen_port: %[2]s
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: 0
  log_level: warn
  grpc_server_max_recv_msg_size: 104857600
  grpc_server_max_send_msg_size: 104857600
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
ingester:
  wal: {enabled: true, dir: %[3]s/wal}
  max_chunk_age: 72h
query_range: {cache_results: false}
frontend: {encoding: protobuf}
analytics: {reporting_enabled: false}
limits_config:
  allow_structured_metadata: true
  reject_old_samples: false
  creation_grace_period: 6h
  unordered_writes: true
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
  max_line_size: 1MB
  max_global_streams_per_user: 0
  max_query_series: 100000
  max_query_length: 0
  max_entries_limit_per_query: 100000
  max_structured_metadata_size: 1MB
  max_structured_metadata_entries_count: 128
  shard_streams: {enabled: false}
  split_queries_by_interval: 0
  discover_service_name: []
  volume_enabled: false
`

func (w *world) prepareLoki(listen string) error {
	program := w.loki
	if program == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		program = filepath.Join(cache, "remora", "loki-3.7.8")
	}
	if _, err := os.Stat(program); err != nil {
		return errors.Join(err, errors.New("build it with make loki, or name one with -loki"))
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return err
	}
	path := w.path("loki.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, lokiConfig, host, port, w.path("data")), 0o644); err != nil {
		return err
	}
	w.server.args = []string{program, "-config.file=" + path}
	return nil
}
