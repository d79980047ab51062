package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/stage"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

// rayLike writes a file of lines as raylet writes them.
func rayLike(tb testing.TB, size int) (path string, lines int) {
	tb.Helper()
	var b bytes.Buffer
	at := time.Date(2026, 11, 21, 5, 6, 1, 0, time.UTC)
	for b.Len() < size {
		at = at.Add(700 * time.Microsecond)
		fmt.Fprintf(&b, "[2026-11-21 %s,%03d I 22 31] (raylet) node_manager.cc:%d: Handling lease request %d of worker %056x\n",
			at.Format("15:04:05"), at.Nanosecond()/1e6, lines%900, lines, lines*7919)
		lines++
	}
	path = filepath.Join(tb.TempDir(), "raylet.out")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		tb.Fatal(err)
	}
	return path, lines
}

type still struct{}

func (still) Epoch() uint32 { return 0 }

func source() parse.Source {
	f := ray.ParsePath("raylet.out")
	n := parse.Node{Cluster: "c", Type: "head", ID: "fa54367a3916f370768f0af36394d0f345a27028ea71a94a534a30e1"}
	const session = "session_2026-11-21_05-06-01_604983_1"
	return parse.Source{File: f, Context: ray.Context{Session: session}, Labels: n.Labels(f), Metadata: n.Metadata(session, f)}
}

// readAll runs jobs over a file and gives each batch to each.
func readAll(tb testing.TB, r *Reader, path string, each func(*Batch)) (lines int) {
	tb.Helper()
	b := r.builder
	fd, err := tail.OpenFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer tail.CloseFile(fd)
	st, err := tail.StatFD(fd)
	if err != nil {
		tb.Fatal(err)
	}
	j := Job{Follower: still{}, Stream: parse.New(source(), parse.Remora), FD: fd, Ended: true, Now: time.Now().UnixNano()}
	for j.Cursor.Offset < st.Size {
		d := r.read(context.Background(), j)
		if d.Err != nil || d.Changed {
			tb.Fatal(d.Err, d.Changed)
		}
		lines += d.Lines
		j.Cursor, j.Mark = d.Cursor, d.Mark
		b.Flush()
		for len(b.Out()) > 0 {
			x := <-b.Out()
			each(x)
			b.Free(x)
		}
	}
	return lines
}

func TestReaderMakesEachLineAnEntry(t *testing.T) {
	path, lines := rayLike(t, 2<<20)
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	to := uint64(0)
	n := readAll(t, NewReader(NewBuilder(1<<20, 3)), path, func(b *Batch) {
		p, err := loki.DecodePush(b.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Streams {
			if s.Range.From != to {
				t.Errorf("a part begins at %d, the one before ended at %d", s.Range.From, to)
			}
			to = s.Range.To
			for _, e := range s.Entries {
				got.WriteString(e.Line + "\n")
			}
		}
	})
	if n != lines || !bytes.Equal(got.Bytes(), want) || to != uint64(len(want)) {
		t.Errorf("%d lines of %d bytes, want %d of %d", n, got.Len(), lines, len(want))
	}
}

// A file of which every line is dropped is read to its end: its ranges go out, and
// the drops are counted.
func TestReaderGoesOnWhereEveryLineIsDropped(t *testing.T) {
	path, lines := rayLike(t, 1<<20)
	var list []yaml.Node
	if err := yaml.Unmarshal([]byte("- drop: {level: info, reason: quiet}"), &list); err != nil {
		t.Fatal(err)
	}
	src := source()
	var err error
	if src.Stages, err = stage.Decode(list); err != nil {
		t.Fatal(err)
	}
	fd, err := tail.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.CloseFile(fd)
	st, err := tail.StatFD(fd)
	if err != nil {
		t.Fatal(err)
	}
	r := NewReader(NewBuilder(1<<20, 1))
	j := Job{Follower: still{}, Stream: parse.New(src, parse.Remora), FD: fd, Ended: true}
	dropped, to := 0, uint64(0)
	for j.Cursor.Offset < st.Size {
		d := r.read(context.Background(), j)
		if d.Err != nil || !d.Added || d.Lines != 0 {
			t.Fatalf("%+v", d)
		}
		dropped += d.Dropped["quiet"]
		j.Cursor, j.Mark = d.Cursor, d.Mark
		r.builder.Flush()
		b := <-r.builder.Out()
		p, err := loki.DecodePush(b.Body)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Streams) != 1 || p.Streams[0].Range.From != to {
			t.Fatalf("streams %+v behind %d", p.Streams, to)
		}
		to = p.Streams[0].Range.To
		r.builder.Free(b)
	}
	if dropped != lines || to != uint64(st.Size) {
		t.Errorf("%d of %d lines are counted, up to byte %d of %d", dropped, lines, to, st.Size)
	}
}

// cpu is the CPU time this process has used; wall time tells little on a busy machine.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, since time.Duration, lines int) {
	b.Helper()
	b.ReportMetric(float64(cpu(b)-since)/float64(b.N)/float64(lines), "cpu-ns/line")
}

// BenchmarkReader is all the work of the agent for a line but the network: read,
// split, attribute, encode, compress.
func BenchmarkReader(b *testing.B) {
	path, lines := rayLike(b, 32<<20)
	st, _ := os.Stat(path)
	b.SetBytes(st.Size())
	b.ReportAllocs()
	var packed []byte
	r := NewReader(NewBuilder(1<<20, 3))
	began := cpu(b)
	for b.Loop() {
		readAll(b, r, path, func(x *Batch) { packed = s2.EncodeSnappy(packed[:cap(packed)], x.Body) })
	}
	reportCPU(b, began, lines)
}

// BenchmarkFloor only reads, splits, encodes with the same metadata, and compresses:
// what any agent must do.
func BenchmarkFloor(b *testing.B) {
	path, lines := rayLike(b, 32<<20)
	st, _ := os.Stat(path)
	b.SetBytes(st.Size())
	src := source()
	labels := src.Labels.String()
	level := loki.AppendMetadata(nil, "detected_level", "info")
	var body, entries, meta, packed []byte
	var digits [20]byte
	buf := make([]byte, 256<<10)
	began := cpu(b)
	for b.Loop() {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		at := int64(0)
		for {
			n, _ := f.ReadAt(buf, at)
			end := bytes.LastIndexByte(buf[:n], '\n') + 1
			if end == 0 {
				break
			}
			entries = entries[:0]
			for rest := buf[:end]; len(rest) > 0; {
				i := bytes.IndexByte(rest, '\n')
				meta = append(meta[:0], level...)
				meta = loki.AppendMetadata(meta, "offset", strconv.AppendInt(digits[:0], at, 10))
				entries = loki.AppendEntry(entries, at, rest[:i], meta)
				at += int64(i) + 1
				rest = rest[i+1:]
			}
			body = loki.AppendStream(body[:0], labels, entries, &loki.FileRange{Metadata: src.Metadata})
			packed = s2.EncodeSnappy(packed[:cap(packed)], body)
		}
		f.Close()
	}
	reportCPU(b, began, lines)
}
