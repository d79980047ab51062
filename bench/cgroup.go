package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	confinedCores  = 0.1
	confinedMemory = 128 << 20
	cgroupRoot     = "/sys/fs/cgroup"
	cgroupPeriod   = 100_000 // µs
)

// confinedFigures are of the agent inside of a cgroup.
type confinedFigures struct {
	skipped error
	version int
	bytes   int64
	took    time.Duration // for what was there at its start
	peak    int64         // of the memory that the kernel counts, caches of the kernel included
}

var errNotRoot = errors.New("only root may make a cgroup")

// cgroup is a control group of one program: one directory of version 2, or one
// for each controller of version 1.
type cgroup struct {
	version int
	dirs    []string
}

// newCgroup makes one with a share of a core and an amount of memory.
func newCgroup(name string, cores float64, memory int64) (*cgroup, error) {
	if os.Geteuid() != 0 {
		return nil, errNotRoot
	}
	quota, bytes := strconv.Itoa(int(cores*cgroupPeriod)), strconv.FormatInt(memory, 10)
	controllers, err := os.ReadFile(filepath.Join(cgroupRoot, "cgroup.controllers"))
	if err == nil && strings.Contains(string(controllers), "memory") && strings.Contains(string(controllers), "cpu") {
		g := &cgroup{version: 2, dirs: []string{filepath.Join(cgroupRoot, name)}}
		return g, g.make(
			setting{cgroupRoot, "cgroup.subtree_control", "+cpu +memory"},
			setting{g.dirs[0], "cpu.max", fmt.Sprint(quota, " ", cgroupPeriod)},
			setting{g.dirs[0], "memory.max", bytes},
		)
	}
	g := &cgroup{version: 1, dirs: []string{filepath.Join(cgroupRoot, "cpu", name), filepath.Join(cgroupRoot, "memory", name)}}
	return g, g.make(
		setting{g.dirs[0], "cpu.cfs_period_us", strconv.Itoa(cgroupPeriod)},
		setting{g.dirs[0], "cpu.cfs_quota_us", quota},
		setting{g.dirs[1], "memory.limit_in_bytes", bytes},
	)
}

type setting struct{ dir, name, value string }

func (g *cgroup) make(settings ...setting) error {
	for _, dir := range g.dirs {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return errors.Join(err, g.remove())
		}
	}
	for _, s := range settings {
		if err := os.WriteFile(filepath.Join(s.dir, s.name), []byte(s.value), 0o644); err != nil {
			return errors.Join(err, g.remove())
		}
	}
	return nil
}

// remove removes it; the kernel lets go of it some time after its last program.
func (g *cgroup) remove() (err error) {
	for _, dir := range g.dirs {
		for range 100 {
			if err = os.Remove(dir); err == nil || os.IsNotExist(err) {
				err = nil
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return err
}

// killed is how many programs in it the kernel has ended for want of memory.
func (g *cgroup) killed() (int64, error) {
	name := "memory.events"
	if g.version == 1 {
		name = "memory.oom_control"
	}
	text, err := os.ReadFile(filepath.Join(g.dirs[len(g.dirs)-1], name))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			return strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s tells no oom_kill", name)
}

// peak is the most memory it ever used; 0 where the kernel does not tell.
func (g *cgroup) peak() int64 {
	name := "memory.peak"
	if g.version == 1 {
		name = "memory.max_usage_in_bytes"
	}
	text, _ := os.ReadFile(filepath.Join(g.dirs[len(g.dirs)-1], name))
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}

// enter is the part "confined": it moves this process into cgroup directories and
// becomes the program behind "--".
func enter(args []string) error {
	for i, a := range args {
		if a == "--" && i+1 < len(args) {
			return syscall.Exec(args[i+1], args[i+1:], os.Environ())
		}
		if err := os.WriteFile(filepath.Join(a, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return err
		}
	}
	return errors.New("needs cgroup directories, -- and a program")
}

// confine lets the agent catch up with many files, and follow them, with a tenth
// of a core and 128 MiB: every line arrives and it stays alive.
func (b *agentBench) confine(ctx context.Context) error {
	g, err := newCgroup(fmt.Sprintf("remora-bench-%d", os.Getpid()), confinedCores, confinedMemory)
	if err != nil {
		b.say("not run inside a cgroup: %v", err)
		b.confined.skipped = err
		return nil
	}
	defer func() {
		if err := g.remove(); err != nil {
			b.say("left behind: %v", err)
		}
	}()
	b.confined.version = g.version
	b.say("%d files with %.1f cores and %d MiB", b.idleFiles, confinedCores, confinedMemory>>20)
	w, err := newWriter(b.seed, b.path("confined"), b.idleFiles)
	if err != nil {
		return err
	}
	defer w.close()
	for range b.idleFiles {
		if err := w.write(int(b.size>>4) / b.idleFiles / averageLine); err != nil {
			return err
		}
	}
	b.confined.bytes = w.bytes
	return b.runConfined(ctx, g, w)
}

const averageLine = 170 // bytes, about

func (b *agentBench) runConfined(ctx context.Context, g *cgroup, w *writer) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	wrap := append(append([]string{exe, "confined"}, g.dirs...), "--")
	d, err := b.deliver(ctx, b.ours(), b.path("confined"), wrap...)
	if err != nil {
		return err
	}
	defer d.kill()
	if err := d.until(ctx, w.lines, 4*time.Minute); err != nil {
		return fmt.Errorf("in a cgroup: %w", err)
	}
	b.confined.took = d.arrived
	// Every file grows once more.
	for range b.idleFiles {
		if err := w.write(1); err != nil {
			return err
		}
	}
	if err := d.until(ctx, w.lines, time.Minute); err != nil {
		return fmt.Errorf("in a cgroup, following: %w", err)
	}
	killed, err := g.killed()
	if err != nil {
		return err
	}
	if killed > 0 {
		return fmt.Errorf("the kernel ended the agent for want of memory")
	}
	b.confined.peak = g.peak()
	return nil
}
