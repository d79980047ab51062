package main

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/server"
	"github.com/remora-ray/remora/internal/store/embedded"
)

// What Fluent Bit has sent, sent again as it was, is answered line by line, each
// once, also when it is sent twice.
func TestRecordedPushesOfFluentBit(t *testing.T) {
	for _, name := range []string{"fluent-bit", "fluent-bit-gzip"} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			store, err := embedded.Open(embedded.Config{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			s, err := server.New(server.Config{Store: store, Engine: exec.New(plan.Limits{}), Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			h := httptest.NewServer(s)
			t.Cleanup(func() {
				h.Close()
				if err := store.Close(); err != nil {
					t.Error(err)
				}
			})
			pushes, err := readRecording("testdata/" + name + ".jsonl.zst")
			if err != nil {
				t.Fatal(err)
			}
			want, err := pushes.moveTo(now.Add(-time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if len(want) != 4379 {
				t.Fatalf("%d lines are recorded", len(want))
			}
			at := &site{url: h.URL}
			for range 2 {
				for _, p := range pushes {
					if err := at.send(context.Background(), p); err != nil {
						t.Fatal(err)
					}
				}
			}
			got, err := at.lines(context.Background(), "test", `{RayCluster="raycluster-fluentbit-sidecar-logs"}`)
			if err != nil {
				t.Fatal(err)
			}
			if err := once(want, got); err != nil {
				t.Error(err)
			}
			var line map[string]string
			if err := json.Unmarshal([]byte(got[0]), &line); err != nil || line["log"] == "" || line["POD_LABELS"] == "" {
				t.Errorf("line %q: %v", got[0], err)
			}
		})
	}
}
