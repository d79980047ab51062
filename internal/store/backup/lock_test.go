package backup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOneBackupAtATime(t *testing.T) {
	target := Directory(t.TempDir())
	now := func() time.Time { return first }
	release, err := Lock(ctx, target, now)
	if err != nil {
		t.Fatal(err)
	}
	var busy *BusyError
	if _, err := Lock(ctx, target, now); !errors.As(err, &busy) || !strings.Contains(err.Error(), "2026-11-21T19:40:05Z") {
		t.Errorf("a second backup: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release, err = Lock(ctx, target, now)
	if err != nil {
		t.Errorf("after the first one: %v", err)
	}
	// That one is killed: its lock is not renewed.
	later := func() time.Time { return first.Add(lockStale) }
	again, err := Lock(ctx, target, later)
	if err != nil {
		t.Fatalf("after one that was killed: %v", err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
	_ = release() // its object is gone
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	target := Directory(dir)
	if _, err := Verify(ctx, target, "", quiet); !errors.Is(err, ErrNone) {
		t.Errorf("a target without a backup: %v", err)
	}
	for i, files := range []map[string]string{monday, tuesday} {
		if _, err := Write(ctx, tree(t, files), target, first.Add(time.Duration(i)*time.Hour), quiet); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Verify(ctx, target, "", quiet)
	if err != nil || s.Files != 5 || s.Bytes != 30 {
		t.Errorf("%+v, error %v", s, err)
	}
	objects, err := filepath.Glob(filepath.Join(dir, "files", "*", "*"))
	if err != nil || len(objects) != 5 {
		t.Fatalf("objects %v, error %v", objects, err)
	}
	if err := os.WriteFile(objects[0], []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(objects[1]); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(ctx, target, "", quiet)
	var damaged *DamagedError
	if !errors.As(err, &damaged) || len(damaged.Objects) != 2 || !strings.HasSuffix(objects[0], damaged.Objects[0]) || !strings.HasSuffix(objects[1], damaged.Objects[1]) {
		t.Errorf("error %v, want one that names %v", err, objects[:2])
	}
}
