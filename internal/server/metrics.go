package server

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the server's own. Labels take values from fixed lists only: route
// names, classes of status, reasons.
type metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	pushBytes *prometheus.CounterVec
	pushLines *prometheus.CounterVec
	refused   prometheus.Counter
	tailLines *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, s *Server) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "remora_server_requests_total", Help: "Requests answered, by route and class of status.",
		}, []string{"route", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "remora_server_request_duration_seconds", Help: "Time to answer a request, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"route"}),
		pushBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "remora_server_push_bytes_total", Help: "Bytes of push bodies, as sent and decompressed.",
		}, []string{"form"}),
		pushLines: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "remora_server_push_lines_total", Help: "Lines pushed, by what became of them.",
		}, []string{"result"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "remora_server_push_refused_files_total", Help: "Files told to go on from elsewhere.",
		}),
		tailLines: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "remora_server_tail_lines_total", Help: "Lines for live tails, by what became of them.",
		}, []string{"result"}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	all := []prometheus.Collector{
		m.requests, m.durations, m.pushBytes, m.pushLines, m.refused, m.tailLines,
		gauge("remora_server_push_memory_bytes", "Memory held by pushes at work.", func() float64 { return float64(s.memory.held()) }),
		gauge("remora_server_queries_running", "Queries at work.", func() float64 { return float64(s.queries.running()) }),
		gauge("remora_server_queries_waiting", "Queries waiting for a place.", func() float64 { return float64(s.queries.waiting()) }),
		gauge("remora_server_tails", "Live tails.", func() float64 { return float64(s.tails.total()) }),
	}
	// What may happen is there with a zero before it happens, as rates need.
	for _, result := range []string{"stored", "duplicate", "rejected"} {
		m.pushLines.WithLabelValues(result)
	}
	for _, result := range []string{"sent", "dropped"} {
		m.tailLines.WithLabelValues(result)
	}
	for _, form := range []string{"sent", "decompressed"} {
		m.pushBytes.WithLabelValues(form)
	}
	var errs []error
	for _, c := range all {
		errs = append(errs, reg.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register the server's metrics: %w", err)
	}
	return m, nil
}

func (m *metrics) request(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, statusClass(status)).Inc()
	if status != http.StatusSwitchingProtocols {
		m.durations.WithLabelValues(route).Observe(took.Seconds())
	}
}

// statusClass is one of nine values, so that no client can make more.
func statusClass(status int) string {
	switch status {
	case http.StatusConflict, http.StatusTooManyRequests, statusClientGone, http.StatusServiceUnavailable:
		return fmt.Sprint(status) // each means something of its own to an operator
	}
	if status < 100 || status > 599 {
		return "other"
	}
	return fmt.Sprintf("%dxx", status/100)
}
