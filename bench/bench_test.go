package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain lets the test's own program be the parts that the bench starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"floor", "receive", "confined"}, os.Args[1]) {
		if err := command(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var err error
	if built, err = os.MkdirTemp("", "remora-bench-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// builtBinaries are the server and the agent, built once for all tests.
func builtBinaries(t *testing.T) string {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var binaries = sync.OnceValues(func() (string, error) {
	build := exec.Command("go", "build", "-o", built, "./cmd/...")
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build: %w\n%s", err, out)
	}
	return built, err
})

// built is a directory of this run of the tests.
var built string

// A run of a few MiB: every line arrives, every answer is right, every figure is there.
func TestRun(t *testing.T) {
	page := filepath.Join(t.TempDir(), "performance.md")
	b := &bench{bin: builtBinaries(t), out: page, work: t.TempDir(), size: 4 << 20, seed: 2, rounds: 1, paced: time.Second}
	if err := b.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range b.rows() {
		if !strings.Contains(string(text), "| "+r.what) {
			t.Errorf("the page lacks %q", r.what)
		}
	}
	f := &b.fig
	if f.agents[0].cpu <= 0 || f.agents[0].peak <= 0 || f.server.cpu <= 0 || f.disk <= 0 || f.paced.cpu <= 0 || len(f.queries) != 5 {
		t.Errorf("figures are missing: %+v", f)
	}
	// The floor is a yardstick only while it encodes what the agent encodes.
	if ratio := float64(f.sent.Bytes) / float64(f.encoded.Bytes); ratio < 0.99 || ratio > 1.01 {
		t.Errorf("the agent's bodies have %d bytes, the floor's %d", f.sent.Bytes, f.encoded.Bytes)
	}
	if left, _ := filepath.Glob(filepath.Join(b.work, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{"64MiB": 64 << 20, "1GiB": 1 << 30, "5KiB": 5 << 10, "7": 7} {
		var b byteSize
		if err := b.Set(text); err != nil || b != want {
			t.Errorf("%s is %d, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1MiB", "1TB", "1.5GiB"} {
		if err := new(byteSize).Set(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// The agent's bench without peers, in small: what it checks holds, every figure is there.
func TestRunAgent(t *testing.T) {
	b := &agentBench{
		bench:      &bench{bin: builtBinaries(t), work: t.TempDir(), size: 2 << 20, seed: 2, rounds: 1, paced: time.Second},
		paceRounds: 1, idleSpan: time.Second, idleFiles: 50, latencySpan: time.Second,
	}
	b.out = filepath.Join(t.TempDir(), "performance.md")
	if err := b.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(b.out)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range b.rows() {
		if !strings.Contains(string(text), "| "+r.what) {
			t.Errorf("the page lacks %q", r.what)
		}
	}
	l := b.latency
	if b.runs[0][0].cpu <= 0 || b.paces[0][0].cpu <= 0 || b.idles[0].many <= 0 || l.half <= 0 || l.half > l.p99 || l.p99 > l.most {
		t.Errorf("figures are missing: %+v, %+v, %+v, %+v", b.runs, b.paces, b.idles, l)
	}
	if c := b.confined; c.skipped == nil && c.took <= 0 {
		t.Errorf("confined: %+v", c)
	}
	if left, _ := filepath.Glob(filepath.Join(b.work, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWriteSectionLeavesOthersAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	for _, s := range [][2]string{{"One", "first\n"}, {"Two", "second"}, {"One", "third"}} {
		if err := writeSection(file, s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := "# Performance\n\n## One\n\nthird\n\n## Two\n\nsecond\n"; string(text) != want {
		t.Errorf("the page is %q, want %q", text, want)
	}
}
