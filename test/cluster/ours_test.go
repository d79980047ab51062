package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The images of the project are static programs without a shell, and not of root.
func TestDockerfilesOfTheProjectAreUnderstood(t *testing.T) {
	files, err := filepath.Glob("../../deploy/images/*.Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := readDockerfile(string(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if user := d.config.User; user == "" || user[0] == '0' || user[:1] == "r" {
			t.Errorf("%s: runs as user %q", file, user)
		}
		names = append(names, d.name)
	}
	if want := []string{"remora-agent:dev", "remora-operator:dev", "remora:dev"}; !slices.Equal(names, want) {
		t.Errorf("images %v, want %v", names, want)
	}
}

func TestADockerfileThatSaysMoreIsRefused(t *testing.T) {
	for _, text := range []string{
		"# docker build -t a .\nFROM debian\nCOPY a /a\nUSER 1\nENTRYPOINT [\"/a\"]",
		"# docker build -t a .\nFROM gcr.io/distroless/static:nonroot\nRUN a\nCOPY a /a\nUSER 1\nENTRYPOINT [\"/a\"]",
		"# docker build -t a .\nFROM gcr.io/distroless/static:nonroot\nCOPY a /a\nENTRYPOINT [\"/a\"]",
		"FROM gcr.io/distroless/static:nonroot\nCOPY a /a\nUSER 1\nENTRYPOINT [\"/a\"]",
	} {
		if _, err := readDockerfile(text); err == nil {
			t.Errorf("understood %q", text)
		}
	}
}
