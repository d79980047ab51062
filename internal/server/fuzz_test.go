package server_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/server"
)

// FuzzPush posts any body as each kind of push, in each encoding: it is taken or
// refused, never a fault of the server.
func FuzzPush(f *testing.F) {
	s, err := server.New(server.Config{Store: &memoryStore{}, Engine: exec.New(plan.Limits{})})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"streams":[{"stream":{"a":"b"},"values":[["1700000000000000000","x"]]}]}`), uint8(0))
	f.Add(s2.EncodeSnappy(nil, []byte("\x0a\x08\x0a\x06{a=\"b\"}")), uint8(2))
	f.Add([]byte(`{"resourceLogs":[]}`), uint8(5))
	f.Add([]byte("\x1f\x8b\x08"), uint8(1))
	kinds := []struct{ path, contentType, encoding string }{
		{"/loki/api/v1/push", "application/json", ""},
		{"/loki/api/v1/push", "application/json", "gzip"},
		{"/loki/api/v1/push", "application/x-protobuf", ""},
		{"/loki/api/v1/push", "application/x-protobuf", "deflate"},
		{"/otlp/v1/logs", "application/x-protobuf", ""},
		{"/otlp/v1/logs", "application/json", ""},
		{"/otlp/v1/logs", "application/x-protobuf", "zstd"},
		{"/otlp/v1/logs", "application/x-protobuf", "lz4"},
		{"/api/remora/v1/offsets", "application/json", ""},
	}
	f.Fuzz(func(t *testing.T, body []byte, kind uint8) {
		k := kinds[int(kind)%len(kinds)]
		r := httptest.NewRequest(http.MethodPost, k.path, bytes.NewReader(body))
		r.Header.Set("Content-Type", k.contentType)
		if k.encoding != "" {
			r.Header.Set("Content-Encoding", k.encoding)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%s as %s, %q is answered %d: %s", k.path, k.contentType, k.encoding, w.Code, w.Body)
		}
	})
}

// FuzzAuth reads any file of tokens.
func FuzzAuth(f *testing.F) {
	f.Add("secret team-a,team-b read\n# comment\nother *")
	f.Add("sha256:00 x write")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = server.ParseAuth(strings.NewReader(text))
	})
}
