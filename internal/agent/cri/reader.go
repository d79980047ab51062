package cri

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// Bounds of what is joined. A chunk must hold Window bytes where the file has them.
const (
	// MaxLine is the longest line in bytes that is given whole. A longer one is
	// given in pieces.
	MaxLine = 256 << 10
	// Window is how far behind the first part of a line its other parts are looked for.
	Window = MaxLine + 32<<10
	// maxPrefix is more than the form takes before a line's text.
	maxPrefix = 64
	// maxBetween is how many lines of the other output may stand between the parts.
	maxBetween = 64
)

// Record is a line of a container, joined, or a piece of one.
type Record struct {
	Line           // Partial says no more than Last does
	Piece   uint32 // 1, 2, … for the pieces of a line that is not given whole; else 0
	Last    bool   // no piece follows
	Nothing bool   // the bytes were part of a record given before
}

// Reader joins lines. The zero value begins at the first byte of a file.
type Reader struct {
	state
	text []byte // of a record put together
}

// state is what a Reader knows between two lines.
type state struct {
	taken  [outputs]uint64 // parts that begin before this logical offset are given already
	pieces [outputs]uint32 // of the output's current line, given so far
	within bool            // the next bytes go on in a line of the file
	of     Output          // whose line that is
	more   bool            // and that line is a partial one
}

// Mark is a Reader's state for Back.
type Mark struct{ state }

// Mark returns the state before the next record.
func (r *Reader) Mark() Mark { return Mark{r.state} }

// Back takes back the records given since the mark.
func (r *Reader) Back(m Mark) { r.state = m.state }

// Next reads the record that rest begins with, at a logical offset, and how many
// bytes to go on by; 0 while more of the file must be seen. Parts of the record
// may lie behind those bytes: they give records of Nothing when their turn comes.
// ended says that nothing will come behind rest. The text is valid until the next
// call.
func (r *Reader) Next(rest []byte, at uint64, ended bool) (rec Record, size int) {
	line, size, whole := physical(rest, ended)
	if size == 0 {
		return Record{}, 0
	}
	if r.within {
		return r.goOn(line, whole), size
	}
	l, ok := Parse(line)
	if !ok {
		l = Line{Text: line}
	}
	if !whole {
		r.within, r.of, r.more = true, l.Output, l.Partial
		l.Partial = true
		return r.piece(l, false), size
	}
	if ok && at < r.taken[l.Output] {
		return Record{Line: l, Nothing: true}, size
	}
	if l.Partial {
		return r.join(l, rest, size, at, ended)
	}
	return r.piece(l, true), size
}

// physical is the line of the file that rest begins with; whole is false for a
// piece of one that is too long.
func physical(rest []byte, ended bool) (line []byte, size int, whole bool) {
	const most = MaxLine + maxPrefix
	end := bytes.IndexByte(rest[:min(len(rest), most+1)], '\n')
	switch {
	case end >= 0:
		return rest[:end], end + 1, true
	case len(rest) > most:
		cut := MaxLine
		for back := 0; back < utf8.UTFMax && !utf8.RuneStart(rest[cut]); back++ {
			cut--
		}
		return rest[:cut], cut, false
	case ended && len(rest) > 0:
		return rest, len(rest), true
	}
	return nil, 0, false
}

// goOn gives the rest of a line of the file that is too long.
func (r *Reader) goOn(line []byte, whole bool) Record {
	r.within = !whole
	return r.piece(Line{Output: r.of, Text: line}, whole && !r.more)
}

// piece numbers the pieces of a line.
func (r *Reader) piece(l Line, last bool) Record {
	n := &r.pieces[l.Output]
	rec := Record{Line: l, Last: last}
	if *n > 0 || !last {
		*n++
		rec.Piece = *n
	}
	if last {
		*n = 0
	}
	return rec
}

// join looks for the other parts of a line.
func (r *Reader) join(l Line, rest []byte, size int, at uint64, ended bool) (Record, int) {
	r.text = append(r.text[:0], l.Text...)
	behind, between := size, 0
	complete := false
	for p := size; !complete; {
		end := bytes.IndexByte(rest[p:min(len(rest), Window)], '\n')
		if end < 0 {
			if !ended && len(rest) < Window {
				return Record{}, 0
			}
			if end = len(rest) - p; !ended || end == 0 || len(rest) > Window {
				break
			}
		}
		next, ok := Parse(rest[p : p+end])
		p = min(p+end+1, len(rest))
		if !ok || next.Output != l.Output {
			if between++; between > maxBetween {
				break
			}
			continue
		}
		if len(r.text)+len(next.Text) > MaxLine {
			break
		}
		r.text = append(r.text, next.Text...)
		behind, complete = p, !next.Partial
	}
	r.taken[l.Output] = at + uint64(behind)
	l.Text = r.text
	return r.piece(l, complete), size
}

const stateVersion = 1

// AppendState appends what the reader must know to go on where it stands.
func (r *Reader) AppendState(dst []byte) []byte {
	var flags byte
	if r.within {
		flags |= 1
	}
	if r.more {
		flags |= 2
	}
	dst = append(dst, stateVersion, flags, byte(r.of))
	for o := range outputs {
		dst = binary.AppendUvarint(dst, r.taken[o])
		dst = binary.AppendUvarint(dst, uint64(r.pieces[o]))
	}
	return dst
}

var errState = errors.New("state of a container's log is cut short or damaged")

// Restore takes up a state written by AppendState.
func (r *Reader) Restore(b []byte) error {
	r.state = state{}
	if len(b) < 3 || b[0] != stateVersion || b[2] >= byte(outputs) {
		return errState
	}
	s := state{within: b[1]&1 != 0, more: b[1]&2 != 0, of: Output(b[2])}
	b = b[3:]
	for o := range outputs {
		taken, n := binary.Uvarint(b)
		if n <= 0 {
			return errState
		}
		pieces, m := binary.Uvarint(b[n:])
		if m <= 0 || pieces > 1<<32-1 {
			return errState
		}
		s.taken[o], s.pieces[o] = taken, uint32(pieces)
		b = b[n+m:]
	}
	if len(b) != 0 {
		return errState
	}
	r.state = s
	return nil
}
