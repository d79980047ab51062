// Package wall is the machine's clock, which may be set while the agent runs. What is
// written down as a time asks it; how long something takes is measured otherwise
// (Mono, or time.Time of one process). A build for tests can step it without setting
// the clock of the machine (build tag clockstep).
package wall

import "time"

var begin = time.Now()

// Mono is how long this process has run, in nanoseconds: it never steps.
func Mono() int64 { return int64(time.Since(begin)) }
