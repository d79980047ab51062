package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	victoriaLogsVersion = "1.43.1"
	lokiVersion         = "3.7.8"
)

// programs are the stores, built in modules of their own into the cache.
type programs struct{ victoriaLogs, loki string }

func buildPrograms(ctx context.Context) (p programs, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return p, err
	}
	cache = filepath.Join(cache, "remora")
	for _, b := range []struct {
		to             *string
		name           string
		module, target string
	}{
		{&p.victoriaLogs, "victoria-logs-" + victoriaLogsVersion, "test/victorialogs", "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs"},
		{&p.loki, "loki-" + lokiVersion, "test/loki", "github.com/grafana/loki/v3/cmd/loki"},
	} {
		*b.to = filepath.Join(cache, b.name)
		if _, err := os.Stat(*b.to); err == nil {
			continue
		}
		fmt.Fprintln(os.Stderr, "e2e-stores: building", b.name)
		c := exec.CommandContext(ctx, "nice", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", *b.to, b.target)
		c.Dir, c.Env = b.module, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := c.CombinedOutput(); err != nil {
			return p, fmt.Errorf("build %s: %w\n%s", b.name, err, out[max(0, len(out)-2000):])
		}
	}
	return p, nil
}

// program is a process that runs beside the test.
type program struct {
	cmd   *exec.Cmd
	addr  string
	ended chan struct{}

	dir, name, path string
	args            []string
}

// start runs a program whose output goes to a file and waits until it answers on
// path of addr.
func start(ctx context.Context, dir, name, addr, path string, args ...string) (*program, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	out, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &program{cmd: cmd, addr: addr, ended: make(chan struct{}), dir: dir, name: name, path: path, args: args}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // what it did is seen by what it answers
	}()
	if err := p.await(ctx, path); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s, whose output is in %s: %w", name, out.Name(), err)
	}
	return p, nil
}

// await returns when the program answers 200.
func (p *program) await(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := http.Get("http://" + p.addr + path)
		if err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.ended:
			return fmt.Errorf("it ended")
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// again starts a program that ended.
func (p *program) again(ctx context.Context) (*program, error) {
	return start(ctx, p.dir, p.name, p.addr, p.path, p.args...)
}

// restart is again in place.
func (p *program) restart(ctx context.Context) error {
	next, err := p.again(ctx)
	if err == nil {
		*p = *next
	}
	return err
}

// stop asks the program to end and then makes it.
func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		p.kill()
	}
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}
