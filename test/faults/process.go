package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	net  *network // nil: ours

	mu     sync.Mutex
	cmd    *exec.Cmd
	ended  chan struct{}
	wanted bool // its end is wanted
	died   []string
}

// start starts the program unless it runs.
func (p *process) start() error {
	if p.running() {
		return nil
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), p.env...), out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	begin := cmd.Start
	if p.net != nil {
		begin = func() error { return p.net.within(cmd.Start) }
	}
	if err := begin(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.ended, p.wanted = cmd, ended, false
	p.mu.Unlock()
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		if !p.wanted {
			p.died = append(p.died, fmt.Sprintf("%s ended by itself: %v", p.name, state(cmd, err)))
		}
		p.mu.Unlock()
		close(ended)
	}()
	return nil
}

func state(cmd *exec.Cmd, err error) any {
	if cmd.ProcessState != nil {
		return cmd.ProcessState
	}
	return err
}

func (p *process) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// end sends sig and waits for the program's end.
func (p *process) end(sig syscall.Signal, within time.Duration) error {
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

func (p *process) kill() error { return p.end(syscall.SIGKILL, 10*time.Second) }

// signal sends sig and waits for nothing.
func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Signal(sig)
}

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// deaths returns, and forgets, how the program ended though nobody ended it.
func (p *process) deaths() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.died
	p.died = nil
	return d
}

// exitCode is how the program ended last.
func (p *process) exitCode() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.ProcessState.ExitCode()
}
