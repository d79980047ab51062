package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/server"
	"github.com/remora-ray/remora/internal/store"
)

// blackHole takes every push at once.
type blackHole struct{ memoryStore }

func (*blackHole) Append(_ context.Context, b store.Batch) (store.AppendResult, error) {
	return store.AppendResult{}, nil
}

// What the server itself costs for a push of a MiB as our agent sends it.
func BenchmarkPush(b *testing.B) {
	p := &loki.Push{}
	for f := range 4 {
		s := loki.Stream{
			Labels: logs.LabelsOf("job", "ray/logs", "service_name", "ray-cluster", "RayCluster", "c", "component", "worker", "node_type", "head"),
			Range:  &loki.FileRange{File: loki.FileID{byte(f)}, To: 1 << 20, Metadata: logs.LabelsOf("filename", "worker.out", "session", "session_x")},
		}
		for i := range 1300 {
			s.Entries = append(s.Entries, logs.Entry{
				Time:     noon.UnixNano() + int64(i),
				Line:     fmt.Sprintf("2026-11-21 05:22:15,534\tINFO utils.py:319 -- request %d of actor %x took %d ms and left %d bytes in the store", i, i*7919, i%977, i*31),
				Metadata: logs.LabelsOf("offset", fmt.Sprint(i*150), "detected_level", "info"),
			})
		}
		p.Streams = append(p.Streams, s)
	}
	body, plain := packed(p), loki.AppendPush(nil, p)
	s, err := server.New(server.Config{Store: &blackHole{}, Engine: exec.New(plan.Limits{})})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, pushPath, bytes.NewReader(body))
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != http.StatusNoContent {
			b.Fatal(w.Code, w.Body)
		}
	}
}
