package server_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

var errUnknown = errors.New("write journal: oh no")

func otlpBody(at string) string {
	return `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"svc"}},{"key":"host.name","value":{"stringValue":"h1"}}]},
		"scopeLogs":[{"logRecords":[{"timeUnixNano":"` + at + `","severityNumber":13,"body":{"stringValue":"hello"}}]}]}]}`
}

func zstded(b []byte) []byte {
	z, _ := zstd.NewWriter(nil)
	return z.EncodeAll(b, nil)
}

func lz4ed(t *testing.T, b []byte) []byte {
	var buf bytes.Buffer
	z := lz4.NewWriter(&buf)
	z.Write(b)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestOTLP(t *testing.T) {
	text := []byte(otlpBody(nanos(noon.Add(-1))))
	for encoding, body := range map[string][]byte{"": text, "gzip": gzipped(text), "zstd": zstded(text), "lz4": lz4ed(t, text)} {
		r := start(t, withStore(openStore(t)))
		r.do("POST", "/otlp/v1/logs", body, "Content-Type", "application/json", "Content-Encoding", encoding, "X-Scope-OrgID", "team").want(t, 204)
		r.do("GET", address("/loki/api/v1/query_range", "query", `{service_name="svc"}`), nil, "X-Scope-OrgID", "team").want(t, 200,
			`"stream":{"detected_level":"warn","host_name":"h1","service_name":"svc","severity_number":"13"}`, `"hello"]`)
	}
}

// Errors are a google.rpc.Status, whose second field is the message.
func TestBadOTLP(t *testing.T) {
	r := start(t)
	const json = "application/json"
	ok := otlpBody(nanos(noon))
	for _, tt := range []struct {
		name, body, kind, encoding string
		status                     int
		want                       string
	}{
		{"no lines", `{}`, json, "", 422, "\x12\x39error at least one valid stream is required for ingestion"},
		{"old", otlpBody("1"), json, "", 400, `entry for stream '{service_name="svc"}' has timestamp too old: 1970-01-01T00:00:00Z`},
		{"no JSON", `{`, json, "", 400, "malformed OTLP logs"},
		{"no protobuf", "\xff\xff", "application/x-protobuf", "", 400, "malformed OTLP logs"},
		{"another type", ok, "text/plain", "", 400, "content type: text/plain is not supported"},
		{"another encoding", ok, json, "br", 400, "unsupported content encoding br: only gzip, lz4 and zstd are supported"},
		{"no gzip", ok, json, "gzip", 400, "push is not gzip"},
		{"no zstd", ok, json, "zstd", 400, "decompress push (zstd)"},
		{"no lz4", ok, json, "lz4", 400, "decompress push (lz4)"},
		{"a bomb of zstd", string(zstded(make([]byte, 70<<20))), json, "zstd", 413, "push is "},
		{"a bomb below the size allowed", string(zstded(make([]byte, 40<<20))), json, "zstd", 413, "more than 500 times its size once decompressed"},
	} {
		got := r.do("POST", "/otlp/v1/logs", []byte(tt.body), "Content-Type", tt.kind, "Content-Encoding", tt.encoding)
		if got.status != tt.status || !strings.Contains(got.body, tt.want) || got.body[0] != '\x12' || got.header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: %d %q %v", tt.name, got.status, got.body, got.header)
		}
	}
	r.do("POST", "/otlp/v1/logs", []byte(ok), "Content-Type", json, "X-Scope-OrgID", "a|b").want(t, 400, "multiple org IDs present")
	r = start(t, withStore(&memoryStore{appendErr: errUnknown}))
	r.do("POST", "/otlp/v1/logs", []byte(ok), "Content-Type", json).want(t, 503, "oh no")
}
