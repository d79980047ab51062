package agent

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the agent's own; labels are reasons, of which there are few.
type metrics struct {
	lines, bytesRead, bytesShipped, refused, filed prometheus.Counter
	pushes, retries                                *prometheus.CounterVec
	rotations, stateErrors, linkErrors, dropBytes  prometheus.Counter
	gaps, drops, dropLines                         *prometheus.CounterVec
	ackedLines, ackedBytes                         prometheus.Counter
	lag, furthest, oldest, files, waiting, rescued prometheus.Gauge
	open, held, queue                              prometheus.Gauge
	all                                            []prometheus.Collector
}

func newMetrics() *metrics {
	m := &metrics{}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "remora_agent_" + name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	vec := func(name, help string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "remora_agent_" + name, Help: help}, []string{"reason"})
		m.all = append(m.all, c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "remora_agent_" + name, Help: help})
		m.all = append(m.all, g)
		return g
	}
	m.lines = counter("lines_total", "Lines read and put into a batch.")
	m.bytesRead = counter("read_bytes_total", "Bytes read from log files.")
	m.ackedLines = counter("acknowledged_lines_total", "Lines that the target has.")
	m.ackedBytes = counter("acknowledged_bytes_total", "Bytes of log files that the target has.")
	m.bytesShipped = counter("shipped_bytes_total", "Bytes of answered push bodies before compression.")
	byStatus := func(name, help string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "remora_agent_" + name, Help: help}, []string{"status"})
		m.all = append(m.all, c)
		return c
	}
	m.pushes = byStatus("pushes_total", "Attempts to send, by the status of the answer.")
	m.retries = byStatus("retries_total", "Attempts to send that did not arrive and were made again, by the status of the answer.")
	m.filed = counter("backfilled_lines_total", "Lines sent to a Loki in streams of their own, as they came too far behind.")
	m.refused = counter("refused_files_total", "Files that the server made go on from elsewhere.")
	m.rotations = counter("rotations_total", "Files seen renamed or truncated.")
	m.stateErrors = counter("state_errors_total", "Failures to record positions.")
	m.linkErrors = counter("link_errors_total", "Files that could not be kept by a second name.")
	m.dropBytes = counter("lost_bytes_total", "Bytes of log files known to be lost.")
	m.gaps = vec("gaps_total", "Gaps told to the server, by reason.")
	m.drops = vec("unread_total", "Files or parts of files that could not be read, by reason.")
	m.dropLines = vec("dropped_lines_total", "Lines not delivered, by reason.")
	m.lag = gauge("lag_bytes", "Bytes of log files that are not acknowledged yet.")
	m.furthest = gauge("furthest_lag_bytes", "Of the stream that is furthest behind, bytes that are not acknowledged yet: near what Ray keeps of a log, lines are about to be rotated away.")
	m.oldest = gauge("oldest_unread_seconds", "How long the oldest byte that is not acknowledged has waited.")
	m.waiting = gauge("files_behind", "Streams of which not all is acknowledged.")
	m.rescued = gauge("files_rescued", "Streams whose deleted files are kept until they are acknowledged.")
	m.files = gauge("files", "Files known, generations of a rotated one each.")
	m.open = gauge("open_files", "Log files held open.")
	m.held = gauge("held_bytes", "Bytes of deleted files kept until they are acknowledged.")
	m.queue = gauge("queue_bytes", "Bytes of push bodies that are not answered yet, before compression.")
	return m
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	var errs []error
	for _, c := range m.all {
		if err := r.Register(c); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("register metrics of the agent: %w", err)
	}
	return nil
}

func (m *metrics) unregister(r prometheus.Registerer) {
	if r == nil {
		return
	}
	for _, c := range m.all {
		r.Unregister(c)
	}
}
