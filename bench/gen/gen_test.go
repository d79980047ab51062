package gen

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/remora-ray/remora/internal/ray"
)

func TestSameSeedSameBytes(t *testing.T) {
	var texts [2]map[string]string
	for i := range texts {
		dir := t.TempDir()
		if _, err := Make(Config{Dir: dir, Size: 2 << 20, Seed: 7}); err != nil {
			t.Fatal(err)
		}
		texts[i] = read(t, dir)
	}
	if len(texts[0]) != 81 {
		t.Errorf("%d files, want 81", len(texts[0]))
	}
	for name, text := range texts[0] {
		if texts[1][name] != text {
			t.Errorf("%s differs from one run to the next", name)
		}
	}
}

// The manifest is what answers of queries are checked against.
func TestManifestIsTrue(t *testing.T) {
	dir := t.TempDir()
	m, err := Make(Config{Dir: dir, Size: 4 << 20, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var lines, size, words, substrings, rare int64
	components := map[string]int64{}
	for name, text := range read(t, dir) {
		f := ray.ParsePath(name)
		if f.Component == ray.ComponentOther || f.Skip != "" {
			t.Errorf("%s is no log of Ray's", name)
		}
		n := int64(bytes.Count([]byte(text), []byte("\n")))
		lines += n
		size += int64(len(text))
		components[string(f.Component)] += n
		words += int64(bytes.Count([]byte(text), []byte(m.Needles.Word)))
		substrings += int64(bytes.Count([]byte(text), []byte(m.Needles.Substring)))
		if f.WorkerID == m.Needles.WorkerID && f.Component == ray.ComponentWorker {
			rare += n
		}
	}
	if lines != m.Lines || size != m.Bytes || words != m.Needles.WordLines || substrings != m.Needles.SubstringLines || rare != m.Needles.WorkerLines {
		t.Errorf("lines %d bytes %d words %d substrings %d rare %d, the manifest says %+v", lines, size, words, substrings, rare, m)
	}
	if words == 0 || rare == 0 {
		t.Error("no needles")
	}
	for c, n := range components {
		if m.Components[c] != n {
			t.Errorf("%s has %d lines, the manifest says %d", c, n, m.Components[c])
		}
	}
}

func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	logs := filepath.Join(dir, Session, "logs")
	texts := map[string]string{}
	err := filepath.WalkDir(logs, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(logs, path)
		texts[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}
