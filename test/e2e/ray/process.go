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
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program that is started, killed and started again. What it prints
// is kept in one file.
type process struct {
	name string
	args []string
	env  []string
	log  string

	mu     sync.Mutex
	cmd    *exec.Cmd
	ended  chan struct{}
	wanted bool // its end is wanted
	died   []string
}

// start starts the program in a process group of its own.
func (p *process) start() error {
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), p.env...), out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.ended, p.wanted = cmd, ended, false
	p.mu.Unlock()
	go func() {
		defer close(ended)
		err := cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.wanted {
			p.died = append(p.died, fmt.Sprintf("%s ended by itself: %v", p.name, cmdState(cmd, err)))
		}
	}()
	return nil
}

func cmdState(cmd *exec.Cmd, err error) any {
	if cmd.ProcessState != nil {
		return cmd.ProcessState
	}
	return err
}

// signal sends sig to the program and waits for its end.
func (p *process) signal(sig syscall.Signal, within time.Duration) error {
	p.mu.Lock()
	cmd, ended := p.cmd, p.ended
	p.wanted = true
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: send %v: %w", p.name, sig, err)
	}
	select {
	case <-ended:
		return nil
	case <-time.After(within):
		return fmt.Errorf("%s has not ended %v after %v", p.name, within, sig)
	}
}

// exitCode is how the program ended last.
func (p *process) exitCode() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.cmd.ProcessState == nil {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) deaths() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.died
}

// sweep kills every process that carries mark in its environment: all that this
// run started, what they started, and nothing else.
func sweep(mark string) {
	for range 20 {
		found := false
		for _, pid := range marked(mark) {
			found = true
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if !found {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func marked(mark string) []int {
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil {
			continue // gone, or not ours
		}
		for _, v := range bytes.Split(env, []byte{0}) {
			if string(v) == mark {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// tail writes the last lines of a file.
func tail(w io.Writer, path string, lines int) {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	fmt.Fprintf(w, "--- %s, last lines\n", filepath.Base(path))
	for _, line := range all[max(0, len(all)-lines):] {
		fmt.Fprintf(w, "    %.300s\n", line)
	}
}

// until asks again and again until done says so.
func until(ctx context.Context, what string, within time.Duration, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %v", what, within)
		case <-tick.C:
		}
	}
	return nil
}
