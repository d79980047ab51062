package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	maxNodes = 3
	control  = "remora-cp" // the network namespace of the control plane
	gateway  = "172.30.0.1"
	apiURL   = "https://" + gateway + ":6443"
	cniDir   = "/usr/lib/cni"
	nodeInit = "node-init" // how a node's first process is called
)

// world is the cluster on this machine.
type world struct {
	options
	ctx   context.Context
	begun time.Time
}

func (w *world) say(format string, args ...any) {
	if w.begun.IsZero() {
		w.begun = time.Now()
	}
	fmt.Printf("%6.1f s  %s\n", time.Since(w.begun).Seconds(), fmt.Sprintf(format, args...))
}

// run is the directory of all that is of one cluster and not of the cache.
func (w *world) run(names ...string) string {
	return filepath.Join(append([]string{w.dir, "run"}, names...)...)
}

// within is a command in a network namespace. It joins none other: /sys stays, with the
// cgroups in it.
func within(namespace string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=/run/netns/" + namespace, "--"}, args...)...)
}

// process is a child that outlives this program. What is on record of it also tells it
// from another process of the same number.
type process struct {
	PID     int
	Started string // the kernel's time
}

func (w *world) record(name string) string { return w.run("process", name+".json") }

// start has a process run and puts it on record.
func (w *world) start(name string, c *exec.Cmd) error {
	log, err := os.Create(w.run("log", name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Setsid = true
	if err := c.Start(); err != nil {
		return err
	}
	go func() { _ = c.Wait() }()
	p := process{PID: c.Process.Pid}
	if p.Started, err = startTime(p.PID); err != nil {
		return fmt.Errorf("%s ended at once: see %s", name, log.Name())
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(w.record(name), text, 0o644)
}

// startTime is field 22 of the process's stat; an ended process has none.
func startTime(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	after := string(text[strings.LastIndexByte(string(text), ')')+1:])
	fields := strings.Fields(after)
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", errors.New("ended")
	}
	return fields[19], nil
}

// pid is that of a process on record which runs; 0: it does not.
func (w *world) pid(name string) int {
	var p process
	text, err := os.ReadFile(w.record(name))
	if err != nil || json.Unmarshal(text, &p) != nil {
		return 0
	}
	if started, err := startTime(p.PID); err != nil || started != p.Started {
		return 0
	}
	return p.PID
}

// stop ends a process on record and waits for its end; after patience by force.
func (w *world) stop(name string, signal syscall.Signal, patience time.Duration) error {
	begun := time.Now()
	for pid := w.pid(name); pid != 0; pid = w.pid(name) {
		if time.Since(begun) > patience {
			signal = syscall.SIGKILL
		}
		if time.Since(begun) > patience+10*time.Second {
			return fmt.Errorf("process %d (%s) does not end", pid, name)
		}
		_ = syscall.Kill(pid, signal)
		for range 20 {
			if w.pid(name) == 0 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	if err := os.Remove(w.record(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// until asks done a few times a second.
func (w *world) until(what string, patience time.Duration, done func() error) error {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	var last error
	for {
		if last = done(); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s it is not so that %s: %w", patience, what, last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// program links a name to the binary of Kubernetes, which then is that program.
func (w *world) program(name string) string { return w.run("bin", name) }

func (w *world) linkPrograms() error {
	kube, err := w.kube()
	if err != nil {
		return err
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl", "coredns"} {
		_ = os.Remove(w.program(name))
		if err := os.Symlink(kube, w.program(name)); err != nil {
			return err
		}
	}
	return nil
}

// exited is a program that ended on its own with an exit status.
type exited struct{ code int }

func (e *exited) Error() string { return "exit status " + strconv.Itoa(e.code) }

func (w *world) kubectl(args ...string) error {
	return w.beside(append([]string{w.program("kubectl"), "--kubeconfig", w.run("admin.conf")}, args...)...)
}

// beside runs a program in the control plane's namespace, with the terminal of this one.
func (w *world) beside(args ...string) error {
	if _, err := os.Stat("/run/netns/" + control); err != nil {
		return errors.New("no cluster runs: start one with cluster up")
	}
	c := within(control, args...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), "KUBECONFIG="+w.run("admin.conf"), "PATH="+w.run("bin")+":"+os.Getenv("PATH"), "REMORA_CLUSTER_RUN="+w.run())
	err := c.Run()
	var status *exec.ExitError
	if errors.As(err, &status) {
		return &exited{status.ExitCode()}
	}
	return err
}

// ask returns what kubectl answers.
func (w *world) ask(args ...string) (string, error) {
	c := within(control, append([]string{w.program("kubectl"), "--kubeconfig", w.run("admin.conf")}, args...)...)
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return string(out), nil
}

func (w *world) apply(manifest string) error {
	c := within(control, w.program("kubectl"), "--kubeconfig", w.run("admin.conf"), "apply", "-f", "-")
	c.Stdin = strings.NewReader(manifest)
	return quiet(c)
}
