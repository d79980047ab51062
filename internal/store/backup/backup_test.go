package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	ctx   = context.Background()
	first = time.Date(2026, 11, 21, 19, 40, 5, 0, time.UTC)
)

func quiet(uint64, uint64) {}

// tree makes a directory of files; a name that ends in a slash is a directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if d.IsDir() {
			if names, err := os.ReadDir(path); err != nil || len(names) == 0 {
				got[rel+"/"] = ""
			}
			return nil
		}
		text, err := os.ReadFile(path)
		got[rel] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var (
	monday  = map[string]string{"VERSION": "1", "empty": "", "a/b/part": "old part", "a/b/other": "other part", "a/none/": ""}
	tuesday = map[string]string{"VERSION": "1", "empty": "", "a/b/part": "new part", "a/b/other": "other part", "c": "new"}
)

// targetTest is what holds for every kind of target.
func targetTest(t *testing.T, target Target) {
	write := func(files map[string]string, at time.Time) Summary {
		s, err := Write(ctx, tree(t, files), target, at, quiet)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if got := write(monday, first); got != (Summary{"2026-11-21T19-40-05Z", 4, 19, 19}) {
		t.Errorf("first backup: %+v", got)
	}
	if got := write(tuesday, first.Add(24*time.Hour)); got != (Summary{"2026-11-22T19-40-05Z", 5, 22, 11}) {
		t.Errorf("second backup: %+v", got)
	}
	restored := func(name string) map[string]string {
		dir := filepath.Join(t.TempDir(), "store")
		if _, err := Restore(ctx, target, name, dir, quiet); err != nil {
			t.Fatal(err)
		}
		return readTree(t, dir)
	}
	if d := cmp.Diff(tuesday, restored("")); d != "" {
		t.Errorf("newest (-want +got):\n%s", d)
	}
	if d := cmp.Diff(monday, restored("2026-11-21T19-40-05Z")); d != "" {
		t.Errorf("first (-want +got):\n%s", d)
	}
	removed, err := Prune(ctx, target, 1)
	if d := cmp.Diff([]string{"2026-11-21T19-40-05Z"}, removed); d != "" || err != nil {
		t.Errorf("removed, error %v (-want +got):\n%s", err, d)
	}
	left := 0
	if err := target.List(ctx, filesDir, func(string, int64) error { left++; return nil }); err != nil || left != 4 {
		t.Errorf("%d files left, want those of the second backup, error %v", left, err)
	}
	if d := cmp.Diff(tuesday, restored("")); d != "" {
		t.Errorf("after older ones were removed (-want +got):\n%s", d)
	}
	if _, err := Restore(ctx, target, "2026-11-21T19-40-05Z", filepath.Join(t.TempDir(), "x"), quiet); err == nil || !strings.Contains(err.Error(), "there is no backup 2026-11-21T19-40-05Z") {
		t.Errorf("a backup that is gone: %v", err)
	}
}

func TestADirectory(t *testing.T) { targetTest(t, Directory(filepath.Join(t.TempDir(), "target"))) }

// Whatever byte of a backup is changed or missing, restoring says which file it is
// and leaves nothing that looks like a store.
func TestADamagedBackup(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		damage     func(data []byte) []byte
		want       string
	}{
		{"a changed byte", "files/*/*", func(d []byte) []byte { d[0] ^= 1; return d }, "checksum is wrong"},
		{"a file cut short", "files/*/*", func(d []byte) []byte { return d[:len(d)/2] }, "checksum is wrong"},
		{"a file that is gone", "files/*/*", func([]byte) []byte { return nil }, "is missing from the backup"},
		{"a changed list", "backups/*", func(d []byte) []byte { d[len(d)/2] ^= 1; return d }, "2026-11-21T19-40-05Z is damaged"},
		{"a list cut short", "backups/*", func(d []byte) []byte { return d[:len(d)-1] }, "its checksum is wrong"},
		{"no list", "backups/*", func([]byte) []byte { return []byte("x") }, "no list of files of this version"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			target := t.TempDir()
			if _, err := Write(ctx, tree(t, map[string]string{"a/part": "lines"}), Directory(target), first, quiet); err != nil {
				t.Fatal(err)
			}
			paths, err := filepath.Glob(filepath.Join(target, tc.file))
			if err != nil || len(paths) != 1 {
				t.Fatalf("files %v, error %v", paths, err)
			}
			data, err := os.ReadFile(paths[0])
			if err != nil {
				t.Fatal(err)
			}
			if data = tc.damage(data); data == nil {
				err = os.Remove(paths[0])
			} else {
				err = os.WriteFile(paths[0], data, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			parent := t.TempDir()
			_, err = Restore(ctx, Directory(target), "", filepath.Join(parent, "store"), quiet)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
			if names, err := os.ReadDir(parent); err != nil || len(names) > 0 {
				t.Errorf("left behind: %v, error %v", names, err)
			}
		})
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	target := Directory(t.TempDir())
	if _, err := Restore(ctx, target, "", filepath.Join(t.TempDir(), "store"), quiet); !errors.Is(err, ErrNone) {
		t.Errorf("of an empty target: %v", err)
	}
	if _, err := Write(ctx, tree(t, monday), target, first, quiet); err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string]string{"mine": "x"})
	if _, err := Restore(ctx, target, "", dir, quiet); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("into a directory with files: %v", err)
	}
	if d := cmp.Diff(map[string]string{"mine": "x"}, readTree(t, dir)); d != "" {
		t.Errorf("the directory (-want +got):\n%s", d)
	}
}

// What an interrupted backup left is no backup, and the next one is whole.
func TestAnInterruptedBackup(t *testing.T) {
	at := t.TempDir()
	target := Directory(at)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Write(ended, tree(t, monday), target, first, quiet); err == nil {
		t.Error("an interrupted backup tells nothing")
	}
	if err := os.MkdirAll(filepath.Join(at, "files", "aa"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, "files", "aa", ".part-1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if names, err := Names(ctx, target); err != nil || len(names) > 0 {
		t.Errorf("backups %v, error %v", names, err)
	}
	if _, err := Write(ctx, tree(t, monday), target, first, quiet); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "store")
	if _, err := Restore(ctx, target, "", dir, quiet); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(monday, readTree(t, dir)); d != "" {
		t.Errorf("restored (-want +got):\n%s", d)
	}
}

// Whatever a list of files says, nothing is written elsewhere.
func FuzzManifest(f *testing.F) {
	sum := strings.Repeat("0", 64)
	for _, m := range []manifest{
		{Files: []file{{Path: "a/b", SHA256: sum}}, Dirs: []string{"a"}},
		{Files: []file{{Path: "../../etc/passwd", SHA256: sum}}},
		{Files: []file{{Path: "a", SHA256: "../x"}}},
		{Dirs: []string{"/etc"}},
	} {
		body, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		hash := sha256.Sum256(body)
		m, err := parseManifest([]byte(manifestHead + hex.EncodeToString(hash[:]) + "\n" + string(body)))
		if err != nil {
			return
		}
		for _, path := range m.Dirs {
			if !filepath.IsLocal(path) {
				t.Errorf("directory %q", path)
			}
		}
		for _, file := range m.Files {
			if !filepath.IsLocal(file.Path) || strings.Contains(objectName(file.SHA256), "..") {
				t.Errorf("file %q, checksum %q", file.Path, file.SHA256)
			}
		}
	})
}
