package loki

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
)

// What Loki 3.7.8 keeps of names that become one.
func TestMetadataWhoseNamesBecomeOne(t *testing.T) {
	for sent, want := range map[string]logs.Labels{
		`{"a.b":"1","a-b":"2"}`:           logs.LabelsOf("a-b", "2"),
		`{"a-b":"2","a.b":"1"}`:           logs.LabelsOf("a.b", "1"),
		`{"a_b":"2","a-b":"3","a.b":"1"}`: logs.LabelsOf("a_b", "2", "a.b", "1"),
		`{"a.b":"1","a.b":"2"}`:           logs.LabelsOf("a.b", "2"),
		`{"a.b":"","a_b":"2","c":"3"}`:    logs.LabelsOf("c", "3"),
		`{"a.b":"1","a_b":""}`:            logs.LabelsOf("a.b", "1"),
		`{"z":"1","a.b":"1","b":"2"}`:     logs.LabelsOf("z", "1", "a.b", "1", "b", "2"),
		`{"a/b":"4","a+b":"3","a-b":"2"}`: logs.LabelsOf("a-b", "2"),
	} {
		p, err := DecodePushJSON([]byte(`{"streams":[{"stream":{"app":"x"},"values":[["1","line",` + sent + `]]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, p.Streams[0].Entries[0].Metadata); d != "" {
			t.Errorf("%s (-want +got):\n%s", sent, d)
		}
	}
}
