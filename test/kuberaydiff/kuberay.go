package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	kuberayVersion = "1.6.0"
	kuberayModule  = "github.com/ray-project/kuberay/ray-operator@v" + kuberayVersion
)

// buildKubeRay builds KubeRay's operator from its module where to is not there, with
// the dependencies that its own go.mod names, and returns the directory of its
// definitions.
func buildKubeRay(to string) (string, error) {
	source, err := fetch(kuberayModule)
	if err != nil {
		return "", err
	}
	definitions := filepath.Join(source, "config", "crd", "bases")
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		return definitions, err
	}
	fmt.Fprintf(os.Stderr, "building %s, which takes some minutes\n", kuberayModule)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", err
	}
	copied, err := os.MkdirTemp("", "kuberay-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(copied)
	// A copy, as a program outside of the main module is built without its replace lines.
	if err := os.CopyFS(copied, os.DirFS(source)); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, ".")
	build.Dir = copied
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", kuberayModule, err, strings.TrimSpace(string(out)))
	}
	return definitions, nil
}

// fetch has a module in Go's cache, checked by its checksum, and returns where.
func fetch(module string) (string, error) {
	c := exec.Command("go", "mod", "download", "-json", module)
	c.Dir = os.TempDir()
	out, err := c.Output()
	var told struct{ Dir, Error string }
	if parsed := json.Unmarshal(out, &told); parsed != nil || told.Dir == "" {
		return "", fmt.Errorf("download %s: %w %s", module, errors.Join(err, parsed), told.Error)
	}
	return told.Dir, nil
}
