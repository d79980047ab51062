// Package detect finds out what a line says of itself: its level, the service
// that wrote it, its fields and their types. It is pure, and its rules are those
// by which Loki adds service_name and detected_level to what it is sent, so that
// a dashboard made for one shows the same over the other. They were found by
// asking a Loki, not by reading it.
package detect

import "github.com/remora-ray/remora/internal/logs"

// Names that are added to what is pushed.
const (
	ServiceName = "service_name"   // a stream label
	LevelName   = "detected_level" // structured metadata
	Unknown     = "unknown"
)

// serviceLabels are looked at in this order.
var serviceLabels = []string{
	"service", "app", "application", "app_name", "name", "app_kubernetes_io_name", "container", "container_name",
	"k8s_container_name", "component", "workload", "job", "k8s_job_name",
}

// ServiceLabels are the labels that tell a stream's service, in order.
func ServiceLabels() []string { return append([]string(nil), serviceLabels...) }

// Service names the service that a stream is of.
func Service(stream logs.Labels) string {
	for _, name := range serviceLabels {
		if v, ok := stream.Lookup(name); ok && v != "" {
			return v
		}
	}
	return "unknown_service"
}
