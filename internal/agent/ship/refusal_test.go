package ship

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

func TestOnlyTheRefusedEntriesBecomeDeadLetters(t *testing.T) {
	l := newFakeLoki(t)
	s, dead := newSender(t, HTTP{URL: l.URL})
	now := l.now
	a, b := logs.LabelsOf("app", "a"), logs.LabelsOf("app", "b")
	var many []logs.Entry
	for i := range 40 {
		many = append(many, lineOf(fmt.Sprint("many ", i), now.Add(time.Duration(i)*time.Millisecond)))
	}
	long := strings.Repeat("x", l.maxLine+1)
	many[17].Line = long
	r := deliver(t, s, batchOf(t,
		part{{Labels: a, Entries: []logs.Entry{lineOf("ancient", now.Add(-8*24*time.Hour)), lineOf("good", now), lineOf("future", now.Add(time.Hour))}}},
		part{{Labels: b, Entries: many}},
		part{{Labels: a, Entries: []logs.Entry{lineOf("good too", now)}}},
		part{{Labels: logs.LabelsOf("l1", "x", "l2", "x", "l3", "x", "l4", "x", "l5", "x", "l6", "x"), Entries: []logs.Entry{lineOf("labels 1", now), lineOf("labels 2", now)}}},
	))
	want := map[string]Fault{"ancient": FaultTooOld, "future": FaultTooNew, long: FaultLine, "labels 1": FaultLabels, "labels 2": FaultLabels}
	if diff := cmp.Diff(want, dead.faults); diff != "" || len(dead.lines) != 5 || r.Buried != 5 || len(r.Dead) != 0 {
		t.Errorf("dead letters (want -, got +):\n%s\n%d buried", diff, r.Buried)
	}
	rows := l.rows()
	if got := rows[a.String()]; !slices.Equal(got, []string{"good", "good too"}) || len(rows[b.String()]) != 39 {
		t.Errorf("stored %v", rows)
	}
	if n := l.count(); n > 14 {
		t.Errorf("it took %d pushes", n)
	}
}

// TestAnAccountIsBelieved: where Loki accounts for a stream, nothing of it is sent
// again.
func TestAnAccountIsBelieved(t *testing.T) {
	for _, bad := range []int{1, 9, 30} {
		l := newFakeLoki(t)
		s, dead := newSender(t, HTTP{URL: l.URL, Backfill: Backfill{Disabled: true}})
		labels := logs.LabelsOf("app", "a")
		l.newest[labels.String()] = l.now.UnixNano()
		var es []logs.Entry
		for i := range bad {
			es = append(es, lineOf(fmt.Sprint("old ", i), l.now.Add(-2*time.Hour+time.Duration(i))), lineOf(fmt.Sprint("new ", i), l.now.Add(-time.Duration(i))))
		}
		r := deliver(t, s, batchOf(t, part{{Labels: labels, Entries: es}}))
		if l.count() != 1 || r.Buried != bad || len(dead.lines) != bad || dead.faults["old 0"] != FaultFarBehind || len(l.stored) != bad {
			t.Errorf("%d bad: %d pushes, %d buried, %d stored", bad, l.count(), r.Buried, len(l.stored))
		}
	}
}

// TestALokiWhoseWindowIsNarrower than it is said to be tells of what it refuses.
func TestALokiWhoseWindowIsNarrower(t *testing.T) {
	l := newFakeLoki(t)
	l.window = 5 * time.Minute
	s, dead := newSender(t, HTTP{URL: l.URL, Backfill: Backfill{Disabled: true}})
	a, b := logs.LabelsOf("app", "a"), logs.LabelsOf("app", "b")
	l.newest[a.String()], l.newest[b.String()] = l.now.UnixNano(), l.now.UnixNano()
	late := l.now.Add(-10 * time.Minute)
	deliver(t, s, batchOf(t, part{{Labels: a, Entries: []logs.Entry{lineOf("a late", late), lineOf("a", l.now)}}}, part{{Labels: b, Entries: []logs.Entry{lineOf("b late", late), lineOf("b", l.now)}}}))
	slices.Sort(dead.lines)
	if !slices.Equal(dead.lines, []string{"a late", "b late"}) || len(l.stored) != 2 {
		t.Errorf("kept %q, stored %v", dead.lines, l.stored)
	}
}

func TestARefusalThatSaysNothingOfUse(t *testing.T) {
	l := newFakeLoki(t)
	l.whole = true
	s, dead := newSender(t, HTTP{URL: l.URL})
	var es []logs.Entry
	for i := range 1000 {
		es = append(es, lineOf(fmt.Sprint("line ", i), l.now.Add(time.Duration(i))))
	}
	es[3].Line, es[700].Line = strings.Repeat("a", 2000), strings.Repeat("b", 2000)
	r := deliver(t, s, batchOf(t, part{{Labels: logs.LabelsOf("app", "a"), Entries: es[:500]}}, part{{Labels: logs.LabelsOf("app", "a"), Entries: es[500:]}}))
	if r.Buried != 2 || len(l.stored) != 998 || len(dead.lines[0]) != 2000 || len(dead.lines[1]) != 2000 {
		t.Errorf("%d buried, %d stored", r.Buried, len(l.stored))
	}
	if n := l.count(); n > 60 {
		t.Errorf("it took %d pushes", n)
	}
}

func TestTheWorkIsBounded(t *testing.T) {
	l := newFakeLoki(t)
	l.answer = func(w http.ResponseWriter) bool { http.Error(w, "no", http.StatusBadRequest); return true }
	s, dead := newSender(t, HTTP{URL: l.URL})
	var es []logs.Entry
	for i := range 3000 {
		es = append(es, lineOf(fmt.Sprint("line ", i), l.now))
	}
	r := deliver(t, s, batchOf(t, part{{Labels: logs.LabelsOf("app", "a"), Entries: es}}))
	if n := l.count(); n > mostTries+1 || r.Buried != 3000 || len(dead.lines) != 3000 {
		t.Errorf("%d pushes, %d of 3000 lines kept", n, len(dead.lines))
	}
}

// TestWhatCameTooFastIsSentHoweverMuchWorkThereWas: the bound is for what is refused
// for good.
func TestWhatCameTooFastIsSentHoweverMuchWorkThereWas(t *testing.T) {
	s, dead := newSender(t, HTTP{URL: "http://127.0.0.1:1"})
	target := &scripted{}
	s.Target, s.marks = target, nil
	b := batchOf(t, part{{Labels: logs.LabelsOf("app", "a"), Entries: []logs.Entry{lineOf("fast", time.Now())}}})
	l := &load{}
	if err := l.take(b); err != nil {
		t.Fatal(err)
	}
	r := Result{}
	tr := &trial{s: s, ctx: t.Context(), b: b, r: &r, load: l, tries: mostTries}
	if !tr.run([]piece{{items: l.items, pause: time.Nanosecond}}) || len(dead.lines) != 0 || !slices.Equal(target.lines, []string{"fast"}) {
		t.Errorf("dead %q, taken %q", dead.lines, target.lines)
	}
}

// TestLinesThatCameTooFastAreNotDeadLetters: a refusal by rate is no refusal for good.
func TestLinesThatCameTooFastAreNotDeadLetters(t *testing.T) {
	l := newFakeLoki(t)
	first := true
	l.answer = func(w http.ResponseWriter) bool {
		if !first {
			return false
		}
		first = false
		http.Error(w, fmt.Sprintf("entry with timestamp %s ignored, reason: 'Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '{app=\"a\"}' totaling 1B, consider splitting a stream via additional labels',\n"+
			"user 'fake', total ignored: 1 out of 2 for stream: {app=\"a\"}\n", l.now.UTC()), http.StatusBadRequest)
		return true
	}
	s, dead := newSender(t, HTTP{URL: l.URL})
	r := deliver(t, s, batchOf(t, part{{Labels: logs.LabelsOf("app", "a"), Entries: []logs.Entry{lineOf("fast", l.now), lineOf("taken", l.now.Add(-1))}}}))
	if len(dead.lines) != 0 || r.Buried != 0 || len(l.stored) != 1 || l.stored[0].line != "fast" {
		t.Errorf("dead %q, stored %v", dead.lines, l.stored)
	}
}

// TestWhatWasTakenBeforeARateLimitDoesNotGoTwice: Loki lists ten of the entries that
// were too many; they are those from the first one on.
func TestWhatWasTakenBeforeARateLimitDoesNotGoTwice(t *testing.T) {
	var es []logs.Entry
	var said strings.Builder
	now := time.Now()
	for i := range 20 {
		es = append(es, lineOf(fmt.Sprint("line ", i), now.Add(time.Duration(i))))
		if i >= 5 && i < 15 {
			fmt.Fprintf(&said, "entry with timestamp %s ignored, reason: 'Per stream rate limit exceeded (limit: 3MB/sec)',\n", now.Add(time.Duration(i)).UTC())
		}
	}
	said.WriteString("user 'fake', total ignored: 15 out of 20 for stream: {app=\"a\"}")
	s, dead := newSender(t, HTTP{URL: "http://127.0.0.1:1"})
	target := &scripted{answers: []Answer{{Kind: KindRetry, Status: http.StatusTooManyRequests, Complaint: said.String(), Err: fmt.Errorf("too fast")}}}
	s.Target = target
	retries := 0
	s.Retrying = func(error) { retries++ }
	deliver(t, s, batchOf(t, part{{Labels: logs.LabelsOf("app", "a"), Entries: es}}))
	if len(target.lines) != 15 || target.lines[0] != "line 5" || len(dead.lines) != 0 || retries != 1 {
		t.Errorf("sent again: %q, dead %q, %d retries", target.lines, dead.lines, retries)
	}
}

func TestAStateThatCannotBeWrittenKeepsTheRefusedLine(t *testing.T) {
	l := newFakeLoki(t)
	s, dead := newSender(t, HTTP{URL: l.URL})
	bury, tries := s.Bury, 0
	s.Bury = func(p *pipeline.Part, body []byte, why error) error {
		if tries++; tries < 3 {
			return fmt.Errorf("no space left on device")
		}
		return bury(p, body, why)
	}
	deliver(t, s, batchOf(t, part{{Labels: logs.LabelsOf("app", "a"), Entries: []logs.Entry{lineOf("ancient", l.now.Add(-8*24*time.Hour))}}}))
	if tries != 3 || len(dead.lines) != 1 {
		t.Errorf("%d tries, kept %q", tries, dead.lines)
	}
}

// TestNothingIsLostWhateverIsRefused sends random batches: each line is stored in
// its stream, or in one for old lines, or a dead letter that ought to be one.
func TestNothingIsLostWhateverIsRefused(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		l := newFakeLoki(t)
		l.whole = seed%7 == 0
		s, dead := newSender(t, HTTP{URL: l.URL})
		want, bad := map[string]bool{}, map[string]bool{}
		for n := range 4 {
			var parts []part
			for p := range 1 + rnd.IntN(4) {
				st := loki.Stream{Labels: logs.LabelsOf("app", fmt.Sprint(rnd.IntN(3)))}
				for i := range 1 + rnd.IntN(30) {
					text := fmt.Sprintf("%d/%d/%d", n, p, i)
					e := lineOf(text, l.now.Add(-time.Duration(rnd.Int64N(int64(12*time.Hour)))))
					switch rnd.IntN(40) {
					case 0:
						e.Time = l.now.Add(-8 * 24 * time.Hour).UnixNano()
						bad[text] = true
					case 1:
						e.Time = l.now.Add(time.Hour).UnixNano()
						bad[text] = true
					case 2:
						e.Line += strings.Repeat("x", l.maxLine)
						bad[e.Line] = true
					default:
						want[text] = true
					}
					st.Entries = append(st.Entries, e)
				}
				parts = append(parts, part{st})
			}
			deliver(t, s, batchOf(t, parts...))
		}
		got, kept := map[string]bool{}, map[string]bool{}
		for _, r := range l.stored {
			if got[r.line] {
				t.Errorf("seed %d: %q is stored twice", seed, r.line)
			}
			got[r.line] = true
		}
		for _, line := range dead.lines {
			if kept[line] {
				t.Errorf("seed %d: %q is kept twice", seed, line)
			}
			kept[line] = true
		}
		if !maps.Equal(got, want) || !maps.Equal(kept, bad) {
			t.Fatalf("seed %d: %d of %d stored, %d of %d kept", seed, len(got), len(want), len(kept), len(bad))
		}
	}
}

func TestComplaintsAreRead(t *testing.T) {
	c := readComplaint("entry with timestamp 2026-11-21 13:54:22.741395926 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: 2026-11-21T13:54:22Z, oldest acceptable timestamp is: 2026-11-21T14:54:22Z',\n" +
		"user 'fake', total ignored: 1 out of 3 for stream: {a=\"1\", service_name=\"unknown_service\"}\n")
	if len(c.accounts) != 1 || c.accounts[0].total != 3 || len(c.reasons) != 1 {
		t.Fatalf("%+v", c)
	}
	r := c.reasons[0]
	if r.fault != FaultFarBehind || r.time != time.Date(2026, 11, 21, 13, 54, 22, 741395926, time.UTC).UnixNano() ||
		r.oldest != time.Date(2026, 11, 21, 14, 54, 22, 0, time.UTC).UnixNano() || !strings.HasPrefix(r.text, "entry too far behind") || strings.HasSuffix(r.text, "'") {
		t.Errorf("%+v", r)
	}
	c = readComplaint(`1 errors like: max entry size '262144' bytes exceeded for stream '{a="1; 2"}' while adding an entry with length '300000' bytes; ` +
		`2 errors like: entry for stream '{a="1"}' has 20 label names; limit 15`)
	if len(c.reasons) != 2 || c.reasons[0].fault != FaultLine || c.reasons[0].limit != 262144 || c.reasons[1].fault != FaultLabels {
		t.Errorf("%+v", c.reasons)
	}
}

func FuzzComplaint(f *testing.F) {
	f.Add("entry with timestamp 2026-11-21 13:54:22.7 +0000 UTC ignored, reason: 'entry too far behind, oldest acceptable timestamp is: 2026-11-21T14:54:22Z',\nuser 'u', total ignored: 1 out of 3 for stream: {a=\"1\"}\n")
	f.Add("1 errors like: max entry size '1' bytes exceeded for stream '{a=\"1\"}'; 2 errors like: x")
	f.Fuzz(func(t *testing.T, text string) {
		c := readComplaint(text)
		for _, a := range c.accounts {
			if a.refused > a.total || a.refused < 0 {
				t.Errorf("%d of %d", a.refused, a.total)
			}
		}
		for _, r := range c.reasons {
			if len(r.text) > 3*maxReason || r.fault == "" {
				t.Errorf("%+v", r)
			}
		}
	})
}

// FuzzRefusal answers a push with any text: unless that accounts for entries none is lost, and
// the work ends.
func FuzzRefusal(f *testing.F) {
	f.Add("total ignored: 1 out of 2 for stream: {app=\"a\"}", uint16(400))
	f.Add("entry with timestamp 1970-01-01T00:00:00.000000003Z ignored, reason: 'x',\nuser 'u', total ignored: 1 out of 4 for stream: {app=\"a\"}\n", uint16(400))
	f.Add("max entry size '0' bytes exceeded, max entry size '3'", uint16(413))
	f.Fuzz(func(t *testing.T, text string, status uint16) {
		if strings.Contains(strings.ToLower(text), "limit") {
			t.Skip("it would be waited for")
		}
		var stream loki.Stream
		stream.Labels = logs.LabelsOf("app", "a")
		for i := range 4 {
			stream.Entries = append(stream.Entries, logs.Entry{Time: int64(i), Line: fmt.Sprint(i)})
		}
		s, dead := newSender(t, HTTP{URL: "http://127.0.0.1:1"})
		target := &scripted{answers: []Answer{{Kind: KindReject, Status: int(status), Complaint: text, Err: fmt.Errorf("no")}}}
		s.Target = target
		deliver(t, s, batchOf(t, part{stream}))
		seen := map[string]bool{}
		for _, line := range append(dead.lines, target.lines...) {
			seen[line] = true
		}
		accounted := status == http.StatusBadRequest && len(readComplaint(text).accounts) > 0
		if len(seen) != 4 && !accounted {
			t.Errorf("only %v were taken or kept", seen)
		}
	})
}
