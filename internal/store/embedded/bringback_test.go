package embedded

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/store"
)

// After a kill pushes are taken and judged at once; a question waits until the lines
// of before are there, and tells each once.
func TestPushesAreTakenWhileLinesAreBroughtBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	crash(t, dir, "checkpoint table#1")
	release := make(chan struct{})
	e := openAt(t, dir, func(c *Config) {
		c.fault = func(step string) error {
			if step == "bring back" {
				<-release
			}
			return nil
		}
	})
	want := crashLines()
	for i, line := range []string{"after the kill", "more"} {
		if r := appendPush(t, e, filePush(99, uint64(i)*10, "", line)); r.Stored != 1 {
			t.Errorf("%q: %+v", line, r)
		}
		want[line]++
	}
	if r := appendPush(t, e, filePush(99, 0, "", "after the kill")); r != (store.AppendResult{Duplicate: 1}) {
		t.Errorf("a line that was sent before: %+v", r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Select(ctx, []string{"fake"}, everything(), func(*logs.Record) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a question before the lines are back: %v", err)
	}
	close(release)
	resend(t, e, crashPushes(), want)
}

// Lines that cannot be brought back make the store tell so, and are there once it is
// opened again.
func TestLinesThatCannotBeBroughtBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	crash(t, dir, "checkpoint table#1")
	broken := errors.New("broken")
	e, err := Open(Config{Dir: dir, fault: func(step string) error {
		if step == "bring back" {
			return broken
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Select(context.Background(), []string{"fake"}, everything(), func(*logs.Record) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("a question: %v", err)
	}
	if err := e.Ready(); !errors.Is(err, broken) {
		t.Errorf("ready: %v", err)
	}
	if err := e.Close(); !errors.Is(err, broken) {
		t.Errorf("close: %v", err)
	}
	e = openAt(t, dir, nil)
	resend(t, e, crashPushes(), crashLines())
}
