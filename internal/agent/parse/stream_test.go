package parse

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

func newStream(name string, wire Wire) *Stream {
	f := ray.ParsePath(name)
	n := Node{Cluster: "c", Type: "head"}
	return New(Source{
		File: f, Context: ray.Context{Session: "session_x"}, Labels: n.Labels(f), Metadata: n.Metadata("session_x", f),
	}, wire)
}

var now = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC).UnixNano()

// read reads text in one or more chunks, cut where pick says, and returns the
// entries as a server decodes them.
func read(t testing.TB, s *Stream, text string, base uint64, ended bool, pick func(left int) int) []logs.Entry {
	t.Helper()
	var entries []byte
	at := 0
	for at < len(text) {
		n := pick(len(text) - at)
		last := at+n == len(text)
		var r Result
		entries, r = s.Append(entries, Chunk{Data: []byte(text[at : at+n]), At: base + uint64(at), Ended: ended && last, Now: now, Written: now}, 1<<30)
		at += r.Consumed
		if last && r.Consumed == 0 {
			break
		}
		if r.Consumed == 0 { // nothing whole in it: show more
			prev := pick
			pick = func(left int) int { return min(left, prev(left)+n) }
		}
	}
	return decode(t, s, entries)
}

func decode(t testing.TB, s *Stream, entries []byte) []logs.Entry {
	t.Helper()
	p, err := loki.DecodePush(s.AppendStream(nil, entries, loki.FileRange{}))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Streams) == 0 {
		return nil
	}
	return p.Streams[0].Entries
}

func whole(left int) int { return left }

// However the bytes are cut into chunks, the entries are the same.
func TestChunksDoNotMatter(t *testing.T) {
	text := ":job_id:01000000\nplain\n2026-11-21 05:06:33,161\tINFO x.py:1 -- a\nTraceback\n\n" +
		strings.Repeat("é", MaxLine) + "\nend\n" + "half"
	want := read(t, newStream("worker-"+strings.Repeat("a", 56)+"-ffffffff-12.out", Remora), text, 0, true, whole)
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		size := MaxLine + 1 + r.IntN(MaxLine)
		got := read(t, newStream("worker-"+strings.Repeat("a", 56)+"-ffffffff-12.out", Remora), text, 0, true,
			func(left int) int { return min(left, size) })
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("chunks of %d bytes (-whole +chunks):\n%.2000s", size, d)
		}
	}
}

func TestTimes(t *testing.T) {
	const stamp = "2026-11-21 05:06:33,161\tINFO x.py:1 -- "
	own := time.Date(2026, 11, 21, 5, 6, 33, 161e6, time.UTC).UnixNano()
	for name, c := range map[string]struct {
		text string
		want []int64
	}{
		"own times, equal ones one nanosecond apart": {stamp + "a\n" + stamp + "b\n" + stamp + "c\n", []int64{own, own + 1, own + 2}},
		"without one: the last time seen":            {stamp + "a\nTraceback\n  line\n", []int64{own, own + 1, own + 2}},
		"before any: the time of reading":            {"print\nprint\n" + stamp + "a\n", []int64{now, now + 1, own}},
		"backwards is kept":                          {stamp + "a\n2026-11-21 05:06:32,161\tINFO x.py:1 -- b\n", []int64{own, own - 1e9}},
		"far in the future is user text":             {stamp + "a\n2036-11-21 05:06:33,161\tINFO x.py:1 -- b\n", []int64{own, own + 1}},
	} {
		got := read(t, newStream("dashboard.log", Remora), c.text, 0, true, whole)
		var times []int64
		for _, e := range got {
			times = append(times, e.Time)
		}
		if d := cmp.Diff(c.want, times); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestAnchorsGiveTheSameTimesAgain(t *testing.T) {
	text := "one\ntwo\n"
	s := newStream("worker-a.out", Remora)
	first, r := s.Append(nil, Chunk{Data: []byte(text), Now: now, Written: now - 5}, 1<<20)
	if len(r.Anchors) != 1 || r.Anchors[0] != (Anchor{Offset: 0, Time: now - 5}) {
		t.Fatalf("anchors are %v", r.Anchors)
	}
	again := newStream("worker-a.out", Remora)
	if err := again.Restore(Position{}, r.Anchors); err != nil {
		t.Fatal(err)
	}
	second, r2 := again.Append(nil, Chunk{Data: []byte(text), Now: now + 1e9, Written: now + 1e9}, 1<<20)
	if d := cmp.Diff(decode(t, s, first), decode(t, again, second)); d != "" || len(r2.Anchors) != 0 {
		t.Errorf("new anchors %v (-first +second):\n%s", r2.Anchors, d)
	}
}

// The state was lost with the anchors: what is sent now must not come before what
// was sent, whose times nobody knows.
func TestLinesBehindThoseOfALostRunComeAfterThem(t *testing.T) {
	const stamp = "2026-11-21 05:06:33,161\tINFO x.py:1 -- a\n"
	own := time.Date(2026, 11, 21, 5, 6, 33, 161e6, time.UTC).UnixNano()
	for name, c := range map[string]struct {
		sent, next string
		want       []int64
	}{
		"no times at all":         {"a\nb\n", "c\nd\n", []int64{now + 1e6, now + 1e6 + 1}},
		"a time behind":           {"a\nb\n", stamp + "d\n", []int64{own, own + 1}},
		"a time before":           {"a\n" + stamp, "c\nd\n", []int64{own + 1, own + 2}},
		"nothing was sent before": {"", "c\nd\n", []int64{now, now + 1}},
	} {
		s := newStream("worker-a.err", Remora)
		emit, anchors := uint64(len(c.sent)), 0
		old := now - int64(time.Minute) // when the older generation was written
		_, r := s.Append(nil, Chunk{Data: []byte(c.sent), Emit: emit, Now: now + 1e9, Written: old}, 1<<20)
		entries, r2 := s.Append(nil, Chunk{Data: []byte(c.next), At: emit, Emit: emit, Now: now + 1e9, Written: now}, 1<<20)
		var times []int64
		for _, e := range decode(t, s, entries) {
			times = append(times, e.Time)
		}
		if d := cmp.Diff(c.want, times); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if anchors += len(r.Anchors) + len(r2.Anchors); anchors == 0 && !strings.Contains(c.sent+c.next, stamp) {
			t.Errorf("%s: no anchor, so a repeat has other times", name)
		}
	}
}

// The state is lost again and again while nothing is written: each run goes on behind
// the one before, also one that finds all of the file sent, and the next knows by its
// state where that stands.
func TestRunsThatLoseTheirStateOneAfterTheOther(t *testing.T) {
	const text = "a\nb\nc\nd\ne\nf\ng\nh\n"
	var last int64
	said := func(s *Stream, at, emit, end int) {
		t.Helper()
		entries, _ := s.Append(nil, Chunk{Data: []byte(text[at:end]), At: uint64(at), Emit: uint64(emit), Now: now + 1e9, Written: now}, 1<<20)
		for _, e := range decode(t, s, entries) {
			if e.Time <= last {
				t.Errorf("line %q has the time %d, the one before it %d", e.Line, e.Time, last)
			}
			last = e.Time
		}
	}
	said(newStream("worker-a.err", Remora), 0, 0, 4)
	said(newStream("worker-a.err", Remora), 0, 4, 10)
	said(newStream("worker-a.err", Remora), 0, 10, 12)
	all := newStream("worker-a.err", Remora)
	said(all, 0, 12, 12)
	after := newStream("worker-a.err", Remora)
	if err := after.Restore(all.Position(12), nil); err != nil {
		t.Fatal(err)
	}
	said(after, 12, 12, 16)
}

// What an earlier run sent last is gone: what comes behind the gap comes after it.
func TestLinesBehindAGapComeAfterWhatWasSentBeforeIt(t *testing.T) {
	s := newStream("worker-a.err", Remora)
	_, r := s.Append(nil, Chunk{Data: []byte("a\n"), Now: now + 1e9, Written: now}, 1<<20)
	before := s.Position(uint64(r.Consumed))
	entries, _ := s.Append(nil, Chunk{Data: []byte("b\nc\nd\n"), At: 2, Now: now + 1e9, Written: now}, 1<<20)
	sent := decode(t, s, entries)
	s = newStream("worker-a.err", Remora)
	if err := s.Restore(before, nil); err != nil {
		t.Fatal(err)
	}
	entries, _ = s.Append(nil, Chunk{Data: []byte("z\n"), At: 100, Emit: 8, Now: now + 1e9, Written: now}, 1<<20)
	if got, last := decode(t, s, entries)[0].Time, sent[len(sent)-1].Time; got <= last {
		t.Errorf("the line behind the gap has the time %d, the last one before it %d", got, last)
	}
}

// An earlier run gave lines a time of their own making behind an idle while, and could
// not record it. The next passes over them and is killed; the third goes on behind them.
func TestLinesBehindThoseOfARunThatCouldRecordNothing(t *testing.T) {
	first := newStream("worker-a.err", Remora)
	_, r := first.Append(nil, Chunk{Data: []byte("a\n"), Now: now, Written: now}, 1<<20)
	place := first.Position(uint64(r.Consumed))
	const tick = int64(100 * time.Millisecond)
	entries, _ := first.Append(nil, Chunk{Data: []byte("b\nc\n"), At: 2, Now: now + 1e9, Written: now + tick, Idle: now + 1}, 1<<20)
	last := decode(t, first, entries)[1].Time
	second := newStream("worker-a.err", Remora)
	if err := second.Restore(place, nil); err != nil {
		t.Fatal(err)
	}
	second.Append(nil, Chunk{Data: []byte("b\nc\n"), At: 2, Emit: 6, Now: now + 1e9, Written: now + tick}, 1<<20)
	third := newStream("worker-a.err", Remora)
	if err := third.Restore(second.Position(6), nil); err != nil {
		t.Fatal(err)
	}
	if at := third.Position(6); !at.Unsure {
		t.Error("the place does not say that lines before it may have later times")
	}
	entries, _ = third.Append(nil, Chunk{Data: []byte("d\n"), At: 6, Emit: 6, Now: now + 2e9, Written: now + tick, Idle: now + 1e9}, 1<<20)
	if got := decode(t, third, entries)[0].Time; got <= last {
		t.Errorf("the next line has the time %d, the one before it %d", got, last)
	}
}

// A gap that is told by itself lies between the line before it and the one behind.
func TestTimeOfAGap(t *testing.T) {
	s := newStream("worker-a.err", Remora)
	if at := s.GapTime(); at != 0 {
		t.Errorf("before any line the time is %d", at)
	}
	entries, _ := s.Append(nil, Chunk{Data: []byte("a\n"), Now: now, Written: now}, 1<<20)
	before, gap := decode(t, s, entries)[0].Time, s.GapTime()
	entries, _ = s.Append(nil, Chunk{Data: []byte("b\n"), At: 3, Now: now, Written: now}, 1<<20)
	if after := decode(t, s, entries)[0].Time; before >= gap || gap >= after {
		t.Errorf("the gap has the time %d, the lines around it %d and %d", gap, before, after)
	}
}

func TestALineLongAfterTheLastTimeGetsAnAnchor(t *testing.T) {
	s := newStream("worker-a.err", Remora)
	_, r := s.Append(nil, Chunk{Data: []byte("2026-11-21 05:06:33,161\tINFO x.py:1 -- a\n"), Now: now, Written: now}, 1<<20)
	later := now + int64(time.Hour)
	entries, r2 := s.Append(nil, Chunk{Data: []byte("print\n"), At: uint64(r.Consumed), Now: later, Written: later - 7, Idle: now}, 1<<20)
	if got := decode(t, s, entries)[0].Time; got != later-7 || len(r2.Anchors) != 1 {
		t.Errorf("time is %d, anchors %v", got, r2.Anchors)
	}
}

func TestRestoreGoesOnAsIfNothingHadHappened(t *testing.T) {
	const name = "worker-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-ffffffff-12.out"
	text := ":job_id:01000000\n:task_name:f\nhello\n" + strings.Repeat("x", 2*MaxLine) + "\nworld\n"
	want := read(t, newStream(name, Remora), text, 0, true, whole)
	s := newStream(name, Remora)
	entries, r := s.Append(nil, Chunk{Data: []byte(text), Now: now, Written: now}, 1000)
	got := decode(t, s, entries)
	at := r.Consumed
	for at < len(text) {
		p := s.Position(uint64(at))
		s = newStream(name, Remora)
		if err := s.Restore(p, nil); err != nil {
			t.Fatal(err)
		}
		entries, r = s.Append(nil, Chunk{Data: []byte(text[at:]), At: uint64(at), Now: now, Written: now}, 1)
		got = append(got, decode(t, s, entries)...)
		at += r.Consumed
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-at once +in pieces):\n%.3000s", d)
	}
	if got[2].Metadata.Get("job_id") != "01000000" || got[len(got)-1].Metadata.Get("job_id") != "01000000" {
		t.Errorf("what the first line says is lost: %v", got[2].Metadata)
	}
}

func TestEmitSuppressesWhatIsThereAlready(t *testing.T) {
	s := newStream("raylet.out", Remora)
	entries, r := s.Append(nil, Chunk{Data: []byte("one\ntwo\nthree\n"), Emit: 8, Now: now}, 1<<20)
	got := decode(t, s, entries)
	if len(got) != 1 || got[0].Line != "three" || r.Lines != 1 || r.Consumed != 14 {
		t.Errorf("entries %v, %+v", got, r)
	}
}

func TestConstantMetadataIsSentOnceToUsAndOnEachEntryToLoki(t *testing.T) {
	const name = "worker-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-01000000-12.out"
	ours := read(t, newStream(name, Remora), "x\n", 0, true, whole)[0].Metadata
	loki := read(t, newStream(name, Loki), "x\n", 0, true, whole)[0].Metadata
	if d := cmp.Diff(logs.LabelsOf("offset", "0"), ours); d != "" {
		t.Errorf("to us (-want +got):\n%s", d)
	}
	want := logs.LabelsOf("offset", "0", "session", "session_x", "filename", name, "stream", "out",
		"pid", "12", "worker_id", strings.Repeat("a", 56), "job_id", "01000000")
	if d := cmp.Diff(want, loki); d != "" {
		t.Errorf("to loki (-want +got):\n%s", d)
	}
}

func FuzzChunks(f *testing.F) {
	f.Add("a\nb\n", uint16(1), true)
	f.Add(":job_id:01000000\n2026-11-21 05:06:33,161\tINFO x -- a\n\xff\x00", uint16(3), false)
	f.Fuzz(func(t *testing.T, text string, size uint16, ended bool) {
		s := newStream("worker-a.out", Remora)
		got := read(t, s, text, 0, ended, func(left int) int { return min(left, int(size)+1) })
		var lines []string
		for _, e := range got {
			lines = append(lines, e.Line)
		}
		want := strings.Split(text, "\n")
		if last := want[len(want)-1]; last == "" || !ended {
			want = want[:len(want)-1]
		}
		if d := cmp.Diff(strings.Join(want, "\n"), strings.Join(lines, "\n")); d != "" || len(want) != len(lines) {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

func TestAHeadIsOfNoGroup(t *testing.T) {
	f := ray.ParsePath("raylet.out")
	for kind, want := range map[string]string{"head": "", "worker": "g", "": "g"} {
		if got := (Node{Type: kind, Group: "g"}).Labels(f).Get("group"); got != want {
			t.Errorf("a node of type %q has the group %q", kind, got)
		}
	}
}
