package embedded

import (
	"fmt"
	"os"
	"runtime/debug"
)

// A panic in the engine ends the process. What Go's runtime says of it goes to
// the file panic in the store's directory too, so that the next start knows that
// it was no kill: then nothing is taken to be whole, and all of the store is read
// before it is served.

// panicked reports whether the last process that had the store open panicked.
func (h *home) panicked() bool {
	st, err := os.Stat(h.path("panic"))
	return err == nil && st.Size() > 0
}

// catchPanics makes a panic of this process leave its traces. A process has one
// place for them: that of the store opened last.
func (h *home) catchPanics() error {
	f, err := os.OpenFile(h.path("panic"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make the file for traces of a panic: %w", err)
	}
	defer f.Close() // the runtime keeps a descriptor of its own
	return debug.SetCrashOutput(f, debug.CrashOptions{})
}

// dropPanics undoes catchPanics.
func (h *home) dropPanics() error {
	if err := debug.SetCrashOutput(nil, debug.CrashOptions{}); err != nil {
		return err
	}
	return os.Remove(h.path("panic"))
}
