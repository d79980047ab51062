package ship

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// backlog is a file with a line each minute of the last hours.
func backlog(name string, until time.Time, hours int) (es []logs.Entry) {
	for at := until.Add(-time.Duration(hours) * time.Hour); at.Before(until); at = at.Add(time.Minute) {
		es = append(es, lineOf(fmt.Sprint(name, " ", at.UTC().Format("15:04")), at))
	}
	return es
}

func TestABacklogOfFilesThatShareAStreamIsTaken(t *testing.T) {
	l := newFakeLoki(t)
	s, dead := newSender(t, HTTP{URL: l.URL})
	labels := logs.LabelsOf("app", "a")
	filed := 0
	for _, file := range []string{"first", "second", "third"} {
		for es := range slices.Chunk(backlog(file, l.now, 10), 100) {
			filed += deliver(t, s, batchOf(t, part{{Labels: labels, Entries: es}})).Filed
		}
	}
	rows := l.rows()
	total, streams := 0, 0
	for stream, lines := range rows {
		total += len(lines)
		if stream != labels.String() {
			streams++
			at := strings.TrimSuffix(strings.TrimPrefix(stream, `{app="a", backfill="`), `"}`)
			if _, err := time.Parse("2006-01-02T15", at); err != nil {
				t.Errorf("stream %s", stream)
			}
		}
	}
	if total != 1800 || len(dead.lines) != 0 || streams < 9 || streams > 11 || filed < 1000 {
		t.Errorf("%d of 1800 lines stored in %d further streams, %d filed, %d dead", total, streams, filed, len(dead.lines))
	}
	// What is new goes where it always goes.
	before := len(rows[labels.String()])
	deliver(t, s, batchOf(t, part{{Labels: labels, Entries: []logs.Entry{lineOf("live", time.Now())}}}))
	if got := l.rows()[labels.String()]; len(got) != before+1 || !slices.Contains(got, "live") {
		t.Errorf("a new line is not in the stream itself")
	}
}

// TestAReplayPutsLinesIntoTheSameStreams: after a crash the last batch comes again,
// cut elsewhere, from a sender that remembers nothing.
func TestAReplayPutsLinesIntoTheSameStreams(t *testing.T) {
	labels := logs.LabelsOf("app", "a")
	now := time.Now()
	es := slices.Concat(backlog("first", now, 5), backlog("second", now, 5), backlog("third", now.Add(-2*time.Hour), 3))
	for n := range len(es) / 70 {
		l := newFakeLoki(t)
		s, _ := newSender(t, HTTP{URL: l.URL})
		for i := range n + 1 {
			deliver(t, s, batchOf(t, part{{Labels: labels, Entries: es[70*i : 70*(i+1)]}}))
		}
		before := len(l.stored)
		again, dead := newSender(t, HTTP{URL: l.URL})
		last := es[70*n : 70*(n+1)]
		for chunk := range slices.Chunk(last, 31) {
			deliver(t, again, batchOf(t, part{{Labels: labels, Entries: chunk}}))
		}
		if len(l.stored) != before || before != 70*(n+1) || len(dead.lines) != 0 {
			t.Errorf("batch %d: %d rows, then %d, %d dead", n, before, len(l.stored), len(dead.lines))
		}
	}
}

func TestBackfillOffKeepsWhatIsTooFarBehind(t *testing.T) {
	l := newFakeLoki(t)
	s, dead := newSender(t, HTTP{URL: l.URL, Backfill: Backfill{Disabled: true}})
	labels := logs.LabelsOf("app", "a")
	deliver(t, s, batchOf(t, part{{Labels: labels, Entries: []logs.Entry{lineOf("new", l.now)}}}))
	r := deliver(t, s, batchOf(t, part{{Labels: labels, Entries: []logs.Entry{lineOf("old", l.now.Add(-2*time.Hour))}}}))
	if !slices.Equal(dead.lines, []string{"old"}) || dead.faults["old"] != FaultFarBehind || r.Buried != 1 || len(l.rows()) != 1 {
		t.Errorf("dead %q, stored %v", dead.lines, l.rows())
	}
}

func TestAStreamThatHasTheLabelIsLeftAlone(t *testing.T) {
	l := newFakeLoki(t)
	s, dead := newSender(t, HTTP{URL: l.URL, Backfill: Backfill{Label: "late", Window: 2 * time.Hour}})
	of := func(labels logs.Labels, line string, ago time.Duration) part {
		return part{{Labels: labels, Entries: []logs.Entry{lineOf(line, l.now.Add(-ago))}}}
	}
	own, plain := logs.LabelsOf("app", "a", "late", "mine"), logs.LabelsOf("app", "b")
	l.window = 2 * time.Hour
	deliver(t, s, batchOf(t, of(own, "new", 0), of(plain, "new", 0)))
	deliver(t, s, batchOf(t, of(own, "old", 3*time.Hour), of(plain, "not so old", 90*time.Minute), of(plain, "older", 3*time.Hour)))
	rows := l.rows()
	if !slices.Equal(dead.lines, []string{"old"}) || len(rows[plain.String()]) != 2 || len(rows) != 3 {
		t.Errorf("dead %q, stored %v", dead.lines, rows)
	}
}

// TestOurServerGetsOldLinesInTheirStream: it takes any age.
func TestOurServerGetsOldLinesInTheirStream(t *testing.T) {
	s, _ := newSender(t, HTTP{URL: "http://127.0.0.1:1"})
	target := &bodies{}
	s.Target = target
	st := loki.Stream{
		Labels: logs.LabelsOf("app", "a"), Range: &loki.FileRange{File: loki.FileID{1}, From: 100, To: 200},
		Entries: []logs.Entry{lineOf("new", time.Now()), lineOf("old", time.Now().Add(-99*time.Hour))},
	}
	deliver(t, s, batchOf(t, part{st}))
	if want := string(loki.AppendPush(nil, &loki.Push{Streams: []loki.Stream{st}})); len(target.all) != 1 || target.all[0] != want {
		t.Errorf("%d pushes, or another one than was built", len(target.all))
	}
}

func TestMarksAreBounded(t *testing.T) {
	m := newMarks()
	live := m.key("live")
	for i := range 10 * marksKept {
		m.raise(m.key(fmt.Sprint("stream ", i)), 1)
		m.raise(live, int64(i))
	}
	if n := len(m.recent) + len(m.before); n > 2*marksKept {
		t.Errorf("%d marks", n)
	}
	if at, ok := m.get(live); !ok || at != 10*marksKept-1 {
		t.Errorf("a stream in use is at %d, known %v", at, ok)
	}
}

func TestValuesOfTheLabel(t *testing.T) {
	at := time.Date(2026, 11, 21, 5, 47, 59, 0, time.UTC).UnixNano()
	for window, want := range map[time.Duration]string{
		0: "2026-11-21T05", 3 * time.Hour: "2026-11-21T05", 59 * time.Minute: "2026-11-21T05:30",
		7 * time.Minute: "2026-11-21T05:45", time.Minute: "2026-11-21T05:47",
	} {
		if got := (Backfill{Window: window}).withDefaults().value(at); got != want {
			t.Errorf("window %s: %s, want %s", window, got, want)
		}
	}
}
