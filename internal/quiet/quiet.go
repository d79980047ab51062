// Package quiet keeps libraries from writing to standard error while the program
// starts: VictoriaMetrics' metrics package logs an INFO line before main runs,
// on machines whose kernel counts no pressure, which no user asked for.
//
// It works as Go initializes a package as soon as what it imports is there, in
// order of their paths: this one needs nothing but log, that one net/http. Its
// invariant: it imports only log and io.
package quiet

import (
	"io"
	"log"
)

func init() { log.SetOutput(io.Discard) }

// End lets the standard logger write to w again.
func End(w io.Writer) { log.SetOutput(w) }
