package parse

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/agent/stage"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

func program(t testing.TB, text string) *stage.Program {
	t.Helper()
	var list []yaml.Node
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	p, err := stage.Decode(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sourceOf(name string, p *stage.Program) Source {
	f := ray.ParsePath(name)
	n := Node{Cluster: "c", Type: "head"}
	return Source{
		File: f, Context: ray.Context{Session: "session_x"}, Labels: n.Labels(f), Metadata: n.Metadata("session_x", f), Stages: p,
	}
}

// sent is one line of a push with all that belongs to it.
type sent struct {
	labels logs.Labels
	logs.Entry
}

func (e sent) offset() int { n, _ := strconv.Atoi(e.Metadata.Get("offset")); return n }

// push decodes what AppendStream wrote, in the order of the file.
func push(t testing.TB, body []byte) (lines []sent, streams []loki.Stream) {
	t.Helper()
	p, err := loki.DecodePush(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Streams {
		for _, e := range s.Entries {
			if s.Range != nil {
				e.Metadata = logs.Normalize(slices.Concat(s.Range.Metadata, e.Metadata))
			}
			lines = append(lines, sent{s.Labels, e})
		}
	}
	slices.SortStableFunc(lines, func(a, b sent) int { return a.offset() - b.offset() })
	return lines, p.Streams
}

// readThrough reads text in chunks of about size bytes, each behind a restart
// where restart says so, and returns what a server gets.
func readThrough(t testing.TB, src Source, wire Wire, text string, size, limit int, restart func() bool) []sent {
	t.Helper()
	s := New(src, wire)
	var all []sent
	var anchors []Anchor
	for at, show := 0, size; at < len(text); {
		end := min(at+show, len(text))
		entries, r := s.Append(nil, Chunk{Data: []byte(text[at:end]), At: uint64(at), Ended: end == len(text), Now: now, Written: now}, limit)
		anchors = append(anchors, r.Anchors...)
		if r.Consumed == 0 {
			if end == len(text) {
				t.Fatalf("nothing is read at byte %d of %d", at, len(text))
			}
			show += size
			continue
		}
		show = size
		rng := loki.FileRange{From: uint64(at), To: uint64(at + r.Consumed)}
		lines, streams := push(t, s.AppendStream(nil, entries, rng))
		for _, st := range streams {
			if wire == Remora && (st.Range == nil || st.Range.From != rng.From || st.Range.To != rng.To) {
				t.Fatalf("a stream of bytes %d to %d has the range %+v", rng.From, rng.To, st.Range)
			}
		}
		if wire == Remora && len(streams) == 0 {
			t.Fatal("nothing tells the server that the position went on")
		}
		if len(lines) != r.Lines {
			t.Fatalf("%d lines are told, %d sent", r.Lines, len(lines))
		}
		all = append(all, lines...)
		at += r.Consumed
		if restart() {
			p := s.Position(uint64(at))
			s = New(src, wire)
			if err := s.Restore(p, anchors); err != nil {
				t.Fatal(err)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b sent) int { return a.offset() - b.offset() })
	return all
}

func never() bool  { return false }
func always() bool { return true }

const errFile = "worker-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-01000000-12.err"

func TestALineThatContinuesAnEntryNamesIt(t *testing.T) {
	text := "print\n" +
		"2026-11-21 05:06:33,161\tERROR x.py:1 -- a\n" + // at 6
		"Traceback (most recent call last):\n" +
		"  File \"x\", line 1\n" +
		"ValueError: " + strings.Repeat("x", MaxLine) + "\n" +
		"print\n" +
		"Traceback (most recent call last):\n" +
		"  File \"x\", line 1\n"
	second := strings.LastIndex(text, "Traceback")
	want := []string{"", "", "6", "6", "6", "6", "", "", fmt.Sprint(second)}
	for name, p := range map[string]*stage.Program{"": nil, "with stages": program(t, "- drop: {regex: never}")} {
		for _, wire := range []Wire{Remora, Loki} {
			for _, restart := range []func() bool{never, always} {
				var got []string
				for _, e := range readThrough(t, sourceOf(errFile, p), wire, text, 2*MaxLine, 1, restart) {
					got = append(got, e.Metadata.Get("entry"))
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s, wire %d (-want +got):\n%s", name, wire, d)
				}
			}
		}
	}
}

// Stages that change nothing change nothing on the wire, but for the order of bytes.
func TestStagesThatDoNothingSendTheSame(t *testing.T) {
	for _, name := range []string{errFile, "raylet.out", "job-driver-raysubmit_1.log"} {
		for _, wire := range []Wire{Remora, Loki} {
			want := readThrough(t, sourceOf(name, nil), wire, mixed, 1<<20, 1<<20, never)
			got := readThrough(t, sourceOf(name, program(t, "- drop: {regex: 'no such text'}")), wire, mixed, 1<<20, 1<<20, never)
			if d := cmp.Diff(want, got, cmp.AllowUnexported(sent{})); d != "" {
				t.Errorf("%s to wire %d (-without +with):\n%s", name, wire, d)
			}
		}
	}
}

const mixed = ":job_id:01000000\nplain\n[2026-11-21 05:06:33,161 I 12 31] (raylet) x.cc:1: a\n\tmore\n2026-11-21 05:06:33,161\tINFO x.py:1 -- a\n" +
	"2026-11-21 05:06:33,161\tDEBUG x.py:1 -- b\nTraceback (most recent call last):\n  File\nValueError: x\n\n" +
	"user=ann took=3\nuser=bob took=4\npassword=x\nsame\nsame\nsame\n"

const everything = `
- logfmt:
- labels: {fields: {user: user}}
- metadata: {fields: {took: took}, drop: [filename]}
- sample: {rate: 0.5, selector: '{user!=""}'}
- limit: {repeated: 2, reason: repeated}
- drop: {level: debug}
- replace: {patterns: [tokens]}
- timestamp: {source: took, format: unix}
`

// However the bytes are cut into chunks, and wherever it is interrupted, what is
// sent is the same.
func TestChunksAndRestartsDoNotMatterToStages(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	lines := strings.SplitAfter(mixed, "\n")
	for range 300 {
		text.WriteString(lines[r.IntN(len(lines)-1)])
	}
	for name, src := range map[string]Source{
		"plain": sourceOf(errFile, program(t, everything)),
		"loki":  sourceOf("raylet.out", program(t, everything)),
	} {
		wire := Remora
		if name == "loki" {
			wire = Loki
		}
		want := readThrough(t, src, wire, text.String(), 1<<20, 1<<20, never)
		for range 10 {
			size := 50 + r.IntN(2000)
			got := readThrough(t, src, wire, text.String(), size, 100+r.IntN(2000), func() bool { return r.IntN(2) == 0 })
			if d := cmp.Diff(want, got, cmp.AllowUnexported(sent{})); d != "" {
				t.Fatalf("%s, chunks of %d bytes (-whole +chunks):\n%.3000s", name, size, d)
			}
		}
	}
}

func TestEveryLineDropped(t *testing.T) {
	for _, wire := range []Wire{Remora, Loki} {
		s := New(sourceOf("raylet.out", program(t, "- drop: {regex: a, reason: has_a}\n- drop: {regex: .*}")), wire)
		entries, r := s.Append(nil, Chunk{Data: []byte("a\nb\na\n"), Emit: 2, Now: now}, 1<<20)
		body := s.AppendStream(nil, entries, loki.FileRange{From: 2, To: 6, Gap: "why"})
		if d := cmp.Diff(map[string]int{"has_a": 1, "drop": 1}, r.Dropped); d != "" || r.Lines != 0 || r.Consumed != 6 {
			t.Errorf("%+v\n%s", r, d)
		}
		_, streams := push(t, body)
		switch {
		case wire == Loki && (len(streams) != 1 || len(streams[0].Entries) != 1 || !strings.Contains(streams[0].Entries[0].Line, "bytes before 2 of this file are missing: why")):
			t.Errorf("a Loki gets %+v, want the gap alone", streams)
		case wire == Remora && (len(streams) != 1 || streams[0].Range == nil || streams[0].Range.To != 6 || streams[0].Range.Gap != "why"):
			t.Errorf("streams %+v", streams)
		}
	}
}

func TestManyLabelSetsEndTheChunk(t *testing.T) {
	var text strings.Builder
	for i := range 3 * MaxStreams {
		fmt.Fprintf(&text, "n=%d\n", i)
	}
	s := New(sourceOf("raylet.out", program(t, "- logfmt:\n- labels: {fields: [n]}")), Remora)
	entries, r := s.Append(nil, Chunk{Data: []byte(text.String()), Now: now}, 1<<20)
	_, streams := push(t, s.AppendStream(nil, entries, loki.FileRange{To: uint64(r.Consumed)}))
	if len(streams) != MaxStreams || !r.More || r.Consumed >= text.Len() {
		t.Errorf("%d streams, %+v", len(streams), r)
	}
	if got := readThrough(t, sourceOf("raylet.out", program(t, "- logfmt:\n- labels: {fields: [n]}")), Remora, text.String(), 1<<20, 1<<20, never); len(got) != 3*MaxStreams {
		t.Errorf("%d lines", len(got))
	}
}

func TestMetadataThatAStageRemovedIsGone(t *testing.T) {
	src := sourceOf(errFile, program(t, "- metadata: {drop: [filename], static: {pid: '7'}}"))
	got := readThrough(t, src, Remora, "x\n", 100, 1<<20, never)[0].Metadata
	want := logs.LabelsOf("job_id", "01000000", "offset", "0", "pid", "7", "session", "session_x", "stream", "err", "worker_id", strings.Repeat("a", 56))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestAContainersLog(t *testing.T) {
	const wid = "ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12"
	src := sourceOf("0.log", nil)
	src.File.Component, src.File.Format, src.Form = ray.ComponentContainer, ray.FormatContainer, CRI
	src.Labels = Node{Cluster: "c"}.Labels(src.File)
	text := "2026-11-21T05:06:01.000000001Z stderr F [2026-11-21 05:06:01,000 I 18 18] (gcs_server) x.cc:1: Debug state:\n" +
		"2026-11-21T05:06:01.000000002Z stderr P - count\n" +
		"2026-11-21T05:06:01.000000003Z stdout F Local node IP: 10.0.0.1\n" +
		"2026-11-21T05:06:01.000000004Z stderr F s: 0\n" +
		"2026-11-21T05:06:02Z stderr F [2026-11-21 05:06:01,000 E 498 498] (python-core-worker-" + wid + ") x.cc:1: text\n" +
		"2026-11-21T05:06:03Z stderr F 2026-11-21 05:06:03,000\tINFO (dashboard) x.py:1 -- text\n" +
		"2026-11-21T05:06:03Z stdout F Traceback (most recent call last):\n" +
		"2026-11-21T05:06:03Z stderr F   more\n" +
		"2026-11-21T05:06:03Z stdout F ValueError: x\n" +
		"no prefix\n"
	type line struct{ component, stream, level, worker, entry, text, time string }
	const t1, t2, t3 = "1795237561000000001", "1795237562000000000", "1795237563000000000"
	want := []line{
		{"gcs", "err", "info", "", "", "[2026-11-21 05:06:01,000 I 18 18] (gcs_server) x.cc:1: Debug state:", t1},
		{"gcs", "err", "", "", "", "- counts: 0", "1795237561000000002"},
		{"container", "out", "", "", "", "Local node IP: 10.0.0.1", "1795237561000000003"},
		{"core-worker", "err", "error", wid, "", "[2026-11-21 05:06:01,000 E 498 498] (python-core-worker-" + wid + ") x.cc:1: text", t2},
		{"dashboard", "err", "info", "", "", "2026-11-21 05:06:03,000\tINFO (dashboard) x.py:1 -- text", t3},
		{"container", "out", "error", "", "", "Traceback (most recent call last):", "1795237563000000001"},
		{"dashboard", "err", "info", "", "", "  more", "1795237563000000002"},
		{"container", "out", "error", "", "", "ValueError: x", "1795237563000000003"},
		{"container", "log", "", "", "", "no prefix", "1795237563000000004"},
	}
	at := func(s string) string {
		i := strings.Index(text, s)
		return fmt.Sprint(strings.LastIndex(text[:i], "\n") + 1)
	}
	want[6].entry, want[7].entry = at("(dashboard)"), at("Traceback")
	for _, restart := range []func() bool{never, always} {
		for _, size := range []int{len(text), 300} {
			var got []line
			for _, e := range readThrough(t, src, Remora, text, size, 1, restart) {
				m := e.Metadata
				got = append(got, line{e.labels.Get("component"), m.Get("stream"), m.Get("detected_level"), m.Get("worker_id"), m.Get("entry"), e.Line, fmt.Sprint(e.Time)})
			}
			if d := cmp.Diff(want, got, cmp.AllowUnexported(line{})); d != "" {
				t.Errorf("chunks of %d bytes (-want +got):\n%s", size, d)
			}
		}
	}
}

func TestTheStageCRIReadsFilesOfAnyKind(t *testing.T) {
	src := sourceOf("app.log", program(t, "- cri\n- drop: {fields: {stream: err}}"))
	got := readThrough(t, src, Remora, "2026-11-21T05:06:01Z stdout P a\n2026-11-21T05:06:01Z stderr F b\n2026-11-21T05:06:01Z stdout F c\n", 1000, 1<<20, never)
	if len(got) != 1 || got[0].Line != "ac" || got[0].Metadata.Get("stream") != "out" {
		t.Errorf("%+v", got)
	}
}

// A part that waits for its other parts is a half line, not one that is left over.
func TestAPartialLineIsWaitedFor(t *testing.T) {
	src := sourceOf("app.log", program(t, "- cri"))
	s := New(src, Remora)
	_, r := s.Append(nil, Chunk{Data: []byte("2026-11-21T05:06:01Z stdout P a\n2026-11-21T05:06:01Z stderr F b\n"), Now: now}, 1<<20)
	if r.Consumed != 0 || r.More {
		t.Errorf("%+v", r)
	}
}

func TestAStateThatIsDamagedIsToldAndReadingGoesOn(t *testing.T) {
	src := sourceOf("app.log", program(t, "- cri\n- limit: {rate: 1}"))
	s := New(src, Remora)
	s.Append(nil, Chunk{Data: []byte("2026-11-21T05:06:01Z stdout F a\n"), Now: now}, 1<<20)
	p := s.Position(32)
	for name, bad := range map[string]Position{
		"parser": {Parser: p.Parser[:len(p.Parser)-1], Stages: p.Stages},
		"stages": {Parser: p.Parser, Stages: p.Stages[:len(p.Stages)-1]},
		"other":  {Parser: []byte{1, 2, 3}, Stages: []byte{0xff}},
	} {
		again := New(src, Remora)
		if err := again.Restore(bad, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, r := again.Append(nil, Chunk{Data: []byte("2026-11-21T05:06:01Z stdout F b\n"), Now: now}, 1<<20); r.Lines+r.Dropped["limit"] != 1 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// The fast path allocates nothing for a line, one that continues an entry included.
func TestNoAllocationForALine(t *testing.T) {
	for _, c := range []struct{ file, lines string }{
		{"raylet.out", "[2026-11-21 05:06:02,123 I 22 31] (raylet) x.cc:1: text\n"},
		{"raylet.out", "[2026-11-21 05:06:02,123 I 22 31] (raylet) x.cc:1: text\n\tmore\n\tmore\n"},
		{errFile, "print\nTraceback (most recent call last):\n  File \"x\", line 1\nValueError: x\n"},
	} {
		for _, wire := range []Wire{Remora, Loki} {
			s := New(sourceOf(c.file, nil), wire)
			data := []byte(strings.Repeat(c.lines, 100))
			dst := make([]byte, 0, 1<<20)
			at := uint64(0)
			n := testing.AllocsPerRun(20, func() {
				_, r := s.Append(dst, Chunk{Data: data, At: at, Now: now, Written: now}, 1<<20)
				at += uint64(r.Consumed)
			})
			if n > 1 { // the anchor of a file without times
				t.Errorf("%s, wire %d: %v allocations for %d lines", c.file, wire, n, strings.Count(c.lines, "\n")*100)
			}
		}
	}
}

func FuzzStaged(f *testing.F) {
	f.Add(mixed, uint16(40), uint16(100), true)
	f.Add("2026-11-21T05:06:01Z stdout P a\n2026-11-21T05:06:01Z stderr F b\n2026-11-21T05:06:01Z stdout F c\n", uint16(7), uint16(1), false)
	src := sourceOf(errFile, program(f, "- cri\n"+everything[1:]))
	f.Fuzz(func(t *testing.T, text string, size, limit uint16, again bool) {
		want := readThrough(t, src, Remora, text, len(text)+1, 1<<20, never)
		got := readThrough(t, src, Remora, text, int(size)+1, int(limit), func() bool { return again })
		if d := cmp.Diff(want, got, cmp.AllowUnexported(sent{})); d != "" {
			t.Errorf("(-whole +chunks):\n%.2000s", d)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name, file, line string
		stages           string
	}{
		{"fast", "raylet.out", "[2026-11-21 05:06:02,123 I 22 31] (raylet) node_manager.cc:1477: Disconnecting worker, graceful=true, disconnect_type=1", ""},
		{"fast, continued", "raylet.out", "\tmore of a record that has many lines", ""},
		{"drop", "raylet.out", "[2026-11-21 05:06:02,123 I 22 31] (raylet) node_manager.cc:1477: Disconnecting worker, graceful=true, disconnect_type=1", "- drop: {level: debug}"},
		{"cri", "0.log", "2026-11-21T05:06:01.123456789Z stderr F [2026-11-21 05:06:02,123 I 22 31] (raylet) node_manager.cc:1477: Disconnecting worker", "- cri"},
	} {
		b.Run(c.name, func(b *testing.B) {
			var p *stage.Program
			if c.stages != "" {
				p = program(b, c.stages)
			}
			s := New(sourceOf(c.file, p), Remora)
			head := "[2026-11-21 05:06:02,123 I 22 31] (raylet) x.cc:1: text\n"
			data := []byte(head + strings.Repeat(c.line+"\n", 1000))
			dst := make([]byte, 0, 1<<20)
			b.ReportAllocs()
			for b.Loop() {
				s.Append(dst, Chunk{Data: data, Now: now, Written: now}, 1<<20)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/1001, "ns/line")
		})
	}
}
