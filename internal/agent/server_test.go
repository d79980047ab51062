package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/loki"
)

func TestServerAwayThenBack(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("a", 0, 100)
	w.write("raylet.out", text)
	var tries atomic.Int32
	w.srv.on(func(int, bool) int { tries.Add(1); return -1 })
	w.start()
	w.until("some tries", func() bool { return tries.Load() > 5 })
	more, lines := numbered("b", 0, 100)
	w.write("raylet.out", more)
	w.srv.on(nil)
	w.arrived(200)
	w.drain()
	w.want("raylet.out", append(want, lines...))
	w.noGaps()
}

func TestServerAwayInTheMiddle(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	var want []string
	codes := []int{-1, 429, 500, 502, 503, 401, 404}
	for i, code := range codes {
		name := fmt.Sprint("r", i)
		text, lines := numbered(name, 0, 50)
		var tries atomic.Int32
		w.srv.on(func(int, bool) int { tries.Add(1); return code })
		w.write("raylet.out", text)
		w.until("some tries", func() bool { return tries.Load() > 2 })
		w.srv.on(nil)
		want = append(want, lines...)
		w.arrived(len(want))
	}
	w.drain()
	w.want("raylet.out", want)
	w.noGaps()
}

func TestAnswerLostAfterTheServerApplied(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	w.write("raylet.out", "first\n")
	w.arrived(1)
	for i, code := range []int{-1, 500} {
		var lost atomic.Int32
		w.srv.on(func(_ int, stored bool) int {
			if stored && lost.Add(1) <= 2 {
				return code
			}
			return 0
		})
		w.write("raylet.out", fmt.Sprintf("x%d\ny%d\n", i, i))
		w.until("answers lost", func() bool { return lost.Load() >= 3 })
	}
	w.drain()
	w.want("raylet.out", []string{"first", "x0", "y0", "x1", "y1"})
	w.noGaps()
}

func TestServerGoesBack(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("a", 0, 100)
	w.write("raylet.out", text)
	w.start()
	w.arrived(100)
	// The server forgets everything behind line 40, as one put back from a backup.
	w.srv.mu.Lock()
	for _, f := range w.srv.files {
		f.entries = f.entries[:40]
		f.committed = f.entries[39].offset + uint64(len(f.entries[39].line)) + 1
	}
	w.srv.mu.Unlock()
	w.write("raylet.out", "more\n")
	w.arrived(101)
	w.drain()
	w.want("raylet.out", append(want, "more"))
	w.noGaps()
}

func TestServerForgetsEverythingWithRotatedFiles(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	var want []string
	for gen := range 3 {
		text, lines := numbered(fmt.Sprint("g", gen), 0, 30)
		w.write("worker-a.out", text)
		want = append(want, lines...)
		w.arrived(len(want))
		w.rotate("worker-a.out", 3)
	}
	w.srv.mu.Lock()
	clear(w.srv.files)
	w.srv.mu.Unlock()
	w.write("worker-a.out", "more\n")
	want = append(want, "more")
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
	w.noGaps()
}

func TestKilledBetweenSendAndAcknowledgement(t *testing.T) {
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprintf("applied=%v", applied), func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			text, want := numbered("a", 0, 50)
			w.write("worker-a.out", text)
			w.start()
			w.arrived(50)
			more, lines := numbered("b", 0, 50)
			var reached atomic.Bool
			w.srv.on(func(_ int, stored bool) int {
				if stored == applied {
					reached.Store(true)
					return -1
				}
				return 0
			})
			w.write("worker-a.out", more)
			w.until("a push", reached.Load)
			w.crash()
			w.srv.on(nil)
			last, rest := numbered("c", 0, 10)
			w.write("worker-a.out", last)
			w.start()
			w.arrived(110)
			w.drain()
			w.want("worker-a.out", slices.Concat(want, lines, rest))
			w.noGaps()
		})
	}
}

func TestKilledManyTimesUnderLoad(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	want := map[string][]string{}
	total := 0
	for round := range 12 {
		w.start()
		for f := range 5 {
			name := fmt.Sprintf("worker-%d.out", f)
			text, lines := numbered(fmt.Sprintf("r%d", round), 0, 200)
			w.write(name, text)
			want[name] = append(want[name], lines...)
			total += 200
			if round%3 == 2 {
				w.rotate(name, 4)
			}
		}
		if round%2 == 0 {
			w.arrived(min(total, w.srv.count()+1))
		}
		w.crash()
	}
	w.start()
	w.arrived(total)
	w.drain()
	for name, lines := range want {
		w.want(name, lines)
	}
	w.noGaps()
}

func TestStateTorn(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("a", 0, 50)
	w.write("raylet.out", text)
	w.start()
	w.arrived(50)
	w.drain()
	path := filepath.Join(w.conf.State, "positions")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)-7], 0o640); err != nil {
		t.Fatal(err)
	}
	more, lines := numbered("b", 0, 50)
	w.write("raylet.out", more)
	w.start()
	w.arrived(100)
	w.drain()
	w.want("raylet.out", append(want, lines...))
	w.noGaps()
}

func TestRefusedForGoodIsKeptAndToldAndNotInTheWay(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	w.write("good.log", "good 1\n")
	w.write("bad.log", "fine\n")
	w.arrived(2)
	w.srv.reject = "poison"
	w.write("bad.log", "poison\n")
	w.write("good.log", "good 2\n")
	w.until("a dead letter", func() bool { return len(glob(t, filepath.Join(w.conf.State, "refused/*.json"))) == 1 })
	w.write("bad.log", "after\n")
	w.write("good.log", "good 3\n")
	w.arrived(5)
	w.drain()
	w.want("good.log", []string{"good 1", "good 2", "good 3"})
	w.want("bad.log", []string{"fine", "after"})
	letters := glob(t, filepath.Join(w.conf.State, "refused/*.push"))
	body, err := os.ReadFile(letters[0])
	if err != nil {
		t.Fatal(err)
	}
	p, err := loki.DecodePush(body)
	if err != nil || p.Streams[0].Entries[0].Line != "poison" {
		t.Errorf("the dead letter does not hold the line: %v", err)
	}
	if g := w.srv.gaps(); len(g) != 1 || !strings.HasPrefix(g[0], "refused ") {
		t.Errorf("gaps are %q, want one that says refused", g)
	}
}

func TestLokiGetsMetadataOnEachEntryAndNoRange(t *testing.T) {
	w := newWorld(t)
	w.srv.isLoki = true
	w.mkdir()
	w.write("raylet.out", "[2026-11-21 05:06:33,161 I 21 21] (raylet) x.cc:1: hello\n")
	w.start()
	w.arrived(1)
	w.drain()
	var got push.PushRequest
	if err := got.Unmarshal(w.srv.bodies[0]); err != nil {
		t.Fatal(err)
	}
	meta := map[string]string{}
	for _, m := range got.Streams[0].Entries[0].StructuredMetadata {
		meta[m.Name] = m.Value
	}
	if meta["filename"] != "raylet.out" || meta["session"] != testSession || meta["offset"] != "0" || meta["detected_level"] != "info" {
		t.Errorf("metadata is %v", meta)
	}
	p, err := loki.DecodePush(w.srv.bodies[0])
	if err != nil || p.Streams[0].Range != nil {
		t.Errorf("a Loki was sent a range (%v)", err)
	}
}

func TestReplayToLokiGivesTheSameEntries(t *testing.T) {
	w := newWorld(t)
	w.srv.isLoki = true
	w.mkdir()
	// Lines without a time of their own: their times come from anchors.
	w.write("worker-a.out", "plain\ntext\n")
	var reached atomic.Bool
	w.srv.on(func(_ int, stored bool) int {
		if stored {
			reached.Store(true)
			return -1
		}
		return 0
	})
	w.start()
	w.until("a push", reached.Load)
	w.crash()
	w.srv.on(nil)
	n := w.srv.count()
	w.start()
	w.arrived(n + 2)
	w.drain()
	w.sameTimes("worker-a.out", 2)
}

// What a Loki may have comes again with the times that it had, also where they follow
// from those of lines that were acknowledged; what was written since gets its own.
func TestReplayBehindWhatALokiAcknowledged(t *testing.T) {
	for _, rotated := range []bool{false, true} {
		t.Run(fmt.Sprintf("rotated=%v", rotated), func(t *testing.T) {
			w := newWorld(t)
			w.srv.isLoki = true
			w.mkdir()
			w.write("worker-a.out", "one\n")
			release := w.srv.hold()
			w.start()
			w.until("a push", func() bool { return w.srv.held() == 1 })
			if rotated {
				w.rename("worker-a.out", "worker-a.out.1")
			}
			w.ticks()
			w.write("worker-a.out", "two\n")
			w.until("the agent has read it", func() bool { return testutil.ToFloat64(w.a.met.bytesRead) == 8 })
			var reached atomic.Bool
			w.srv.on(func(n int, stored bool) int {
				if stored && n > 1 {
					reached.Store(true)
					return -1
				}
				return 0
			})
			release()
			w.until("a push", reached.Load)
			w.crash()
			w.srv.on(nil)
			n := w.srv.count()
			w.ticks()
			w.write("worker-a.out", "three\n")
			written, err := tail.StatPath(w.path("worker-a.out"))
			if err != nil {
				t.Fatal(err)
			}
			w.start()
			w.arrived(n + 2)
			w.drain()
			w.sameTimes("worker-a.out", 3)
			rows := w.srv.rows(testSession, "worker-a.out")
			if last := rows[len(rows)-1]; last.line != "three" || last.time < written.Written {
				t.Errorf("line %q has time %d, want that of its write or later, %d", last.line, last.time, written.Written)
			}
		})
	}
}

// sameTimes wants n different lines of a file at a Loki, each with one time.
func (w *world) sameTimes(filename string, n int) {
	w.t.Helper()
	first := map[uint64]int64{}
	for _, e := range w.srv.rows(testSession, filename) {
		if at, seen := first[e.offset]; seen && at != e.time {
			w.t.Errorf("line %q had time %d and then %d", e.line, at, e.time)
		}
		first[e.offset] = e.time
	}
	if len(first) != n {
		w.t.Errorf("%d different lines, want %d", len(first), n)
	}
}

func TestStateDirectoryInUse(t *testing.T) {
	w := newWorld(t)
	w.start()
	if _, err := open(w.conf); err == nil || !strings.Contains(err.Error(), "in use by another agent") {
		t.Errorf("error is %v", err)
	}
}

func TestSigtermWhileTheServerIsAwayEndsWithinTheDeadline(t *testing.T) {
	w := newWorld(t)
	w.conf.DrainTimeout = 300 * time.Millisecond
	w.mkdir()
	w.start()
	w.write("raylet.out", "first\n")
	w.arrived(1)
	var tries atomic.Int32
	w.srv.on(func(int, bool) int { tries.Add(1); return 503 })
	w.write("raylet.out", "second\n")
	w.until("a try", func() bool { return tries.Load() > 0 })
	w.stop()
	err := <-w.done
	w.done = nil
	if err == nil || !strings.Contains(err.Error(), "not everything was delivered") {
		t.Errorf("error is %v", err)
	}
	w.srv.on(nil)
	w.start()
	w.arrived(2)
	w.drain()
	w.want("raylet.out", []string{"first", "second"})
}

// A Loki knows no gaps: the line that tells of one is the agent's own, in its place.
func TestLokiIsToldOfAGapByALine(t *testing.T) {
	w := newWorld(t)
	w.srv.isLoki = true
	w.mkdir()
	w.start()
	w.write("raylet.out", "one\ntwo\n")
	w.arrived(2)
	if err := os.Truncate(w.path("raylet.out"), 0); err != nil {
		t.Fatal(err)
	}
	w.write("raylet.out", "3\n")
	w.arrived(4)
	w.drain()
	w.want("raylet.out", []string{"one", "two", "remora: bytes before 8 of this file are missing: truncated", "3"})
}
