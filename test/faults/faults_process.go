package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// processFaults end and stop the programs.
func processFaults() []*fault {
	agent, server, both := []string{"agent"}, []string{"server"}, []string{"agent", "server"}
	return []*fault{
		{name: "kill -9 agent", touches: agent, make: killAgent},
		{name: "kill -9 server", touches: server, make: killServer},
		{name: "kill -9 both", touches: both, make: killBoth},
		{name: "kill -9 agent, often", touches: agent, make: killOften},
		{name: "SIGTERM agent", touches: agent, make: termAgent},
		{name: "SIGTERM agent twice", touches: agent, make: termTwice},
		{name: "SIGTERM server", touches: server, make: termServer},
		{name: "SIGSTOP agent", touches: agent, make: stopAgent},
		{name: "SIGSTOP server", touches: server, make: stopServer},
		{name: "inotify overflow", touches: agent, make: overflow},
		{name: "nothing", make: func(_ context.Context, _ *world, inside func() error) error { return inside() }},
	}
}

func killAgent(ctx context.Context, w *world, inside func() error) error {
	return first(w.killAgent, inside, func() error { return w.startAgent(ctx) })
}

// first does one after the other until one fails.
func first(steps ...func() error) error {
	for _, do := range steps {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func killServer(ctx context.Context, w *world, inside func() error) error {
	return first(w.server.kill, inside, func() error { return w.startServer(ctx) })
}

// killBoth starts the agent first: it finds no server.
func killBoth(ctx context.Context, w *world, inside func() error) error {
	return first(w.server.kill, w.killAgent, func() error { return w.startAgent(ctx) }, inside, func() error { return w.startServer(ctx) })
}

// killOften kills the agent at whatever it does at its start.
func killOften(ctx context.Context, w *world, inside func() error) error {
	for range 5 {
		err := first(w.killAgent, w.agent.start, func() error { return w.wait(ctx, 200*time.Millisecond) })
		if err != nil {
			return err
		}
	}
	return first(w.killAgent, inside, func() error { return w.startAgent(ctx) })
}

// termAgent ends the agent as a pod's end does, while files still grow: it ends at
// its deadline.
func termAgent(ctx context.Context, w *world, inside func() error) error {
	w.watch.stop(time.Now()) // what is written from here on it need not read
	err := w.agent.end(syscall.SIGTERM, drainTimeout+5*time.Second)
	return first(func() error { return err }, inside, func() error { return w.startAgent(ctx) })
}

func termTwice(ctx context.Context, w *world, inside func() error) error {
	w.watch.stop(time.Now())
	err := first(
		func() error { return w.agent.signal(syscall.SIGTERM) },
		func() error { return w.wait(ctx, 500*time.Millisecond) },
		func() error { return w.agent.end(syscall.SIGTERM, 2*time.Second) },
	)
	return first(func() error { return err }, inside, func() error { return w.startAgent(ctx) })
}

func termServer(ctx context.Context, w *world, inside func() error) error {
	return first(func() error { return w.server.end(syscall.SIGTERM, 40*time.Second) }, inside, func() error { return w.startServer(ctx) })
}

// stopped is how long a program is stopped.
func (w *world) stopped() time.Duration {
	if w.long {
		return 30 * time.Second
	}
	return 2 * time.Second
}

func stopAgent(ctx context.Context, w *world, inside func() error) error {
	w.watch.stop(time.Now())
	if err := w.agent.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	err := errors.Join(inside(), pause(ctx, w.stopped()), w.agent.signal(syscall.SIGCONT))
	w.watch.begin(false)
	return err
}

func stopServer(ctx context.Context, w *world, inside func() error) error {
	if err := w.server.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return errors.Join(inside(), pause(ctx, w.stopped()), w.server.signal(syscall.SIGCONT))
}

// overflow makes more events than inotify keeps while the agent is stopped.
func overflow(_ context.Context, w *world, inside func() error) error {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		return err
	}
	var kept int
	if _, err := fmt.Sscan(string(text), &kept); err != nil {
		return err
	}
	w.watch.stop(time.Now())
	if err := w.agent.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	err = errors.Join(w.writers.flood(kept+2000), inside(), w.agent.signal(syscall.SIGCONT))
	w.watch.begin(false)
	return err
}
