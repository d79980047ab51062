package exec

import (
	"context"
	"fmt"
	"testing"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
)

// records are lines as the store gives them: one stream, Ray's metadata.
type records []logs.Record

func (s records) Select(_ context.Context, _ logs.Selection, yield func(*logs.Record) error) error {
	for i := range s {
		if err := yield(&s[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s records) Buckets(_ context.Context, _ logs.BucketQuery, yield func(logs.Bucket) error) error {
	for i := range s {
		if err := yield(logs.Bucket{End: s[i].Time, Group: s[i].Stream[:1], Lines: 10, Bytes: 1000}); err != nil {
			return err
		}
	}
	return nil
}

func benchRecords(n int, line func(i int) string) (records, int64) {
	stream := logs.LabelsOf("service_name", "ray-cluster", "job", "ray/logs", "RayCluster", "demo", "node_type", "worker", "component", "worker")
	out := make(records, n)
	size := int64(0)
	for i := range out {
		meta := logs.LabelsOf("session", "session_2026-11-21", "filename", "worker-1.out", "stream", "out", "offset", fmt.Sprint(i*100),
			"node_id", "n1", "pid", fmt.Sprint(i%8), "worker_id", "w1", "job_id", "01000000", "task_name", "train", "detected_level", []string{"info", "warn"}[i%2])
		out[i] = logs.Record{Stream: stream, Entry: logs.Entry{Time: int64(i) * 1e6, Line: line(i), Metadata: meta}}
		size += int64(len(out[i].Line))
	}
	return out, size
}

func jsonLine(i int) string {
	return fmt.Sprintf(`{"asctime":"2026-11-21 11:00:00,%03d","levelname":"INFO","message":"step %d of training","filename":"train.py","lineno":%d,"job_id":"01000000","extra":{"loss":0.%d,"tags":["a","b"]}}`, i%1000, i, i%500, i)
}

func logfmtLine(i int) string {
	return fmt.Sprintf(`ts=2026-11-21T11:00:00Z level=info caller=train.py:%d msg="step done" step=%d took=%dms loss=0.%d`, i%500, i, i%90, i)
}

func textLine(i int) string {
	return fmt.Sprintf(`[2026-11-21 11:00:00,%03d I 123 456] (raylet) node_manager.cc:%d: Worker %d registered`, i%1000, i%500, i)
}

func BenchmarkQueries(b *testing.B) {
	const n = 10_000
	for _, c := range []struct {
		name, query string
		line        func(int) string
	}{
		{"lines", `{job="ray/logs"} | offset >= 0`, textLine},
		{"regexp filter", `{job="ray/logs"} | line_format "{{__line__}}" |~ "Worker [0-9]+ reg"`, textLine},
		{"json", `{job="ray/logs"} | json | lineno > 600`, jsonLine},
		{"json expressions", `{job="ray/logs"} | json loss="extra.loss" | loss > 100`, jsonLine},
		{"logfmt", `{job="ray/logs"} | logfmt | took > 1s`, logfmtLine},
		{"pattern", `{job="ray/logs"} | pattern "[<_> <_> <level> <_> <_>] (<who>) <file>:<line>: <_>" | line > 600`, textLine},
		{"regexp", "{job=\"ray/logs\"} | regexp `(?P<file>\\S+):(?P<line>\\d+): ` | line > 600", textLine},
		{"line_format", `{job="ray/logs"} | line_format "{{.pid}} {{.task_name}}" | offset < 0`, textLine},
		{"line_format functions", `{job="ray/logs"} | line_format "{{.pid | ToUpper}}" | offset < 0`, textLine},
		{"count by pid", `max(sum by (pid) (count_over_time({job="ray/logs"} | offset >= 0 [1m])))`, textLine},
		{"count of all labels", `max(count_over_time({job="ray/logs"} | drop offset [1m]))`, textLine},
		{"json hints", `sum by (lineno) (count_over_time({job="ray/logs"} | json [1m]))`, jsonLine},
		{"unwrap", `max_over_time({job="ray/logs"} | logfmt | unwrap step [1m]) by (pid)`, logfmtLine},
		{"buckets", `sum by (RayCluster) (count_over_time({job="ray/logs"}[1m]))`, textLine},
	} {
		b.Run(c.name, func(b *testing.B) {
			src, size := benchRecords(n, c.line)
			engine := New(plan.Limits{MaxSeries: 10_000})
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				_, err := engine.Run(context.Background(), src, Params{Query: c.query, End: n * 1e6, Step: 1e9, Limit: 5000})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/line")
		})
	}
}
