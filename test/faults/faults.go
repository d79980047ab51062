package main

import (
	"context"
	"slices"
	"time"
)

// fault is something that happens to the programs. make brings it about, calls
// inside while it lasts, and mends it.
type fault struct {
	name string
	make func(ctx context.Context, w *world, inside func() error) error
	// touches names what it acts upon: two faults that share none may meet.
	touches []string
	// not tells why it cannot be made here, or "".
	not func(w *world) string
}

// deck is every fault that can be made in this world.
func (w *world) deck(only interface{ MatchString(string) bool }) []*fault {
	var deck []*fault
	all := slices.Concat(processFaults(), networkFaults(), diskFaults(), stateFaults(), limitFaults(), clockFaults(), reloadFaults())
	for _, f := range all {
		if !only.MatchString(f.name) {
			continue
		}
		if f.not != nil {
			if why := f.not(w); why != "" {
				if why != elsewhere {
					w.table.skips[f.name] = why
				}
				continue
			}
		}
		deck = append(deck, f)
	}
	return deck
}

// elsewhere is why a fault is left to another world of the same run.
const elsewhere = "made in another world"

// companion is, for one fault in four, another that happens while the first lasts.
func (w *world) companion(f *fault, deck []*fault) *fault {
	if w.rand.IntN(4) != 0 {
		return nil
	}
	other := deck[w.rand.IntN(len(deck))]
	for _, t := range f.touches {
		if slices.Contains(other.touches, t) {
			return nil
		}
	}
	return other
}

// make brings about one fault, and within it another or nothing.
func (w *world) make(ctx context.Context, f, inner *fault) error {
	return f.make(ctx, w, func() error {
		if inner == nil {
			return w.rest(ctx)
		}
		if err := w.wait(ctx, 400*time.Millisecond); err != nil {
			return err
		}
		return inner.make(ctx, w, func() error { return w.rest(ctx) })
	})
}

// rest lets a fault last for a while.
func (w *world) rest(ctx context.Context) error { return w.wait(ctx, 1500*time.Millisecond) }

func (w *world) wait(ctx context.Context, most time.Duration) error {
	return pause(ctx, between(w.rand, most/20, most))
}
