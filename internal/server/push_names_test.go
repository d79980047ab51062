package server

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
)

// Of two names that become one, that which had to be changed counts.
func TestNamesThatBecomeOne(t *testing.T) {
	got, changed := cleanMetadata(logs.LabelsOf("a_b", "whole", "a.b", "made", "c", "d"))
	if d := cmp.Diff(logs.LabelsOf("a_b", "made", "c", "d"), got); d != "" || !changed {
		t.Errorf("changed is %v (-want +got):\n%s", changed, d)
	}
}
