package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test's own program be the parts that the bench starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "floor" || os.Args[1] == "receive") {
		if err := command(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// A run of a few MiB: every line arrives, every answer is right, every figure is there.
func TestRun(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./cmd/...")
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	page := filepath.Join(t.TempDir(), "performance.md")
	b := &bench{bin: bin, out: page, work: t.TempDir(), size: 4 << 20, seed: 2, rounds: 1, paced: time.Second}
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
