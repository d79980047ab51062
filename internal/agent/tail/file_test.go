package tail

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpensNothingButFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := unix.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("file"), at("link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		at("pipe"): ErrNotRegular, dir: ErrNotRegular, "/dev/null": ErrNotRegular, at("link"): unix.ELOOP, at("none"): unix.ENOENT,
	} {
		if _, err := OpenFile(name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	fd, err := OpenFile(at("file"))
	if err != nil {
		t.Fatal(err)
	}
	CloseFile(fd)
}

func TestWithinKnowsWhereAFileLies(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	for _, d := range []string{root, outside} {
		if err := os.WriteFile(filepath.Join(d, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(root, "dir")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root, filepath.Join(outside, "root")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		filepath.Join(root, "file"):            nil,
		filepath.Join(outside, "root", "file"): nil,
		filepath.Join(root, "dir", "file"):     ErrOutside,
	} {
		fd, err := OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := Within(fd, []string{filepath.Join(outside, "none"), filepath.Join(outside, "root")}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
		CloseFile(fd)
	}
	t.Chdir(root)
	fd, err := OpenFile("file")
	if err != nil {
		t.Fatal(err)
	}
	defer CloseFile(fd)
	if err := Within(fd, []string{"."}); err != nil {
		t.Errorf("a root that is a relative path: %v", err)
	}
}
