package raycluster

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what the operator does.
type Metrics struct {
	created    *prometheus.CounterVec
	deleted    *prometheus.CounterVec
	incomplete prometheus.Counter
	unsent     prometheus.Counter
}

// NewMetrics registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		created: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "remora_operator_pods_created_total", Help: "Pods that were made, by kind of node.",
		}, []string{"node_type"}),
		deleted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "remora_operator_pods_deleted_total", Help: "Pods that were deleted, by kind of node and reason.",
		}, []string{"node_type", "reason"}),
		incomplete: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "remora_operator_agents_incomplete_total", Help: "Pods that ended before their agent had delivered everything.",
		}),
		unsent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "remora_operator_agents_unsent_bytes_total", Help: "Bytes that agents of pods that ended had not delivered, as far as they said.",
		}),
	}
	registry.MustRegister(m.created, m.deleted, m.incomplete, m.unsent)
	return m
}
