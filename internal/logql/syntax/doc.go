// Package syntax reads and writes LogQL: tokens, parser, tree and printer of
// the whole language.
//
// Invariant: printing a tree and parsing what was printed gives the same tree,
// positions aside.
package syntax

import "fmt"

// MaxQueryBytes is the length of the longest query that Loki takes.
const MaxQueryBytes = 131_071

// maxDepth bounds how deep a tree may be, so that no query, however hostile,
// can exhaust the stack of those who walk it.
const maxDepth = 2_000

// Pos is a place in the query. Line and Col count from 1, Col in characters;
// Offset counts bytes from 0.
type Pos struct {
	Offset, Line, Col int
}

// lineless is the place as Loki tells it of tokens whose line it has lost.
func (p Pos) lineless() Pos {
	p.Line = 0
	return p
}

// Error is a mistake in a query. It has no place, Col 0, where what is wrong is
// not how the query is written but what it means.
type Error struct {
	Pos
	Msg string
}

// Error words the mistake as Loki does.
func (e *Error) Error() string {
	if e.Col == 0 {
		return "parse error : " + e.Msg
	}
	return fmt.Sprintf("parse error at line %d, col %d: %s", e.Line, e.Col, e.Msg)
}

func errorAt(p Pos, format string, args ...any) *Error {
	return &Error{Pos: p, Msg: fmt.Sprintf(format, args...)}
}

// mistakef is an error without a place.
func mistakef(format string, args ...any) *Error { return errorAt(Pos{}, format, args...) }
