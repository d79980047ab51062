package loki

import (
	"fmt"
	"testing"

	"github.com/remora-ray/remora/internal/logs"
)

// A MiB as our agent sends it: four files, lines of some 150 bytes, two labels
// of metadata on each.
func BenchmarkDecodePush(b *testing.B) {
	p := &Push{}
	for f := range 4 {
		s := Stream{
			Labels: logs.LabelsOf("job", "ray/logs", "service_name", "ray-cluster", "RayCluster", "c", "component", "worker", "node_type", "head"),
			Range:  &FileRange{File: FileID{byte(f)}, To: 1 << 20, Metadata: logs.LabelsOf("filename", "worker.out", "session", "session_x")},
		}
		for i := range 1200 {
			s.Entries = append(s.Entries, logs.Entry{
				Time:     1795243708327317290 + int64(i),
				Line:     fmt.Sprintf("2026-11-21 05:22:15,534\tINFO utils.py:319 -- %0100d", i),
				Metadata: logs.LabelsOf("offset", fmt.Sprint(i*150), "detected_level", "info"),
			})
		}
		p.Streams = append(p.Streams, s)
	}
	body := AppendPush(nil, p)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodePush(body); err != nil {
			b.Fatal(err)
		}
	}
}
