package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// operator is a contender that runs.
type operator struct {
	cmd *exec.Cmd
	log *os.File
}

// startOperator runs a contender alone, without an election.
func (o *options) startOperator(k *control, c contender) (*operator, error) {
	args := append([]string{
		"--enable-leader-election=false", "--metrics-addr=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0",
	}, c.args...)
	cmd := exec.Command(c.program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+k.kubeconfig)
	dir := k.dir
	if o.logs != "" {
		dir = o.logs
	}
	log, err := os.Create(filepath.Join(dir, c.name+".log"))
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s (%s): %w", c.name, c.program, err), log.Close())
	}
	return &operator{cmd, log}, nil
}

func (p *operator) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("end the operator: %w: %s", err, p.said())
	}
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	select {
	case <-done: // KubeRay ends with an error
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		<-done
	}
	return p.log.Close()
}

// said is the end of what the operator said.
func (p *operator) said() string {
	const most = 2000
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// cpu is the time of processors that a process has taken.
func cpu(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return cpuOf(text)
}

const ticks = 100 // a second, on every Linux

func cpuOf(stat []byte) (time.Duration, error) {
	name := bytes.LastIndexByte(stat, ')') // its end; it may have blanks and brackets
	fields := strings.Fields(string(stat[name+1:]))
	if name < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields", len(fields))
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticks, errors.Join(err, err2)
}

// peak is the most memory that a process has held, in bytes.
func peak(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return peakOf(string(text))
}

func peakOf(status string) (int64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/PID/status: %w", io.ErrUnexpectedEOF)
}

// sleep is for measuring quiet, and nothing else.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// taken is the time of processors that was taken.
type taken struct{ operator, server time.Duration }

func (s *stage) taken(pid int) (t taken, err error) {
	if t.operator, err = cpu(pid); err != nil {
		return t, err
	}
	t.server, err = childrenCPU("etcd", "kube-apiserver")
	return t, err
}

// childrenCPU is what this program's own processes of these names have taken.
func childrenCPU(names ...string) (sum time.Duration, err error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, dir := range dirs {
		text, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			continue // it has ended
		}
		name, rest, _ := strings.Cut(string(text[bytes.IndexByte(text, '(')+1:]), ") ")
		fields := strings.Fields(rest)
		if !slices.Contains(names, name) || len(fields) < 2 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		one, err := cpuOf(text)
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}
