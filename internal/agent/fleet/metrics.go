package fleet

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of the configuration; the engines have their own.
type metrics struct {
	registry *prometheus.Registry
	reloads  *prometheus.CounterVec
	good     prometheus.Gauge
	at       prometheus.Gauge
}

func newMetrics(r *prometheus.Registry) *metrics {
	m := &metrics{
		registry: r,
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "remora_agent_config_reloads_total", Help: "Times the configuration was read again, by result: success, failure.",
		}, []string{"result"}),
		good: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "remora_agent_config_last_reload_successful", Help: "1 if the configuration that was last read is in force, 0 if it was refused.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "remora_agent_config_last_reload_success_timestamp_seconds", Help: "When the configuration in force was read.",
		}),
	}
	m.reloads.WithLabelValues("success")
	m.reloads.WithLabelValues("failure")
	return m
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.reloads, m.good, m.at}
}

func (m *metrics) register() error {
	var errs []error
	for _, c := range m.all() {
		errs = append(errs, m.registry.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("register metrics of the configuration: %w", err)
	}
	return nil
}

func (m *metrics) unregister() {
	for _, c := range m.all() {
		m.registry.Unregister(c)
	}
}

// loaded tells that the first configuration is in force.
func (m *metrics) loaded(at time.Time) {
	m.good.Set(1)
	m.at.Set(float64(at.UnixMilli()) / 1e3)
}

func (m *metrics) reloaded(good bool, at time.Time) {
	if !good {
		m.reloads.WithLabelValues("failure").Inc()
		m.good.Set(0)
		return
	}
	m.reloads.WithLabelValues("success").Inc()
	m.loaded(at)
}
