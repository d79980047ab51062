package main

import (
	"context"
	"errors"
	"os"
)

// clockFaults set the agent's clock while it runs.
func clockFaults() []*fault {
	not := func(w *world) string {
		if !w.steps {
			return elsewhere
		}
		return ""
	}
	step := func(seconds string) func(context.Context, *world, func() error) error {
		return func(_ context.Context, w *world, inside func() error) error {
			set := func(s string) error { return os.WriteFile(w.path("clock"), []byte(s), 0o644) }
			if err := set(seconds); err != nil {
				return err
			}
			return errors.Join(inside(), set("0"))
		}
	}
	return []*fault{
		{name: "clock an hour ahead", touches: []string{"clock"}, make: step("3600"), not: not},
		{name: "clock an hour behind", touches: []string{"clock"}, make: step("-3600"), not: not},
	}
}
