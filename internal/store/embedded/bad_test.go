package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

func TestADirectoryThatCannotBeOpened(t *testing.T) {
	for _, tc := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		want    []string // parts of the message; %s is the directory
	}{
		{"a newer format", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "VERSION"), "remora store 99.1\n")
		}, []string{"%s", "format 99", "newer than the 1", "the program that wrote it", "give another directory"}},
		{"another version", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "VERSION"), "remora warehouse\n")
		}, []string{"%s", `"remora warehouse"`, "this program reads", "give another directory"}},
		{"something else", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "thesis.tex"), "x")
		}, []string{"%s", "thesis.tex", "empty directory"}},
		{"in use", func(t *testing.T, dir string) {
			openAt(t, dir, nil)
		}, []string{"%s", "in use by process", fmt.Sprint(os.Getpid()), "another directory"}},
		{"a file", func(t *testing.T, dir string) {
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "x")
		}, []string{"%s", "not a directory"}},
		{"a damaged table", func(t *testing.T, dir string) {
			closed(t, dir)
			write(t, filepath.Join(dir, "table"), "x")
		}, []string{"%s/table", "restore it from a backup"}},
		{"a strange file in the journal", func(t *testing.T, dir string) {
			closed(t, dir)
			write(t, filepath.Join(dir, "journal", "x.journal"), "x")
		}, []string{"%s/journal/x.journal", "move it away"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			tc.prepare(t, dir)
			e, err := Open(Config{Dir: dir})
			if err == nil {
				_ = e.Close()
				t.Fatal("it was opened")
			}
			for _, part := range tc.want {
				if part = strings.ReplaceAll(part, "%s", dir); !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestALaterMinorFormatIsRead(t *testing.T) {
	dir := t.TempDir()
	closed(t, dir)
	write(t, filepath.Join(dir, "VERSION"), "remora store 1.7\n")
	wantLines(t, openAt(t, dir, nil))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func closed(t *testing.T, dir string) {
	t.Helper()
	e, err := Open(Config{Dir: dir})
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAConfigThatCannotBe(t *testing.T) {
	for want, cfg := range map[string]Config{
		"needs a directory":  {},
		"less than a day":    {Dir: "x", Retention: time.Hour},
		"of the disk cannot": {Dir: "x", MaxDiskPercent: 101},
	} {
		if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// What the engine would drop silently is refused before anything is taken.
func TestWhatCannotBeKeptIsRefused(t *testing.T) {
	e := openTest(t, nil)
	change := func(do func(s *loki.Stream)) *loki.Push {
		p := filePush(1, 0, "", "fine", "changed")
		do(&p.Streams[0])
		return p
	}
	metadata := func(name, value string) *loki.Push {
		return change(func(s *loki.Stream) {
			s.Entries[1].Metadata = logs.Normalize(append(logs.Labels{{Name: name, Value: value}}, s.Entries[1].Metadata...))
		})
	}
	many := make(logs.Labels, 0, 2000)
	for i := range 2000 {
		many = append(many, logs.Label{Name: fmt.Sprintf("m%04d", i), Value: "x"})
	}
	for _, tc := range []struct {
		name     string
		push     *loki.Push
		tooLarge bool
		want     string
	}{
		{"a line of 2 MiB", change(func(s *loki.Stream) { s.Entries[1].Line = strings.Repeat("x", 2<<20) }), true, "line"},
		{"a value of 2 MiB", metadata("m", strings.Repeat("x", 2<<20)), true, "line"},
		{"file metadata of 2 MiB", change(func(s *loki.Stream) { s.Range.Metadata = logs.LabelsOf("m", strings.Repeat("x", 2<<20)) }), true, "line"},
		{"a long name", metadata(strings.Repeat("n", 129), "x"), true, "label name"},
		{"a name that is too long once it is escaped", metadata("remora:"+strings.Repeat("n", 120), "x"), true, "label name"},
		{"a long label name", change(func(s *loki.Stream) { s.Labels = logs.LabelsOf(strings.Repeat("n", 200), "x") }), true, "label name"},
		{"long labels", change(func(s *loki.Stream) { s.Labels = logs.LabelsOf("l", strings.Repeat("x", 20_000)) }), true, "labels of a stream"},
		{"many fields", change(func(s *loki.Stream) {
			s.Entries[1].Metadata = logs.Normalize(append(many, logs.Label{Name: "offset", Value: "10"}))
		}), false, "metadata"},
		{"a time before 1970", change(func(s *loki.Stream) { s.Entries[1].Time = -1 }), false, "1969"},
		{"a time far ahead", change(func(s *loki.Stream) { s.Entries[1].Time = time.Now().AddDate(11, 0, 0).UnixNano() }), false, "out of bounds"},
		{"no offset", change(func(s *loki.Stream) { s.Entries[1].Metadata = nil }), false, "range 0 to 20"},
		{"an offset that is no number", change(func(s *loki.Stream) { s.Entries[1].Metadata = logs.LabelsOf("offset", "x") }), false, `"x"`},
		{"an offset outside of the range", change(func(s *loki.Stream) { s.Entries[1].Metadata = logs.LabelsOf("offset", "20") }), false, `"20"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := e.Append(context.Background(), store.Batch{Tenant: "fake", Received: base, Push: tc.push})
			var tooLarge *store.TooLargeError
			var invalid *store.InvalidError
			if tc.tooLarge && !errors.As(err, &tooLarge) || !tc.tooLarge && !errors.As(err, &invalid) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v", err)
			}
		})
	}
	_, err := e.Append(context.Background(), store.Batch{Tenant: "../etc", Received: base, Push: filePush(1, 0, "", "x")})
	var invalid *store.InvalidError
	if !errors.As(err, &invalid) {
		t.Errorf("tenant ../etc: error %v", err)
	}
	wantLines(t, e)
}

// The largest that is taken is kept whole.
func TestTheLargestLineIsKept(t *testing.T) {
	e := openTest(t, nil)
	p := filePush(1, 0, "", "x", "y")
	p.Streams[0].Entries[1].Line = strings.Repeat("z", maxRowBytes-1000)
	appendPush(t, e, p)
	wantLines(t, e, "x", p.Streams[0].Entries[1].Line)
}

func TestBelowTheDiskFloorNothingIsTakenAndNothingLost(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 30)
	start := time.Now()
	var asked atomic.Int64
	e := openTest(t, func(c *Config) {
		c.DiskFloorBytes = 100 << 20
		c.freeBytes = func(string) (uint64, error) { return free.Load(), nil }
		c.Now = func() time.Time { return start.Add(time.Duration(asked.Add(1)) * time.Second) }
	})
	appendPush(t, e, filePush(1, 0, "", "one"))
	free.Store(99 << 20)
	_, err := e.Append(context.Background(), store.Batch{Tenant: "fake", Received: base, Push: filePush(1, 10, "", "two")})
	if !errors.Is(err, store.ErrDiskFull) || !strings.Contains(err.Error(), "99 MiB free") {
		t.Errorf("error %v", err)
	}
	wantLines(t, e, "one")
	free.Store(1 << 30)
	appendPush(t, e, filePush(1, 10, "", "two"))
	wantLines(t, e, "one", "two")
}

func TestAFullDiskUnderTheJournal(t *testing.T) {
	var full atomic.Bool
	dir := t.TempDir()
	e := openAt(t, dir, func(c *Config) {
		c.fault = func(step string) error {
			if full.Load() && step == "journal write" {
				return unix.ENOSPC
			}
			return nil
		}
	})
	appendPush(t, e, filePush(1, 0, "", "one"))
	full.Store(true)
	foreign := foreignPush(logs.LabelsOf("a", "b"), "three")
	foreign.Streams[0].Entries[0].Time += 1e9
	for _, p := range []*loki.Push{filePush(1, 10, "", "two"), foreign} {
		if _, err := e.Append(context.Background(), store.Batch{Tenant: "fake", Received: base, Push: p}); !errors.Is(err, store.ErrDiskFull) {
			t.Errorf("error %v", err)
		}
	}
	full.Store(false)
	appendPush(t, e, filePush(1, 10, "", "two"))
	appendPush(t, e, foreign)
	wantLines(t, e, "one", "two", "three")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	wantLines(t, openAt(t, dir, nil), "one", "two", "three")
}

func TestAfterAFailedSyncTheStoreIsReadOnly(t *testing.T) {
	var broken atomic.Bool
	dir := t.TempDir()
	e := openAt(t, dir, func(c *Config) {
		c.fault = func(step string) error {
			if broken.Load() && step == "journal sync" {
				return unix.EIO
			}
			return nil
		}
	})
	appendPush(t, e, filePush(1, 0, "", "one"))
	broken.Store(true)
	for range 2 {
		if _, err := e.Append(context.Background(), store.Batch{Tenant: "fake", Received: base, Push: filePush(1, 10, "", "two")}); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("error %v", err)
		}
	}
	broken.Store(false)
	if err := e.Ready(); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("ready: %v", err)
	}
	if _, err := e.Offsets(context.Background(), "fake", []loki.FileID{fileID(1)}); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("offsets: %v", err)
	}
	wantLines(t, e, "one")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	// What was written and not synced may be there; the sender sends it again.
	e = openAt(t, dir, nil)
	appendPush(t, e, filePush(1, 10, "", "two"))
	wantLines(t, e, "one", "two")
}

func TestMoreTenantsThanOneServerServes(t *testing.T) {
	e := openTest(t, nil)
	e.tenants.most = 2
	batch := store.Batch{Received: base, Push: filePush(1, 0, "", "x")}
	for i := range 2 {
		batch.Tenant = fmt.Sprint("t", i)
		if _, err := e.Append(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	batch.Tenant = "fake"
	if _, err := e.Append(context.Background(), batch); err == nil || !strings.Contains(err.Error(), "2 tenants are open already") {
		t.Errorf("error %v", err)
	}
}
