package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/agent/parse"
)

func TestHalfLineWaitsForItsEnd(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.write("worker-a.out", "whole\nhal")
	w.start()
	w.arrived(1)
	w.write("worker-a.out", "f")
	w.write("worker-b.out", "other\n")
	w.arrived(2)
	w.write("worker-a.out", " line\nnext")
	w.arrived(3)
	w.drain() // the end of the agent is the end of the wait
	w.want("worker-a.out", []string{"whole", "half line", "next"})
	w.noGaps()
}

func TestHalfLineOfADeadWriterIsALine(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	w.write("worker-a.out", "whole\ncut of")
	w.rotate("worker-a.out", 3)
	w.write("worker-a.out", "next\n")
	w.arrived(3)
	w.drain()
	w.want("worker-a.out", []string{"whole", "cut of", "next"})
}

func TestHalfLineOfADeletedFileIsALine(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	w.write("worker-a.out", "whole\ncut of")
	w.arrived(1)
	w.remove("worker-a.out")
	w.arrived(2)
	w.drain()
	w.want("worker-a.out", []string{"whole", "cut of"})
}

func TestTenMegabyteLine(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	long := strings.Repeat("0123456789abcdeé", 10<<20/17)
	w.write("worker-a.out", "before\n"+long+"\nafter\n")
	w.start()
	pieces := (len(long) + parse.MaxLine - 1) / parse.MaxLine
	w.until("all of it", func() bool {
		l := w.srv.lines(testSession, "worker-a.out")
		return len(l) > 0 && l[len(l)-1] == "after"
	})
	w.drain()
	rows := w.srv.rows(testSession, "worker-a.out")
	if len(rows) < pieces+2 || len(rows) > pieces+3 {
		t.Fatalf("%d entries, want %d", len(rows), pieces+2)
	}
	var joined strings.Builder
	for i, e := range rows[1 : len(rows)-1] {
		joined.WriteString(e.line)
		if got := e.meta.Get("split"); got != fmt.Sprint(i+1) {
			t.Errorf("piece %d is marked %q", i+1, got)
		}
		if len(e.line) > parse.MaxLine {
			t.Errorf("piece %d has %d bytes", i+1, len(e.line))
		}
	}
	if joined.String() != long {
		t.Error("the pieces do not make the line")
	}
	for _, e := range []entry{rows[0], rows[len(rows)-1]} {
		if e.meta.Get("split") != "" {
			t.Errorf("%q is marked as split", e.line)
		}
	}
	w.noGaps()
}

func TestLongLineAcrossAKill(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	long := strings.Repeat("x", 3*parse.MaxLine)
	w.write("worker-a.out", long)
	w.start()
	w.arrived(2)
	w.crash()
	w.write("worker-a.out", "end\n")
	w.start()
	w.until("the end", func() bool {
		return strings.HasSuffix(strings.Join(w.srv.lines(testSession, "worker-a.out"), ""), "end")
	})
	w.drain()
	if got := strings.Join(w.srv.lines(testSession, "worker-a.out"), ""); got != long+"end" {
		t.Errorf("%d bytes arrived, want %d", len(got), len(long)+3)
	}
}

func TestNulAndInvalidUTF8(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	want := []string{"nul \x00 inside", "bad \xff\xfe bytes", "\x00\x00", "", "cr\r", "\u2028\v\f\x1b]0;x\a"}
	w.write("worker-a.out", strings.Join(want, "\n")+"\n")
	w.start()
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
}

func TestThousandFilesWithTheSameFirstLine(t *testing.T) {
	w := newWorld(t)
	w.conf.MaxOpen = 64
	w.mkdir()
	w.start()
	want := map[string][]string{}
	for f := range 1000 {
		name := fmt.Sprintf("worker-%056x-01000000-%d.out", f, f+1)
		text := fmt.Sprintf(":job_id:01000000\nof %d\n", f)
		w.write(name, text)
		want[name] = []string{":job_id:01000000", fmt.Sprintf("of %d", f)}
	}
	w.arrived(2000)
	for f := range 1000 {
		name := fmt.Sprintf("worker-%056x-01000000-%d.out", f, f+1)
		w.write(name, "more\n")
		want[name] = append(want[name], "more")
	}
	w.arrived(3000)
	w.drain()
	for name, lines := range want {
		w.want(name, lines)
	}
	w.noGaps()
}

func TestLinesWithoutATimeGetTheTimeOfReading(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	before := time.Now()
	w.write("worker-a.out", "one\ntwo\n")
	w.start()
	w.arrived(2)
	w.write("worker-a.out", "three\n")
	w.arrived(3)
	w.drain()
	after := time.Now()
	last := int64(0)
	for _, e := range w.srv.rows(testSession, "worker-a.out") {
		// The file system's clock ticks in a few milliseconds.
		if at := time.Unix(0, e.time); at.Before(before.Add(-20*time.Millisecond)) || at.After(after) {
			t.Errorf("%q is at %s, written between %s and %s", e.line, at, before, after)
		}
		if e.time <= last {
			t.Errorf("%q is not later than the line before", e.line)
		}
		last = e.time
	}
}

func TestSkippedFilesAreNotRead(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.write("debug_state.txt", "state\n")
	w.write("raylet.out", "line\n")
	w.start()
	w.arrived(1)
	w.drain()
	w.want("debug_state.txt", nil)
}
