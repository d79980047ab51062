package main

import (
	"context"
	"errors"
)

// diskFaults fill disks.
func diskFaults() []*fault {
	alone := func(w *world) string { return w.host.alone }
	ours := func(w *world) string {
		if w.target == "loki" {
			return "what Loki does on a full disk is its own affair"
		}
		return w.host.alone
	}
	ray := func(w *world) string {
		if w.host.alone == "" && !w.small {
			return elsewhere
		}
		return w.host.alone
	}
	return []*fault{
		{name: "disk full: agent's state", touches: touchesState, make: fills("state", 0), not: alone},
		{name: "disk full: agent's state, killed", touches: touchesState, make: fillAndKill, not: alone},
		{name: "disk full: server below its floor", touches: []string{"data", "server"}, make: fills("data", 16<<20), not: ours},
		{name: "disk full: server", touches: []string{"data", "server"}, make: fills("data", 0), not: ours},
		{name: "disk full: Ray's", touches: []string{"ray"}, make: fills("ray", 0), not: ray},
	}
}

func fills(name string, leave int64) func(context.Context, *world, func() error) error {
	return func(ctx context.Context, w *world, inside func() error) error {
		free, err := fill(w.path(name), leave)
		if err != nil {
			return err
		}
		if err := errors.Join(inside(), free()); err != nil {
			return err
		}
		w.filled = name == "data" && leave == 0
		return w.mendServer(ctx)
	}
}

// mendServer starts a server again that has ended as its disk was full: what it does
// then is no fault of the agent's.
func (w *world) mendServer(ctx context.Context) error {
	if !w.filled || w.server.running() {
		return nil
	}
	for _, d := range w.server.deaths() {
		w.table.note("%s, as the last byte of its disk was taken", d)
	}
	return w.startServer(ctx)
}

// fillAndKill kills the agent after it could not record where it is. A start on the
// full disk may fail; then it starts when there is room.
func fillAndKill(ctx context.Context, w *world, inside func() error) error {
	free, err := fill(w.path("state"), 0)
	if err != nil {
		return err
	}
	w.state = true // what it did since then is not on record
	return errors.Join(first(inside, w.killAgent, func() error { return w.startForgetful(ctx) }), free())
}
