package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// limitFaults take away what the kernel gives.
func limitFaults() []*fault {
	alone := func(w *world) string { return w.host.alone }
	return []*fault{
		{name: "no inotify watches", touches: []string{"agent"}, make: starve("max_inotify_watches"), not: alone},
		{name: "no inotify instances", touches: []string{"agent"}, make: starve("max_inotify_instances"), not: alone},
		{name: "no more inotify watches", touches: []string{"agent"}, make: starveRunning, not: alone},
		{name: "out of descriptors", touches: []string{"agent"}, make: noDescriptors},
	}
}

// limit sets one of this user namespace's limits and returns what sets it back.
func limit(name, value string) (func() error, error) {
	path := "/proc/sys/user/" + name
	old, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return func() error { return os.WriteFile(path, []byte(strings.TrimSpace(string(old))), 0) }, os.WriteFile(path, []byte(value), 0)
}

// starve starts the agent where it gets no inotify at all, then where it does.
func starve(name string) func(context.Context, *world, func() error) error {
	return func(ctx context.Context, w *world, inside func() error) error {
		if err := w.killAgent(); err != nil {
			return err
		}
		back, err := limit(name, "0")
		if err != nil {
			return err
		}
		return first(func() error { return w.startAgentSlow(ctx, true) }, inside, back, w.killAgent, func() error { return w.startAgent(ctx) })
	}
}

// starveRunning leaves the agent what it has: new directories cannot be watched.
func starveRunning(ctx context.Context, w *world, inside func() error) error {
	back, err := limit("max_inotify_watches", "0")
	if err != nil {
		return err
	}
	w.watch.begin(true)
	err = errors.Join(w.writers.flip(), inside(), back(), pause(ctx, 1500*time.Millisecond)) // one more scan
	w.watch.begin(false)
	return err
}

// noDescriptors lets the agent open next to nothing more.
func noDescriptors(ctx context.Context, w *world, inside func() error) error {
	pid := w.agent.pid()
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return err
	}
	var old unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		return err
	}
	few := unix.Rlimit{Cur: uint64(len(open) + 1), Max: old.Max}
	w.watch.stop(time.Now())
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		return err
	}
	err = errors.Join(inside(), unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil), pause(ctx, 1200*time.Millisecond)) // one more scan
	w.watch.begin(false)
	return err
}
