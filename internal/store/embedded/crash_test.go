package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// A crash is a child process of the test binary that runs the scenario on a
// store and kills itself with −9 when it comes to a step for the nth time.
const (
	crashDir  = "REMORA_TEST_CRASH_DIR"
	crashStep = "REMORA_TEST_CRASH_STEP" // step#n
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashChild(dir, os.Getenv(crashStep))
	}
	os.Exit(m.Run())
}

// crashPushes is the scenario: pushes 0 to 7, a checkpoint after the third, the
// engine flushed without a checkpoint after the sixth.
func crashPushes() []*loki.Push {
	var ps []*loki.Push
	lines := func(name string, n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf("%s line %d", name, i)
		}
		return out
	}
	ps = append(ps,
		filePush(1, 0, "", lines("p0", 10)...),
		foreignPush(logs.LabelsOf("app", "foreign"), lines("p1", 5)...),
		filePush(2, 0, "", lines("p2", 3)...),
		filePush(1, 50, "", append(lines("p0", 10)[5:], lines("p3", 20)...)...), // overlaps
		filePush(2, 100, "deleted-unread", lines("p4", 4)...),
		foreignPush(logs.LabelsOf("app", "foreign"), "twice", "twice", "p5"),
		filePush(1, 300, "", lines("p6", 7)...),
		foreignPush(logs.LabelsOf("app", "other"), lines("p7", 5)...),
	)
	both := filePush(3, 0, "", lines("p8", 2)...)
	both.Streams = append(both.Streams, foreignPush(logs.LabelsOf("app", "third"), "p8 foreign").Streams...)
	return append(ps, both)
}

func crashLines() map[string]int {
	want := map[string]int{"twice": 2, "p5": 1, "p8 foreign": 1, "remora: bytes 30 to 100 of this file are missing: deleted-unread": 1}
	for name, n := range map[string]int{"p0": 10, "p1": 5, "p2": 3, "p3": 20, "p4": 4, "p6": 7, "p7": 5, "p8": 2} {
		for i := range n {
			want[fmt.Sprintf("%s line %d", name, i)] = 1
		}
	}
	return want
}

func crashChild(dir, at string) {
	if at == "never" {
		steadyChild(dir)
	}
	name, nth, _ := strings.Cut(at, "#")
	left, _ := strconv.Atoi(nth)
	step := func(s string) error {
		if s == name {
			if left--; left <= 0 {
				_ = unix.Kill(os.Getpid(), unix.SIGKILL)
				select {}
			}
		}
		return nil
	}
	fail := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(3)
		}
	}
	e, err := Open(Config{Dir: dir, fault: step})
	fail(err)
	for i, p := range crashPushes() {
		_, err := e.Append(context.Background(), store.Batch{Tenant: "fake", Received: time.Now(), Push: p})
		fail(err)
		fmt.Println("acked", i)
		fail(e.catchUp(context.Background()))
		switch i {
		case 2:
			fail(e.Checkpoint(context.Background()))
		case 5:
			fail(e.atPause(context.Background(), func(int64, []byte) error { return e.barrier() }))
		}
	}
	fail(e.Close())
	fail(step("closed"))
	os.Exit(0)
}

// crash runs the scenario in dir until step and returns which pushes were
// acknowledged.
func crash(t *testing.T, dir, step string) (acked []int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashStep+"="+step)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the child was not killed at %s: %v\n%s", step, err, out)
	}
	sc := bufio.NewScanner(strings.NewReader(string(out)))
	for sc.Scan() {
		n, err := strconv.Atoi(strings.TrimPrefix(sc.Text(), "acked "))
		if err != nil {
			t.Fatalf("the child said %q", sc.Text())
		}
		acked = append(acked, n)
	}
	return acked
}

func countLines(t *testing.T, e *Engine, sel logs.Selection) map[string]int {
	t.Helper()
	got := make(map[string]int)
	for _, l := range selectLines(t, e, sel) {
		got[l]++
	}
	return got
}

var crashSteps = []string{
	"journal write#1", "journal sync#1", "journal synced#1", "apply#1", "applied#1",
	"checkpoint barrier#1", "checkpoint table#1", "checkpoint remove#1", "checkpoint done#1",
	"apply#4", "journal write#5", "journal synced#5", "applied#6", "checkpoint barrier#2",
	"journal write#7", "apply#7", "applied#8", "journal sync#9", "applied#9",
	"checkpoint barrier#3", "checkpoint table#2", "checkpoint remove#2", "checkpoint done#2", "closed#1",
}

// Killed at any step and opened again, the store has every line that it
// acknowledged, and after the sender sent everything again each line once.
func TestKilledAtEachStep(t *testing.T) {
	want := crashLines()
	for _, step := range crashSteps {
		t.Run(strings.ReplaceAll(step, " ", "-"), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			acked := crash(t, dir, step)
			e := openAt(t, dir, nil)
			got := countLines(t, e, everything())
			pushes := crashPushes()
			for _, i := range acked {
				for _, s := range pushes[i].Streams {
					for _, en := range s.Entries {
						if got[en.Line] != want[en.Line] {
							t.Errorf("acknowledged line %q is there %d times", en.Line, got[en.Line])
						}
					}
				}
			}
			resend(t, e, pushes, want)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = openAt(t, dir, nil)
			resend(t, e, pushes, want)
		})
	}
}

func resend(t *testing.T, e *Engine, pushes []*loki.Push, want map[string]int) {
	t.Helper()
	for i, p := range pushes {
		if _, err := e.Append(context.Background(), store.Batch{Tenant: "fake", Received: time.Now(), Push: p}); err != nil {
			t.Fatalf("push %d sent again: %v", i, err)
		}
	}
	got := countLines(t, e, everything())
	for line, n := range want {
		if got[line] != n {
			t.Errorf("%q is there %d times, want %d", line, got[line], n)
		}
		delete(got, line)
	}
	if len(got) > 0 {
		t.Errorf("lines nobody sent: %v", got)
	}
}

// The engine writes rows and the index of streams apart: after a crash the rows
// may be there and the stream unknown. They must be found, and once.
func TestRowsWhoseStreamTheIndexLost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	crash(t, dir, "checkpoint table#1")
	lists, err := filepath.Glob(filepath.Join(dir, "tenants", "*", "partitions", "*", "indexdb", "parts.json"))
	if err != nil || len(lists) == 0 {
		t.Fatalf("no index found: %v", err)
	}
	for _, l := range lists {
		if err := os.WriteFile(l, []byte("[]"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	e := openAt(t, dir, nil)
	sel := everything()
	sel.Matchers = []logs.Matcher{{Name: "component", Value: "raylet"}}
	if got := countLines(t, e, sel); len(got) != 13 || got["p0 line 3"] != 1 {
		t.Errorf("lines found by their stream: %v", got)
	}
	resend(t, e, crashPushes(), crashLines())
	checkBuckets(t, e, nil, logs.Selection{Start: 0, End: 1})
	streams, err := e.Streams(context.Background(), []string{"fake"}, nil, 0, everything().End)
	if err != nil || len(streams) != 4 {
		t.Errorf("streams %v, error %v", streams, err)
	}
}

// steadyChild writes to four files, as fast as it goes, from where the store stands, until it is killed.
func steadyChild(dir string) {
	e, err := Open(Config{Dir: dir, CheckpointBytes: 30_000, flushInterval: time.Second})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(3)
	}
	var mu sync.Mutex
	for f := range byte(4) {
		go func() {
			at, err := e.Offsets(context.Background(), "fake", []loki.FileID{fileID(f)})
			for next := uint64(0); ; next += 50 {
				if next == 0 && err == nil {
					next = at[0].Committed
				}
				p, n := steadyPush(f, next), 0
				if _, err = e.Append(context.Background(), store.Batch{Tenant: "fake", Received: time.Now(), Push: p}); err == nil {
					n = len(p.Streams[0].Entries)
				}
				mu.Lock()
				fmt.Println("file", f, next/10, n, err)
				mu.Unlock()
			}
		}()
	}
	select {}
}

func steadyPush(f byte, from uint64) *loki.Push {
	var lines []string
	for i := range uint64(5) {
		lines = append(lines, fmt.Sprintf("file %d line %d", f, from/10+i))
	}
	p := filePush(f, from, "", lines...)
	// Days apart, so that several partitions are written to.
	for i := range p.Streams[0].Entries {
		p.Streams[0].Entries[i].Time += int64(f) * nanosPerDay
	}
	return p
}

// Killed at random moments, again and again on one directory, the store goes on
// where it stood: no line is missing, none is there twice.
func TestKilledAtRandomMoments(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	acked := map[byte]uint64{}
	for _, life := range []time.Duration{300, 900, 1500, 100, 2500} {
		ctx, cancel := context.WithTimeout(context.Background(), life*time.Millisecond)
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), crashDir+"="+dir, crashStep+"=never")
		out, err := cmd.Output()
		cancel()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("the child ended by itself: %v\n%s", err, out)
		}
		for _, l := range strings.Split(string(out), "\n") {
			var f byte
			var line, n uint64
			if got, _ := fmt.Sscanf(l, "file %d %d %d <nil>", &f, &line, &n); got == 3 && n > 0 {
				acked[f] = max(acked[f], line+n)
			}
		}
	}
	e := openAt(t, dir, nil)
	sel := everything()
	sel.End += 10 * nanosPerDay
	got := countLines(t, e, sel)
	for f := range byte(4) {
		o, err := e.Offsets(context.Background(), "fake", []loki.FileID{fileID(f)})
		if err != nil {
			t.Fatal(err)
		}
		if o[0].Committed < acked[f]*10 {
			t.Errorf("file %d is committed to %d, acknowledged to %d", f, o[0].Committed, acked[f]*10)
		}
		for i := range o[0].Committed / 10 {
			line := fmt.Sprintf("file %d line %d", f, i)
			if got[line] != 1 {
				t.Fatalf("%q is there %d times", line, got[line])
			}
			delete(got, line)
		}
	}
	if len(got) > 0 {
		t.Errorf("%d lines that are not committed", len(got))
	}
	t.Logf("lines acknowledged: %v", acked)
}
