package embedded

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
	"github.com/remora-ray/remora/internal/store/backup"
)

// A backup that is taken while four write, and restored: what was acknowledged
// before is there, each line once, and the senders go on where it stands.
func TestABackupWhileLinesCome(t *testing.T) {
	e := openTest(t, func(c *Config) { c.CheckpointBytes = 30_000 })
	ctx, cancel := context.WithCancel(context.Background())
	var acked [4]atomic.Uint64
	more := make(chan struct{}, 1) // something was acknowledged
	var writers sync.WaitGroup
	for f := range byte(4) {
		writers.Go(func() {
			for next := uint64(0); ctx.Err() == nil; next += 50 {
				if _, err := e.Append(context.Background(), store.Batch{Tenant: "fake", Received: base, Push: steadyPush(f, next)}); err != nil {
					t.Error(err)
					return
				}
				acked[f].Store(next/10 + 5)
				select {
				case more <- struct{}{}:
				default:
				}
			}
		})
	}
	defer writers.Wait()
	defer cancel()
	target := backup.Directory(filepath.Join(t.TempDir(), "target"))
	for range 3 {
		var before [4]uint64
		for f := range before {
			for acked[f].Load() == before[f] { // each time more than at the last
				<-more
			}
			before[f] = acked[f].Load()
		}
		dir, err := e.TakeSnapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		s, err := backup.Write(ctx, dir, target, time.Now(), func(uint64, uint64) {})
		if err != nil {
			t.Fatal(err)
		}
		restored := filepath.Join(t.TempDir(), "store")
		if _, err := backup.Restore(ctx, target, s.Name, restored, func(uint64, uint64) {}); err != nil {
			t.Fatal(err)
		}
		checkRestored(t, openAt(t, restored, nil), before)
	}
}

func checkRestored(t *testing.T, e *Engine, atLeast [4]uint64) {
	t.Helper()
	sel := everything()
	sel.End += 10 * nanosPerDay
	got := countLines(t, e, sel)
	for f := range byte(4) {
		at, err := e.Offsets(context.Background(), "fake", []loki.FileID{fileID(f)})
		if err != nil {
			t.Fatal(err)
		}
		if lines := at[0].Committed / 10; lines < atLeast[f] {
			t.Errorf("file %d is committed to line %d, acknowledged before the backup to %d", f, lines, atLeast[f])
		}
		for i := range at[0].Committed / 10 {
			line := fmt.Sprintf("file %d line %d", f, i)
			if got[line] != 1 {
				t.Fatalf("%q is there %d times", line, got[line])
			}
			delete(got, line)
		}
		if r := appendPush(t, e, steadyPush(f, at[0].Committed)); r.Stored != 5 {
			t.Errorf("the sender of file %d goes on: %+v", f, r)
		}
	}
	if len(got) > 0 {
		t.Errorf("%d lines that are not committed", len(got))
	}
}

// A store opened again has no snapshot left of one that was killed.
func TestSnapshotsOfAKilledServerGo(t *testing.T) {
	dir := t.TempDir()
	e := openAt(t, dir, nil)
	appendPush(t, e, foreignPush(logs.LabelsOf("a", "b"), "x"))
	if _, err := e.TakeSnapshot(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	wantLines(t, openAt(t, dir, nil), "x")
	if left, err := filepath.Glob(filepath.Join(dir, "snapshots", "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, error %v", left, err)
	}
}
