// Package ray is what we know about Ray's logs, as data and pure functions: file
// names, sessions, line formats, ids. It depends on the standard library only
// and does no I/O.
package ray

// Format is a family of line formats.
type Format uint8
