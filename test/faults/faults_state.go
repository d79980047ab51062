package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// stateFaults spoil what the agent remembers.
func stateFaults() []*fault {
	return []*fault{
		{name: "state torn", touches: touchesState, make: spoils(tear)},
		{name: "state empty", touches: touchesState, make: spoils(empty)},
		{name: "state gone", touches: touchesState, make: spoils(lose)},
		{name: "state of a newer version", touches: touchesState, make: newer},
		{name: "state of a while ago", touches: touchesState, make: spoils(older)},
		{name: "hold budget small", touches: []string{"agent", "proxy"}, make: smallBudget},
	}
}

// overBudget is why what was deleted is not kept.
const overBudget = "too much unread"

var touchesState = []string{"agent", "state"}

// spoils kills the agent, does something to its state, and starts it again.
func spoils(how func(w *world) error) func(context.Context, *world, func() error) error {
	return func(ctx context.Context, w *world, inside func() error) error {
		err := first(w.killAgent, inside, func() error { return how(w) }, func() error { return w.startForgetful(ctx) })
		if !errors.Is(err, errDied) {
			return err
		}
		w.table.wrong("%s: the agent does not start with it", w.now)
		w.agent.deaths()
		return first(func() error { return lose(w) }, func() error { return w.startForgetful(ctx) })
	}
}

// startForgetful starts an agent that knows less than it did: of files that have no
// name any more it need not know.
func (w *world) startForgetful(ctx context.Context) error {
	w.state = true
	err := w.startAgent(ctx)
	w.excuse("state lost")
	return err
}

// excuse says that lines of files which are deleted, and were not known to be stored
// when all was last at rest, may be missing if that is told.
func (w *world) excuse(why string) {
	for _, s := range w.writers.all() {
		s.mu.Lock()
		for i, g := range s.gens {
			last := s.lines
			if i+1 < len(s.gens) {
				last = s.gens[i+1].first
			}
			// A half line is taken a while after its file was deleted: nobody waits for it.
			if !g.removed.IsZero() && (last > s.sure || s.half[last-1] > 0) && g.excuse == "" {
				g.excuse = why
			}
		}
		s.mu.Unlock()
	}
}

// positions is the file of the one engine that the agent has.
func (w *world) positions() string {
	found, err := filepath.Glob(w.path("state", "*", "positions"))
	if err != nil || len(found) != 1 {
		return w.path("state", "positions")
	}
	return found[0]
}

func tear(w *world) error {
	st, err := os.Stat(w.positions())
	if err != nil {
		return err
	}
	return os.Truncate(w.positions(), max(100, st.Size()-1-w.rand.Int64N(300)))
}

func empty(w *world) error { return os.Truncate(w.positions(), 0) }

func lose(w *world) error { return removeAll(w.path("state")) }

// removeAll removes all that is in a directory, which may be a mount.
func removeAll(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// older brings back the state of the last time this fault was made.
func older(w *world) error {
	text, err := os.ReadFile(w.backup)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = os.ReadFile(w.positions())
		if err != nil {
			return err
		}
		return os.WriteFile(w.backup, text, 0o600)
	}
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(w.positions(), text, 0o600), os.Remove(w.backup))
}

// newer gives the agent a state that it cannot read: it must say so and touch
// nothing. Then it is thrown away.
func newer(ctx context.Context, w *world, inside func() error) error {
	const magic = "remora-agent positions "
	if err := w.killAgent(); err != nil {
		return err
	}
	text, err := os.ReadFile(w.positions())
	if err != nil {
		return err
	}
	if bytes.HasPrefix(text, []byte(magic)) {
		text[len(magic)] = '9'
	}
	if err := os.WriteFile(w.positions(), text, 0o600); err != nil {
		return err
	}
	err = w.startAgent(ctx)
	if err == nil {
		err = w.until(ctx, "the agent ends", 5*time.Second, func() bool { return !w.agent.running() })
	}
	w.agent.deaths()
	if err != nil && !errors.Is(err, errDied) {
		w.table.wrong("%s: the agent did not refuse it: %v", w.now, err)
	}
	after, err := os.ReadFile(w.positions())
	if err != nil || !bytes.Equal(text, after) {
		w.table.wrong("%s: the agent has changed it: %v", w.now, err)
	}
	return first(w.killAgent, inside, func() error { return lose(w) }, func() error { return w.startForgetful(ctx) })
}

// smallBudget lets the agent keep next to nothing while the server takes nothing.
func smallBudget(ctx context.Context, w *world, inside func() error) error {
	usual := w.agent.args
	w.agent.args = append(append([]string{}, usual...), "--hold-bytes", "65536")
	err := first(w.killAgent, func() error { return w.startAgent(ctx) }, func() error {
		w.proxy.set(&mode{name: "away", code: 503})
		return inside()
	}, w.killAgent)
	w.agent.args = usual
	w.proxy.set(&mode{})
	w.excuse(overBudget)
	return first(func() error { return err }, func() error { return w.startAgent(ctx) })
}
