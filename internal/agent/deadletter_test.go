package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/agent/ship"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// told is one dead letter as a person reads it.
type told struct {
	Reason, Fault, File, Line string
	From, To                  uint64
	Time, Refused             time.Time
	Labels, Metadata          map[string]string
	Lines                     []struct{ Line string }
}

func readLetter(t *testing.T, path string) (l told) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func counter(t *testing.T, c *prometheus.CounterVec, reason string) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	if err := r.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == reason {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// TestALineThatALokiRefusesIsKeptAlone: the others go, the positions go on, and what
// is sent again after a crash leaves one dead letter.
func TestALineThatALokiRefusesIsKeptAlone(t *testing.T) {
	w := newWorld(t)
	w.srv.isLoki, w.srv.reject = true, "poison"
	w.mkdir()
	text, want := numbered("good", 0, 20)
	w.write("raylet.out", strings.Replace(text, "good 7\n", "good 7\npoison <pill>\n", 1))
	w.start()
	refused := filepath.Join(w.conf.State, "refused", "*")
	w.until("a dead letter", func() bool { return len(glob(t, refused)) > 0 })
	w.arrived(20)
	w.drain()
	slices.Sort(want)
	if got := slices.Sorted(slices.Values(w.srv.lines(testSession, "raylet.out"))); !slices.Equal(slices.Compact(got), want) {
		t.Errorf("arrived: %q", got)
	}
	letters := glob(t, refused)
	if len(letters) != 1 {
		t.Fatalf("dead letters %q, want one", letters)
	}
	l := readLetter(t, letters[0])
	if l.Line != "poison <pill>" || !strings.Contains(l.Reason, "not to our taste") || l.Metadata["filename"] != "raylet.out" ||
		l.Labels["RayCluster"] != "test" || l.Metadata["offset"] != "56" || l.Time.IsZero() || l.Refused.IsZero() || l.To <= l.From {
		t.Errorf("%+v", l)
	}
	if n := counter(t, w.a.met.dropLines, string(ship.FaultOther)); n != 1 {
		t.Errorf("%g lines are counted, want one", n)
	}
	if err := os.Remove(filepath.Join(w.conf.State, "positions")); err != nil {
		t.Fatal(err)
	}
	n := w.srv.requests()
	w.start()
	w.until("it was sent again", func() bool { return w.srv.requests() > n+2 })
	w.drain()
	again := glob(t, refused)
	if len(again) != 1 || readLetter(t, again[0]).Line != l.Line {
		t.Errorf("after a replay: %q", again)
	}
}

func TestAPartThatIsRefusedCanBeRead(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.srv.reject = "poison"
	w.write("raylet.out", "poison\nand more\n")
	w.start()
	letters := filepath.Join(w.conf.State, "refused", "*.json")
	w.until("a dead letter", func() bool { return len(glob(t, letters)) == 1 })
	l := readLetter(t, glob(t, letters)[0])
	var lines []string
	for _, x := range l.Lines {
		lines = append(lines, x.Line)
	}
	if diff := cmp.Diff([]string{"poison", "and more"}, lines); diff != "" || l.From != 0 || l.To != 16 || !strings.Contains(l.Reason, "not to our taste") {
		t.Errorf("%+v", l)
	}
}

func refusal(line string, at int64) (*pipeline.Part, []byte, error) {
	body := loki.AppendPush(nil, &loki.Push{Streams: []loki.Stream{{
		Labels: logs.LabelsOf("app", "a"), Entries: []logs.Entry{{Time: at, Line: line, Metadata: logs.LabelsOf("offset", fmt.Sprint(at))}},
	}}})
	return &pipeline.Part{File: loki.FileID{1}, To: 9}, body, &ship.EntryError{Fault: ship.FaultTooOld, Reason: "too old"}
}

func keeper(t *testing.T) (*agent, string) {
	w := newWorld(t)
	if err := w.conf.validate(); err != nil {
		t.Fatal(err)
	}
	a := &agent{conf: w.conf, log: w.conf.Logger, met: newMetrics(), health: &Health{}}
	return a, filepath.Join(w.conf.State, "refused")
}

// TestDeadLettersAreBounded: the oldest are removed, and counted.
func TestDeadLettersAreBounded(t *testing.T) {
	a, dir := keeper(t)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	place := func(name string, size int64, age time.Duration) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	place("zz-oldest.json", 40<<20, 3*time.Hour)
	place("aa-newer.json", 24<<20, time.Hour)
	if err := a.bury(refusal("x", 1)); err != nil {
		t.Fatal(err)
	}
	left := glob(t, filepath.Join(dir, "*"))
	if len(left) != 2 || filepath.Base(left[1]) != "aa-newer.json" || counter(t, a.met.drops, "dead-letter-removed") != 1 {
		t.Errorf("left are %q", left)
	}
	for i := range deadLetterFiles {
		place(fmt.Sprintf("many-%d.json", i), 1, time.Minute)
	}
	if err := a.bury(refusal("y", 2)); err != nil {
		t.Fatal(err)
	}
	if n := len(glob(t, filepath.Join(dir, "*"))); n != deadLetterFiles {
		t.Errorf("%d files, at most %d are kept", n, deadLetterFiles)
	}
}

// TestALineCannotNameItsDeadLetter: what stands in the metadata is not a path.
func TestALineCannotNameItsDeadLetter(t *testing.T) {
	a, dir := keeper(t)
	p, _, why := refusal("", 1)
	body := loki.AppendPush(nil, &loki.Push{Streams: []loki.Stream{{
		Labels: logs.LabelsOf("app", "a"), Entries: []logs.Entry{{Line: "x", Metadata: logs.LabelsOf("offset", "/../../escaped")}},
	}}})
	if err := a.bury(p, body, why); err != nil {
		t.Fatal(err)
	}
	if all := glob(t, filepath.Join(dir, "*.json")); len(all) != 1 || readLetter(t, all[0]).Metadata["offset"] != "/../../escaped" {
		t.Errorf("dead letters %q", all)
	}
}

func TestADeadLetterThatCannotBeKeptIsAnError(t *testing.T) {
	a, dir := keeper(t)
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.bury(refusal("x", 1)); err == nil || !strings.Contains(err.Error(), "keep what was refused") {
		t.Errorf("error is %v", err)
	}
}
