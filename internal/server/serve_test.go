package server_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/server"
)

// A request at work when the server is told to end is answered.
func TestServeEndsGracefully(t *testing.T) {
	block := make(chan struct{})
	ms := &memoryStore{block: block}
	s, err := server.New(server.Config{Store: ms, Engine: exec.New(plan.Limits{})})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	url := "http://" + l.Addr().String()
	status := make(chan int, 1)
	go func() {
		resp, err := http.Get(url + "/loki/api/v1/labels?query=%7Ba%3D%22b%22%7D")
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	eventually(t, func() bool {
		resp, err := http.Get(url + "/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return ms.waiting() == 1
	})
	cancel()
	close(block)
	if got := <-status; got != 200 {
		t.Errorf("the request at work got %d", got)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, err := http.Get(url + "/ready"); err == nil {
		t.Error("the port is still open")
	}
}

func TestServeTellsWhyItCannot(t *testing.T) {
	s, err := server.New(server.Config{Store: &memoryStore{}, Engine: exec.New(plan.Limits{})})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := s.Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("serve: %v", err)
	}
}

func TestNewNeeds(t *testing.T) {
	if _, err := server.New(server.Config{}); err == nil || err.Error() != "server needs a store" {
		t.Error(err)
	}
	if _, err := server.New(server.Config{Store: &memoryStore{}}); err == nil || err.Error() != "server needs a query engine" {
		t.Error(err)
	}
}

func TestReady(t *testing.T) {
	r := start(t)
	r.get("/ready").want(t, 200, "ready")
	r.store.(*memoryStore).notReady = errors.New("replaying the journal")
	r.get("/ready").want(t, 503, "not ready: replaying the journal")
}

// Closed, the server refuses all there is, with a sentence.
func TestClosed(t *testing.T) {
	r := start(t)
	if err := r.server.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := r.pushJSON(jsonPush(jsonLine(noon, "x")))
	got.want(t, 503, "server is shutting down")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestMetrics(t *testing.T) {
	r := start(t)
	r.pushJSON(jsonPush(jsonLine(noon, "x"), jsonLine(noon.AddDate(-1, 0, 0), "x"))).want(t, 400)
	r.get("/loki/api/v1/labels")
	r.get("/such/a/path/as/nobody/knows")
	got := r.get("/metrics")
	got.want(t, 200, `remora_server_push_lines_total{result="stored"} 1`, `remora_server_push_lines_total{result="rejected"} 1`,
		`remora_server_requests_total{route="push",status="4xx"} 1`, `remora_server_requests_total{route="page",status="4xx"} 1`,
		`remora_server_request_duration_seconds_count{route="labels"} 1`)
	if strings.Contains(got.body, "nobody") {
		t.Error("a path became a label")
	}
	problems, err := testutil.GatherAndLint(r.reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", err, problems)
	}
}
