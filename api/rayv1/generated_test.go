package rayv1_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGeneratedFilesAreCurrent(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: controller-gen reads all of the Kubernetes API")
	}
	made := t.TempDir()
	if text, err := exec.Command("go", "run", "./generate", "-out", made).CombinedOutput(); err != nil {
		t.Fatalf("generate: %v\n%s", err, text)
	}
	files, err := os.ReadDir(made)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 6 {
		t.Fatalf("%d files are generated, want the deep copies, four definitions and a page", len(files))
	}
	for _, file := range files {
		committed := filepath.Join("../../deploy/kubernetes/crds", file.Name())
		switch filepath.Ext(file.Name()) {
		case ".go":
			committed = file.Name()
		case ".md":
			committed = filepath.Join("../../docs", file.Name())
		}
		want, err := os.ReadFile(filepath.Join(made, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(committed)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what the types say, run go generate ./api/rayv1:\n%.2000s", committed, cmp.Diff(string(got), string(want)))
		}
	}
}
