package ray

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// stateVersion begins every saved state. A reader of another version starts
// without one: it then says less, never something else.
const stateVersion = 2

var errState = errors.New("parser state is cut short or damaged")

const (
	flagBegun = 1 << iota
	flagWhole
	flagMarked
	flagUnmarked
)

// AppendState appends what the parser has learnt so far: under 100 bytes for most
// files. It belongs to a file's position: a later generation, or a later run,
// does not see the first lines again.
func (p *Parser) AppendState(dst []byte) []byte {
	var flags byte
	if p.s.begun {
		flags |= flagBegun
	}
	if p.s.whole {
		flags |= flagWhole
	}
	if p.s.marked {
		flags |= flagMarked
	}
	if p.s.unmarked {
		flags |= flagUnmarked
	}
	var level byte
	for i, l := range levelCodes {
		if l == p.s.level {
			level = byte(i)
		}
	}
	dst = append(dst, stateVersion, flags, byte(p.s.role), byte(p.s.block), level)
	for _, s := range p.s.strings() {
		dst = binary.AppendUvarint(dst, uint64(len(*s)))
		dst = append(dst, *s...)
	}
	return dst
}

// strings are the strings of a state in the order in which they are saved.
func (s *state) strings() [7]*string {
	return [...]*string{&s.job, &s.actorID, &s.actorName, &s.taskName, &s.taskID, &s.nodeID, &s.component}
}

// Restore takes up a state written by AppendState. After an error the parser
// takes the stream for one whose beginning is not known.
func (p *Parser) Restore(saved []byte) error {
	s, err := decodeState(saved)
	if err != nil {
		p.s = state{begun: true}
		return err
	}
	p.s = s
	p.replica = serveName{}
	if s.role == roleActor {
		p.replica = replicaName(s.actorName)
	}
	return nil
}

func decodeState(b []byte) (state, error) {
	var s state
	if len(b) < 5 {
		return s, errState
	}
	if b[0] != stateVersion {
		return s, fmt.Errorf("parser state of version %d, this program knows %d", b[0], stateVersion)
	}
	if b[2] > byte(roleUnsure) || b[3] > byte(blockTail) || int(b[4]) >= len(levelCodes) {
		return s, errState
	}
	s.begun, s.whole, s.marked = b[1]&flagBegun != 0, b[1]&flagWhole != 0, b[1]&flagMarked != 0
	s.unmarked = b[1]&flagUnmarked != 0
	s.role, s.block, s.level = role(b[2]), block(b[3]), levelCodes[b[4]]
	b = b[5:]
	for _, dst := range s.strings() {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > maxName || n > uint64(len(b)-k) {
			return state{}, errState
		}
		*dst = string(b[k : k+int(n)])
		b = b[k+int(n):]
	}
	if len(b) != 0 {
		return state{}, errState
	}
	return s, nil
}
