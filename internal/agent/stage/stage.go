// Package stage changes, labels and drops lines on their way from a file to an
// output: the pipeline of a configuration, compiled.
//
// Invariant: what becomes of a line depends on nothing but the line, its place
// and what the lines before it have told (the state of a Run), never on the wall
// clock or on chance, so that reading the same bytes again decides the same.
package stage

import (
	"encoding/binary"
	"errors"

	"github.com/valyala/fastjson"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// Entry is one line on its way; a stage changes it in place.
type Entry struct {
	Time int64 // Unix nanoseconds
	// Line is valid until the next Entry; a stage that changes it makes its own copy.
	Line   []byte
	Labels logs.Labels // stream labels; never changed in place, but replaced
	// Metadata is the structured metadata but for what places the line (offset,
	// entry, split): sorted, never changed in place, but replaced.
	Metadata  logs.Labels
	File      loki.FileID
	Offset    uint64
	Continues bool // it belongs to the entry before it: a line of a traceback, the rest of a split line
}

// Program is a list of stages, compiled. It is immutable and safe for concurrent
// use; nil is an empty one.
type Program struct {
	steps []step
	slots int    // of the states of its stages
	sum   uint64 // of its text: a state belongs to one program
	cri   bool
}

// step is one compiled stage.
type step interface {
	// run returns the reason for which the entry is dropped, or "".
	run(r *Run, e *Entry) string
}

// slot is what one stage remembers of earlier lines. What the members mean is
// the stage's own.
type slot struct {
	at, count int64
	sum       uint64
	on        bool
	fate      fate
}

// fate is what a stage has decided for the first line of the current entry.
type fate byte

const (
	fateOpen fate = iota // that line did not come to the stage
	fateYes
	fateNo
)

// Empty reports whether p changes nothing.
func (p *Program) Empty() bool { return p == nil || len(p.steps) == 0 && !p.cri }

// CRI reports whether lines are to be read in the form of container runtimes
// before the first stage sees them: they are joined and their prefixes taken off.
func (p *Program) CRI() bool { return p != nil && p.cri }

// New begins the state of one stream.
func (p *Program) New() *Run {
	r := &Run{program: p}
	if p != nil {
		r.slots = make([]slot, p.slots)
	}
	return r
}

// Run runs the lines of one stream through a program, in order. It is not safe
// for concurrent use.
type Run struct {
	program *Program
	slots   []slot
	fields  []field // extracted from the entry
	json    fastjson.Parser
	small   []byte // the line in small letters
}

// field is a value that a stage took out of an entry, for later stages.
type field struct{ name, value string }

// Bounds of what is extracted from one entry.
const (
	maxFields = 128
	maxValue  = 8 << 10
)

// Process runs one entry through the stages. It returns "" where the line is to
// be kept, else the reason for which it is dropped. A kept entry has at least one
// label: where stages took away all, it is service_name="unknown_service".
func (r *Run) Process(e *Entry) (drop string) {
	if r.program == nil {
		return ""
	}
	r.fields = r.fields[:0]
	if !e.Continues {
		for i := range r.slots {
			r.slots[i].fate = fateOpen
		}
	}
	if drop = runAll(r.program.steps, r, e); drop == "" && len(e.Labels) == 0 {
		e.Labels = nameless
	}
	return drop
}

var nameless = logs.LabelsOf("service_name", "unknown_service")

func runAll(steps []step, r *Run, e *Entry) string {
	for _, s := range steps {
		if drop := s.run(r, e); drop != "" {
			return drop
		}
	}
	return ""
}

// get is the value of a name: "line" is the line itself, any other an extracted
// field, else metadata, else a stream label.
func (r *Run) get(e *Entry, name string) (string, bool) {
	if name == nameLine {
		return string(e.Line), true
	}
	for i := len(r.fields) - 1; i >= 0; i-- {
		if r.fields[i].name == name {
			return r.fields[i].value, true
		}
	}
	if v, ok := e.Metadata.Lookup(name); ok {
		return v, true
	}
	return e.Labels.Lookup(name)
}

const nameLine = "line"

// bytesOf is get without a copy of the line.
func (r *Run) bytesOf(e *Entry, name string) ([]byte, bool) {
	if name == nameLine {
		return e.Line, true
	}
	v, ok := r.get(e, name)
	return []byte(v), ok
}

// set extracts a field. One too many or too long is left out.
func (r *Run) set(name, value string) {
	if len(value) > maxValue {
		return
	}
	for i := range r.fields {
		if r.fields[i].name == name {
			r.fields[i].value = value
			return
		}
	}
	if len(r.fields) < maxFields {
		r.fields = append(r.fields, field{name, value})
	}
}

// follow applies a decision about entries to the lines that continue them: what
// was decided for the first line of an entry goes for the rest. own is what the
// stage says of the line itself, open what goes where the first line did not come
// to the stage.
func (r *Run) follow(slot int, e *Entry, own, open bool) bool {
	s := &r.slots[slot]
	if !e.Continues {
		s.fate = fateNo
		if own {
			s.fate = fateYes
		}
		return own
	}
	switch s.fate {
	case fateYes:
		return true
	case fateNo:
		return own
	}
	return own || open
}

const stateVersion = 1

var errState = errors.New("state of the pipeline is cut short or damaged")

// AppendState appends what the stages remember: it belongs to the position behind
// the last entry. It is bounded by the length of the program, and holds nothing of
// any line.
func (r *Run) AppendState(dst []byte) []byte {
	if len(r.slots) == 0 {
		return dst
	}
	dst = append(dst, stateVersion)
	dst = binary.BigEndian.AppendUint64(dst, r.program.sum)
	for _, s := range r.slots {
		flags := byte(s.fate) << 1
		if s.on {
			flags |= 1
		}
		dst = append(dst, flags)
		dst = binary.AppendVarint(dst, s.at)
		dst = binary.AppendVarint(dst, s.count)
		dst = binary.AppendUvarint(dst, s.sum)
	}
	return dst
}

// Restore takes up a state written by AppendState. One of another program counts
// for nothing: the stages begin anew, as they do after an error.
func (r *Run) Restore(b []byte) error {
	clear(r.slots)
	if len(b) == 0 {
		return nil
	}
	if len(b) < 9 {
		return errState
	}
	if len(r.slots) == 0 || b[0] != stateVersion || binary.BigEndian.Uint64(b[1:]) != r.program.sum {
		return nil
	}
	if err := r.restore(b[9:]); err != nil {
		clear(r.slots)
		return err
	}
	return nil
}

func (r *Run) restore(b []byte) error {
	for i := range r.slots {
		s := &r.slots[i]
		if len(b) == 0 || b[0]>>1 > byte(fateNo) {
			return errState
		}
		s.on, s.fate = b[0]&1 != 0, fate(b[0]>>1)
		b = b[1:]
		var n1, n2, n3 int
		s.at, n1 = binary.Varint(b)
		if n1 <= 0 {
			return errState
		}
		s.count, n2 = binary.Varint(b[n1:])
		if n2 <= 0 {
			return errState
		}
		s.sum, n3 = binary.Uvarint(b[n1+n2:])
		if n3 <= 0 {
			return errState
		}
		b = b[n1+n2+n3:]
	}
	if len(b) != 0 {
		return errState
	}
	return nil
}
