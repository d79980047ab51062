package main

import (
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/remora-ray/remora/internal/agent"
)

// probes serves metrics and what Kubernetes asks.
type probes struct {
	gatherer prometheus.Gatherer
	health   atomic.Pointer[agent.Health]
}

func (p *probes) set(h *agent.Health) { p.health.Store(h) }

// serve answers on l until the returned function is called.
func (p *probes) serve(l net.Listener) func() {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", p.answer((*agent.Health).Live))
	mux.HandleFunc("GET /readyz", p.answer((*agent.Health).Ready))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	go func() { _ = s.Serve(l) }()
	return func() { _ = s.Close() }
}

func (p *probes) answer(ask func(*agent.Health) error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := p.health.Load()
		if h == nil {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		if err := ask(h); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	}
}
