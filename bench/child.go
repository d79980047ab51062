package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// child is a program that is being measured.
type child struct {
	name  string
	cmd   *exec.Cmd
	out   bytes.Buffer // standard output
	err   tail
	ended chan struct{}
	begin time.Time
	wall  time.Duration

	mu   sync.Mutex
	peak int64 // resident bytes at most
}

// tail keeps the end of what a program prints.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if len(t.text) > 8<<10 {
		t.text = append(t.text[:0], t.text[len(t.text)-4<<10:]...)
	}
	return len(p), nil
}

// start starts a program whose zone is UTC, as the logs are.
func start(name string, args ...string) (*child, error) {
	c := &child{name: name, cmd: exec.Command(args[0], args[1:]...), ended: make(chan struct{}), begin: time.Now()}
	c.cmd.Env = append(os.Environ(), "TZ=UTC")
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.err
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = c.cmd.Wait()
		c.wall = time.Since(c.begin)
		close(c.ended)
	}()
	go c.watch()
	return c, nil
}

// watch notes the peak of resident memory. The kernel's own figure for an ended
// child (ru_maxrss) is no less than that of the parent before exec.
func (c *child) watch() {
	for {
		select {
		case <-c.ended:
			return
		case <-time.After(10 * time.Millisecond):
			c.mu.Lock()
			c.peak = max(c.peak, status(c.cmd.Process.Pid, "VmHWM"))
			c.mu.Unlock()
		}
	}
}

// status reads a figure in kB of /proc/PID/status; 0 if there is none any more.
func status(pid int, field string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, found := strings.Cut(string(text), "\n"+field+":")
	if !found {
		return 0
	}
	fields := strings.Fields(rest)
	n, _ := strconv.ParseInt(fields[0], 10, 64)
	return n << 10
}

func (c *child) peakRSS() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peak
}

// cpu is the time spent so far, user and system; of an ended program with that of
// the children it waited for.
func (c *child) cpu() time.Duration {
	if s := c.cmd.ProcessState; s != nil {
		return s.UserTime() + s.SystemTime()
	}
	// The kernel's clock of another process: nanoseconds, threads that ended too.
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel's posix-timers.h
	var t unix.Timespec
	if unix.ClockGettime(int32(^c.cmd.Process.Pid<<3|scheduled), &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// wait waits for the program's own end.
func (c *child) wait(ctx context.Context) error {
	select {
	case <-c.ended:
	case <-ctx.Done():
		c.kill()
		return context.Cause(ctx)
	}
	if !c.cmd.ProcessState.Success() {
		return fmt.Errorf("%s: %v\n%s", c.name, c.cmd.ProcessState, c.err.text)
	}
	return nil
}

// stop ends the program in order.
func (c *child) stop(ctx context.Context) error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	return c.wait(ctx)
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}

// self starts a part of this program as a process of its own.
func self(part string, args ...string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(part, append([]string{exe, part}, args...)...)
}

// serving starts a server program and waits until path answers.
func serving(ctx context.Context, addr, path string, launch func() (*child, error)) (*child, error) {
	c, err := launch()
	if err != nil {
		return nil, err
	}
	for begin := time.Now(); time.Since(begin) < time.Minute; {
		if resp, err := http.Get("http://" + addr + path); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return c, nil
			}
		}
		select {
		case <-c.ended:
			return nil, fmt.Errorf("%s ended at once: %v\n%s", c.name, c.cmd.ProcessState, c.err.text)
		case <-ctx.Done():
			c.kill()
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	c.kill()
	return nil, fmt.Errorf("%s does not answer within a minute", c.name)
}

// getJSON reads what a URL answers.
func getJSON(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %.300s", resp.Status, text)
	}
	return json.Unmarshal(text, into)
}

// diskUse is what the files below dir take on the disk.
func diskUse(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil // merged away meanwhile
		}
		if err == nil {
			total += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	})
	return total, err
}
