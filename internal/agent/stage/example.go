package stage

import (
	"time"

	"github.com/remora-ray/remora/internal/logs"
)

// Show writes what became of an entry as examples do: the line, and behind tabs
// its labels, metadata and time where they are not those of before; or
// "dropped: reason".
func Show(before, after *Entry, drop string) string {
	if drop != "" {
		return "dropped: " + drop
	}
	s := string(after.Line)
	if !after.Labels.Equal(before.Labels) {
		s += "\tlabels " + after.Labels.String()
	}
	if !after.Metadata.Equal(before.Metadata) {
		s += "\tmetadata " + after.Metadata.String()
	}
	if after.Time != before.Time {
		s += "\ttime " + time.Unix(0, after.Time).UTC().Format(time.RFC3339Nano)
	}
	return s
}

// ExampleLabels are the stream labels of the lines of examples.
func ExampleLabels() logs.Labels {
	return logs.LabelsOf("job", "ray/logs", "component", "raylet")
}
