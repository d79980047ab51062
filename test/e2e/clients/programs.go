package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	lokiVersion      = "v3.7.8"
	promtailVersion  = "v3.4.2"
	collectorVersion = "v0.149.0"
)

// programs are the clients, built.
type programs struct{ promtail, collector, logcli string }

// buildAll builds each client in a module of its own, unless it is in the cache.
func buildAll(ctx context.Context) (p programs, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return p, err
	}
	cache = filepath.Join(cache, "remora", "peers")
	for _, c := range []struct {
		to                            *string
		name, version, module, target string
	}{
		{&p.promtail, "promtail", promtailVersion, "bench/peers/promtail", "github.com/grafana/loki/v3/clients/cmd/promtail"},
		{&p.collector, "otelcol", collectorVersion, "bench/peers/otelcol", "."},
		{&p.logcli, "logcli", lokiVersion, "test/loki", "github.com/grafana/loki/v3/cmd/logcli"},
	} {
		if *c.to, err = build(ctx, cache, c.name, c.version, c.module, c.target); err != nil {
			return p, err
		}
	}
	return p, nil
}

func build(ctx context.Context, cache, name, version, module, target string) (string, error) {
	sum := sha256.New()
	for _, file := range []string{"go.mod", "go.sum", "main.go"} {
		text, err := os.ReadFile(filepath.Join(module, file))
		if err != nil && !os.IsNotExist(err) {
			return "", err
		}
		sum.Write(text)
	}
	path := filepath.Join(cache, name+"-"+version, name+"-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(os.Stderr, "e2e-clients: building %s %s\n", name, version)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	half := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(half)
	c := exec.CommandContext(ctx, "nice", "-n", "19", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", half, target)
	c.Dir, c.Env = module, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out[max(0, len(out)-2000):])
	}
	return path, os.Rename(half, path)
}

// program is a process that runs beside the test.
type program struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// startProgram starts one whose output goes to a file of its name.
func startProgram(dir, name string, args ...string) (*program, error) {
	out, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &program{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // what it did is seen by what it pushed
	}()
	return p, nil
}

// stop asks the program to end and then makes it.
func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}
