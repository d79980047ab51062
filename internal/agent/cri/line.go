// Package cri reads log files in the form of container runtimes (CRI):
//
//	2026-11-21T05:06:01.123456789Z stdout F text
//
// A P instead of the F says that the line goes on in the next one of the same
// output; lines of the other output may stand between.
//
// Invariant: however a file is cut into chunks, the records are the same.
package cri

import (
	"bytes"
	"time"
)

// Output is what a container wrote to.
type Output uint8

// The outputs. A line that is not in the form has none.
const (
	None Output = iota
	Stdout
	Stderr
	outputs
)

// String is the output as the metadata "stream" names it: "out", "err" or "".
func (o Output) String() string { return [...]string{"", "out", "err"}[o] }

// Line is one line of a file.
type Line struct {
	Time    int64 // Unix nanoseconds
	Output  Output
	Partial bool
	Text    []byte
}

// Parse reads a line, given without its end. It is false for one that is not in
// the form.
func Parse(b []byte) (Line, bool) {
	var l Line
	stamp, rest, ok := bytes.Cut(b, blank)
	if !ok || len(stamp) < len("2026-11-21T05:06:01Z") || len(stamp) > len("2026-11-21T05:06:01.123456789+01:00") {
		return l, false
	}
	output, rest, ok := bytes.Cut(rest, blank)
	if !ok {
		return l, false
	}
	switch string(output) {
	case "stdout":
		l.Output = Stdout
	case "stderr":
		l.Output = Stderr
	default:
		return l, false
	}
	tags, text, _ := bytes.Cut(rest, blank)
	switch tag, _, _ := bytes.Cut(tags, colon); string(tag) {
	case "F":
	case "P":
		l.Partial = true
	default:
		return l, false
	}
	var t time.Time
	if err := t.UnmarshalText(stamp); err != nil || t.Year() < 1970 || t.Year() > 2261 {
		return l, false
	}
	l.Time, l.Text = t.UnixNano(), text
	return l, true
}

var (
	blank = []byte(" ")
	colon = []byte(":")
)
