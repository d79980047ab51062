package embedded

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
	"github.com/remora-ray/remora/internal/store/ledger"
)

type metrics struct {
	registerer prometheus.Registerer
	all        []prometheus.Collector

	lines, lineBytes, duplicates, refused, gaps, expired prometheus.Counter
	journalBytes, partsMoved, forwardFailures            prometheus.Counter
	removedDays                                          *prometheus.CounterVec
	fsyncs, checkpoints                                  prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, e *Engine) *metrics {
	m := &metrics{registerer: reg}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "remora_store_" + name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	histogram := func(name, help string) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "remora_store_" + name, Help: help,
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 18),
		})
		m.all = append(m.all, h)
		return h
	}
	gauge := func(name, help string, value func() float64) {
		m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "remora_store_" + name, Help: help}, value))
	}
	m.lines = counter("lines_total", "Lines accepted and stored.")
	m.lineBytes = counter("line_bytes_total", "Bytes of the lines that arrived, repeats included.")
	m.duplicates = counter("duplicate_lines_total", "Lines that were there already.")
	m.refused = counter("refused_files_total", "Ranges of files refused because bytes before them are missing.")
	m.gaps = counter("gaps_total", "Gap lines written.")
	m.expired = counter("expired_lines_total", "Lines accepted that were older than the retention and not kept.")
	m.journalBytes = counter("journal_bytes_total", "Bytes written to the journal.")
	m.partsMoved = counter("parts_moved_aside_total", "Damaged parts moved aside at open.")
	m.forwardFailures = counter("forward_failures_total", "Times that the store that lines are kept in instead did not take lines; they are given again.")
	m.removedDays = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "remora_store_removed_days_total", Help: "Days of a tenant's lines removed, by what did not keep them: age or size.",
	}, []string{"reason"})
	m.all = append(m.all, m.removedDays)
	m.fsyncs = histogram("journal_sync_seconds", "Time to write and sync one group of the journal.")
	m.checkpoints = histogram("checkpoint_seconds", "Time in which lines waited for a checkpoint.")
	gauge("queue_bytes", "Lines that are durable and not yet in the engine.", func() float64 { return float64(e.queued.Load()) })
	gauge("disk_free_bytes", "Free bytes of the store's disk.", func() float64 {
		free, err := e.disk.freeNow()
		if err != nil {
			return -1
		}
		return float64(free)
	})
	gauge("tenants_open", "Tenants whose storage is open.", func() float64 { return float64(len(e.tenants.all())) })
	gauge("read_only", "1 after a failed sync of the journal, else 0.", func() float64 {
		if e.journal != nil && e.journal.Err() != nil {
			return 1
		}
		return 0
	})
	if reg != nil {
		reg.MustRegister(m.all...)
	}
	return m
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.all {
		m.registerer.Unregister(c)
	}
}

func (m *metrics) synced(_ int, bytes int64, took time.Duration) {
	m.journalBytes.Add(float64(bytes))
	m.fsyncs.Observe(took.Seconds())
}

func (m *metrics) appended(p *loki.Push, d *ledger.Decision, r store.AppendResult) {
	bytes := 0
	for i := range p.Streams {
		for j := range p.Streams[i].Entries {
			bytes += len(p.Streams[i].Entries[j].Line)
		}
	}
	m.lines.Add(float64(r.Stored))
	m.lineBytes.Add(float64(bytes))
	m.duplicates.Add(float64(r.Duplicate))
	m.refused.Add(float64(len(d.Refused)))
	m.gaps.Add(float64(r.Gaps))
}
