// Package quiet keeps one line off standard error. A package that
// lib/logstorage links says at the start of every command, through the standard
// logger, when the kernel has no pressure-stall figures. Nobody who runs a
// command can do anything about that.
//
// Invariant: every other line of the standard logger passes.
//
// It must be initialised before that package: it depends on nothing but log,
// which that one depends on too, and packages that are ready are initialised in
// order of their paths.
package quiet

import (
	"bytes"
	"io"
	"log"
	"os"
)

func init() { log.SetOutput(writer{os.Stderr}) }

type writer struct{ to io.Writer }

func (w writer) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("metrics: disable exposing PSI metrics")) {
		return len(line), nil
	}
	return w.to.Write(line)
}
