package embedded

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/store"
)

// What of a selection the engine is asked. Bloom filters help where a needle
// has a whole word inside; what the engine would answer otherwise than LogQL is
// narrowed to what it cannot get wrong and checked again.
func TestWhatIsPushedDown(t *testing.T) {
	e := openTest(t, nil)
	line := func(op logs.LineOp, any ...string) logs.Selection {
		return logs.Selection{Lines: []logs.LineFilter{{Op: op, Any: any}}}
	}
	label := func(name string, op logs.MatchOp, value string) logs.Selection {
		return logs.Selection{Labels: []logs.Matcher{matcher(t, name, op, value)}}
	}
	for _, tc := range []struct {
		sel   logs.Selection
		want  string
		exact bool
	}{
		{logs.Selection{}, `*`, true},
		{logs.Selection{Matchers: []logs.Matcher{matcher(t, "job", logs.Equal, "ray/logs"), matcher(t, "component", logs.Regexp, "gcs|raylet")}}, `{"job"="ray/logs","component"=~"gcs|raylet"}`, true},
		{logs.Selection{Matchers: []logs.Matcher{matcher(t, "pod", logs.NotRegexp, "a.*")}}, `{"pod"!~"(?s:a.*)"}`, true},
		{line(logs.Contains, "task failed"), `~"task failed"`, true},
		{line(logs.Contains, "a.b", "c"), `(~"a\\.b" or ~"c")`, true},
		{line(logs.Contains, "x\xffyy"), `~"yy"`, false},
		{line(logs.Contains, "\xff"), `*`, false},
		{line(logs.Contains, ""), `*`, true},
		{line(logs.NotContains, "a", "b"), `!~"a" !~"b"`, true},
		{line(logs.NotContains, "x\xff"), `*`, false},
		{line(logs.MatchesRegexp, "err(or)? [0-9]+"), `(~"err" ~"err(or)? [0-9]+")`, true},
		{line(logs.MatchesRegexp, "(?i)error"), `~"(?i)error"`, true},
		{line(logs.MatchesRegexp, "^task .* failed$"), `~" failed"`, false},
		{line(logs.MatchesRegexp, "[a-z]+ lost in [0-9]+ ms", "a|b"), `((~" lost in " ~"[a-z]+ lost in [0-9]+ ms") or ~"a|b")`, true},
		{line(logs.MatchesRegexp, "plain"), `~"plain"`, true},
		{logs.Selection{Needs: []logs.Need{{Labels: []string{"level", "_msg"}, Texts: []string{"ERROR", `\u`}}, {Texts: []string{"\xff"}}}}, `("level":* or "remora:_msg":* or ~"ERROR" or ~"\\\\u")`, true},
		{line(logs.MatchesRegexp, ".*"), `*`, true},
		{line(logs.NotMatchesRegexp, "^a"), `*`, false},
		{line(logs.NotMatchesRegexp, "a|b+"), `!~"a|b+"`, true},
		{label("worker_id", logs.Equal, "0a1b"), `"worker_id":="0a1b"`, true},
		{label("worker_id", logs.NotEqual, ""), `!"worker_id":=""`, true},
		{label("detected_level", logs.Regexp, "error|fatal"), `("detected_level":="error" or "detected_level":="fatal")`, true},
		{label("detected_level", logs.NotRegexp, "debug|trace"), `!("detected_level":="debug" or "detected_level":="trace")`, true},
		{label("pod", logs.Regexp, "head-.*"), `"pod":~"head-"`, false},
		{label("pod", logs.Regexp, ".+"), `"pod":*`, true},
		{label("pod", logs.Regexp, ".*"), `*`, true},
		{label("_time", logs.Equal, "x"), `"remora:_time":="x"`, true},
		{label("n", logs.Equal, "1.50"), `"n":="1.50"`, false},
	} {
		got := push(&tc.sel, false)
		if got.filter != tc.want || got.exact != tc.exact {
			t.Errorf("%v %v %v is pushed as %s (exact %v), want %s (exact %v)", tc.sel.Matchers, tc.sel.Lines, tc.sel.Labels, got.filter, got.exact, tc.want, tc.exact)
		}
		if text, checked := e.Explain(tc.sel); text != got.filter || checked == got.exact {
			t.Errorf("explained as %s", text)
		}
	}
	looked := logs.Selection{Metadata: []string{"pod"}, Labels: []logs.Matcher{matcher(t, "n", logs.Equal, "1")}}
	if got, want := lookedAt(&looked, false), ` | fields _time, _stream, offset, remora_row, _msg, "pod", "remora:m:pod", "n", "remora:m:n"`; got != want {
		t.Errorf("columns are pushed as %s, want %s", got, want)
	}
	q := logs.BucketQuery{Origin: 7, Width: 60e9, By: []string{"component"}}
	want := `* | stats by (_time:60000000000ns offset 8ns, "component") count() "remora:lines", sum_len(_msg) "remora:bytes"`
	if got := bucketsLogsQL("*", q); got != want {
		t.Errorf("buckets are pushed as %s, want %s", got, want)
	}
	q.LinesOnly = true
	want = `* | stats by (_time:60000000000ns offset 8ns, "component") count() "remora:lines"`
	if got := bucketsLogsQL("*", q); got != want {
		t.Errorf("buckets of lines are pushed as %s, want %s", got, want)
	}
}

// A slice that finds nothing makes the next one longer, so that a long range
// costs few questions; one that holds too much is cut.
func TestSlicesOfTime(t *testing.T) {
	for _, dir := range []logs.Direction{logs.Backward, logs.Forward} {
		s := &slicer{start: 0, end: 1000, direction: dir, width: 10}
		var from []int64
		total := int64(0)
		for s.next() {
			if len(from) == 2 && s.width > 100 {
				s.shrink()
				continue
			}
			from = append(from, s.from)
			total += s.to - s.from
			s.advance(0, 100)
		}
		if total != 1000 {
			t.Errorf("%v: slices cover %d of 1000: %v", dir, total, from)
		}
		if len(from) > 6 {
			t.Errorf("%v: %d slices: %v", dir, len(from), from)
		}
	}
}

// After a slice that was full the next one is shorter, so that it need not be read
// twice; after one that was nearly empty longer.
func TestASliceIsAsLongAsItsBudget(t *testing.T) {
	for used, want := range map[int]int64{0: 1600, 1: 400, 250: 200, 500: 100, 1000: 50} {
		s := &slicer{start: 0, end: 100_000, direction: logs.Forward, width: 100}
		s.next()
		s.advance(used, 1000)
		if s.width != want {
			t.Errorf("after a slice of 100 that held %d of 1000 comes one of %d, want %d", used, s.width, want)
		}
	}
}

func TestLinesOlderThanTheRetentionAreDoneAndNotKept(t *testing.T) {
	e := openTest(t, func(c *Config) { c.Retention = 48 * time.Hour })
	p := filePush(1, 0, "", "old", "new")
	p.Streams[0].Entries[0].Time = time.Now().Add(-72 * time.Hour).UnixNano()
	p.Streams[0].Entries[1].Time = time.Now().Add(-time.Hour).UnixNano()
	appendPush(t, e, p)
	sel := everything()
	sel.End = time.Now().UnixNano()
	if got := selectLines(t, e, sel); len(got) != 1 || got[0] != "new" {
		t.Errorf("lines %v", got)
	}
	if n := testutil.ToFloat64(e.metrics.expired); n != 1 {
		t.Errorf("%v lines counted as expired", n)
	}
	if r := appendPush(t, e, p); r.Duplicate != 2 {
		t.Errorf("sent again: %+v", r)
	}
}

// While a checkpoint waits for the engine pushes are acknowledged.
func TestPushesAreAcknowledgedDuringACheckpoint(t *testing.T) {
	waiting, goOn := make(chan struct{}), make(chan struct{})
	first := true
	e := openTest(t, func(c *Config) {
		c.fault = func(step string) error {
			if step == "checkpoint barrier" && first {
				first = false
				close(waiting)
				<-goOn
			}
			return nil
		}
	})
	appendPush(t, e, filePush(1, 0, "", "before"))
	done := make(chan error, 1)
	go func() { done <- e.Checkpoint(context.Background()) }()
	<-waiting
	for i := range uint64(30) {
		appendPush(t, e, filePush(1, 10+10*i, "", "during"))
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := countLines(t, e, everything()); got["before"] != 1 || got["during"] != 30 {
		t.Errorf("lines %v", got)
	}
}

// Checkpoints come by themselves and keep the journal short.
func TestTheJournalIsCutByItself(t *testing.T) {
	dir := t.TempDir()
	e := openAt(t, dir, func(c *Config) { c.CheckpointBytes = 1000 })
	for i := range uint64(50) {
		appendPush(t, e, filePush(1, 10*i, "", "a line of some length"))
	}
	deadline := time.After(time.Minute)
	for {
		table, err := readTable(filepath.Join(dir, "table"))
		if err != nil {
			t.Fatal(err)
		}
		if table.position > 0 && e.journal.End()-table.position < 5000 {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("the last checkpoint is at %d, the journal's end at %d", table.position, e.journal.End())
		case <-time.After(10 * time.Millisecond):
		}
	}
	if _, err := e.Append(context.Background(), store.Batch{Tenant: "fake", Push: filePush(1, 500, "", "x")}); err != nil {
		t.Error(err)
	}
}
