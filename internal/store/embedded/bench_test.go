package embedded

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"golang.org/x/sys/unix"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// rayPushes makes pushes as our agent sends them: 40 files of 12 streams, lines
// like a raylet's, about a MiB each.
func rayPushes(n int) (pushes []store.Batch, lineBytes int64) {
	random := rand.New(rand.NewPCG(7, 7))
	const files = 40
	var next [files]uint64
	at := base.UnixNano()
	components := []string{"raylet", "gcs", "worker", "core-worker", "dashboard", "dashboard-agent", "job", "serve", "autoscaler", "log-monitor", "runtime-env", "event"}
	for range n {
		p := &loki.Push{}
		for range 8 {
			f := random.IntN(files)
			c := components[f%len(components)]
			s := loki.Stream{
				Labels: logs.LabelsOf("service_name", "ray-cluster", "job", "ray/logs", "RayCluster", "prod", "node_type", "worker", "group", "gpu", "component", c),
				Range: &loki.FileRange{File: fileID(byte(f)), From: next[f], Generation: []byte("g"), Metadata: logs.LabelsOf(
					"session", "session_2026-11-20_12-00-00_000000_1", "filename", fmt.Sprintf("%s_%d.out", c, f), "stream", "out",
					"node_id", "5c5b1a5be2cbbd6ac27f1d1e2a8d3c1b5c5b1a5be2cbbd6ac27f1d1e", "node_ip", "10.0.0.7", "pod", "prod-worker-gpu-7xk2p", "container", "ray-worker",
					"pid", strconv.Itoa(1000+f), "worker_id", fmt.Sprintf("%056x", f))},
			}
			for range 700 {
				at += random.Int64N(200_000)
				line := fmt.Sprintf("[2026-11-20 12:%02d:%02d,%03d I %d %d] (%s) node_manager.cc:%d: Task %016x of actor %08x took %d ms, queue length %d, owner ip 10.0.%d.%d",
					random.IntN(60), random.IntN(60), random.IntN(1000), 1000+f, 1000+f, c, random.IntN(900), random.Uint64(), random.Uint32(), random.IntN(5000), random.IntN(100), random.IntN(8), random.IntN(256))
				s.Entries = append(s.Entries, logs.Entry{Time: at, Line: line, Metadata: logs.LabelsOf(
					"offset", strconv.FormatUint(next[f], 10), "detected_level", "info", "job_id", "01000000")})
				next[f] += uint64(len(line) + 1)
				lineBytes += int64(len(line))
			}
			s.Range.To = next[f]
			p.Streams = append(p.Streams, s)
		}
		body := snappy.Encode(nil, loki.AppendPush(nil, p))
		pushes = append(pushes, store.Batch{Tenant: "fake", Received: base, Push: p, Body: body})
	}
	return pushes, lineBytes
}

func benchEngine(b *testing.B) *Engine {
	e, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	return e
}

// BenchmarkAppend takes decoded pushes to the engine, merges included: MB/s of
// line bytes.
func BenchmarkAppend(b *testing.B) {
	e := benchEngine(b)
	pushes, size := rayPushes(b.N)
	b.SetBytes(size / int64(b.N))
	b.ResetTimer()
	before := cpuTime(b)
	for i := range pushes {
		if _, err := e.Append(context.Background(), pushes[i]); err != nil {
			b.Fatal(err)
		}
	}
	if err := e.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric((cpuTime(b)-before).Seconds()/float64(size)*(1<<30), "cpu-s/GiB")
}

func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// The queries over REMORA_BENCH_MIB MiB of lines (64 unless it is set).
func BenchmarkQueries(b *testing.B) {
	mib := 64
	if n, err := strconv.Atoi(os.Getenv("REMORA_BENCH_MIB")); err == nil {
		mib = n
	}
	e := benchEngine(b)
	total := int64(0)
	var last int64
	for total < int64(mib)<<20 {
		// New files each time would cost memory: the same pushes, other files.
		pushes, size := rayPushes(16)
		for i := range pushes {
			for j := range pushes[i].Push.Streams {
				s := &pushes[i].Push.Streams[j]
				s.Range.File[0], s.Range.File[1] = byte(total>>20), byte(total>>28)
				for k := range s.Entries {
					s.Entries[k].Time += total
					last = max(last, s.Entries[k].Time)
				}
			}
			pushes[i].Body = nil
			if total == 0 && i == 7 {
				pushes[i].Push.Streams[0].Entries[9].Line += " needle in the haystack found"
			}
			if _, err := e.Append(context.Background(), pushes[i]); err != nil {
				b.Fatal(err)
			}
		}
		total += size
	}
	if err := e.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
	all := logs.Selection{Start: base.UnixNano(), End: last + 1, Limit: 1000}
	text := func(op logs.LineOp, s string) logs.Selection {
		sel := all
		sel.Matchers = []logs.Matcher{{Name: "job", Value: "ray/logs"}}
		sel.Lines = []logs.LineFilter{{Op: op, Any: []string{s}}}
		return sel
	}
	metadata := all
	metadata.Labels = []logs.Matcher{{Name: "worker_id", Value: fmt.Sprintf("%056x", 99)}}
	for _, q := range []struct {
		name string
		sel  logs.Selection
	}{
		{"inner-word", text(logs.Contains, "le in the hayst")},
		{"bare-substring", text(logs.Contains, "edle")},
		{"absent-substring", text(logs.Contains, "zzqqy")},
		{"metadata", metadata},
		{"rare-regexp", text(logs.MatchesRegexp, "need[a-z]+ in")},
		{"anchored-regexp", text(logs.MatchesRegexp, "found$")},
		{"any-case", text(logs.MatchesRegexp, "(?i)NEEDLE IN")},
		{"newest", all},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.SetBytes(total)
			for range b.N {
				n := 0
				err := e.Select(context.Background(), []string{"fake"}, q.sel, func(*logs.Record) error { n++; return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("histogram", func(b *testing.B) {
		b.SetBytes(total)
		for range b.N {
			q := logs.BucketQuery{Selection: all, Width: int64(time.Second), By: []string{"component"}}
			if err := e.Buckets(context.Background(), []string{"fake"}, q, func(logs.Bucket) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("scan", func(b *testing.B) {
		b.SetBytes(total)
		sel := all
		sel.Limit = 0
		for range b.N {
			if err := e.Select(context.Background(), []string{"fake"}, sel, func(*logs.Record) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
}
