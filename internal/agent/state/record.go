package state

import (
	"encoding/binary"
	"errors"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/loki"
)

// Stream is everything that must be remembered of a followed stream.
type Stream struct {
	ID      loki.FileID
	Session string
	Name    string // path of the first generation below logs/
	Asked   bool   // the server has said where it stands; before that ID is only a name for the record
	Stray   bool   // an older file of another stream that turned up late
	// Rotation is the number that the first generation had when it was found: 0 says that
	// none came before it.
	Rotation int
	// Position is what the output has acknowledged.
	Position parse.Position
	Mark     tail.Mark // of the bytes before Position.Offset
	At       int64     // when this was recorded, Unix nanoseconds
	Gap      string    // why bytes before GapAt are missing, until that has been told
	GapAt    uint64
	// Generations are those that still have a name or unacknowledged bytes, oldest first.
	Generations []Generation
	Anchors     []parse.Anchor // behind Position.Offset; kept as records of their own
}

// Generation is one file of a stream.
type Generation struct {
	Key      tail.Key
	Head     tail.Head
	Print    []byte // fingerprint on the wire, fixed when its first range was sent
	Base     uint64 // logical offset of its first byte
	Size     int64  // as last seen; final where Done
	Rotation int
	Begun    bool   // Base is known
	Gap      string // why bytes before Base are missing
	Done     bool   // all of it acknowledged, and its writer had ended
	Cut      bool   // it was cut: what it held may be in a copy
	Next     bool   // nothing came between the generation before it and it
}

// Record types. A stream record replaces the one before it.
const (
	typeStream = 1
	typeAnchor = 2
	typeForget = 3
	typeAdd    = 4 // a generation behind those of the stream's record
)

var errShort = errors.New("record is cut short")

// What is known of a position's clock, as bits. An agent that knows the first only
// takes any of them for it.
const (
	anchored = 1 << iota
	unsure
)

func clockFlags(p *parse.Position) (b byte) {
	if p.Anchored {
		b |= anchored
	}
	if p.Unsure {
		b |= unsure
	}
	return b
}

func appendStream(b []byte, s *Stream) []byte {
	b = append(b, typeStream)
	b = append(b, s.ID[:]...)
	b = appendText(b, s.Session)
	b = appendText(b, s.Name)
	b = appendBool(b, s.Asked)
	b = appendBool(b, s.Stray)
	b = binary.AppendVarint(b, int64(s.Rotation))
	p := &s.Position
	b = binary.AppendUvarint(b, p.Offset)
	b = binary.AppendVarint(b, p.Seen)
	b = binary.AppendVarint(b, p.Last)
	b = append(b, clockFlags(p))
	b = binary.AppendUvarint(b, uint64(p.Split))
	b = appendText(b, string(p.Parser))
	b = binary.AppendUvarint(b, p.Entry)
	b = appendText(b, string(p.Stages))
	b = append(b, s.Mark.Len)
	b = binary.BigEndian.AppendUint64(b, s.Mark.Sum)
	b = binary.AppendVarint(b, s.At)
	b = appendText(b, s.Gap)
	b = binary.AppendUvarint(b, s.GapAt)
	b = binary.AppendUvarint(b, uint64(len(s.Generations)))
	for i := range s.Generations {
		b = appendGeneration(b, &s.Generations[i])
	}
	return b
}

func appendGeneration(b []byte, g *Generation) []byte {
	b = binary.AppendUvarint(b, g.Key.Dev)
	b = binary.AppendUvarint(b, g.Key.Ino)
	b = binary.AppendVarint(b, g.Key.Birth)
	b = binary.AppendUvarint(b, uint64(g.Head.Len))
	b = binary.BigEndian.AppendUint64(b, g.Head.Sum)
	b = appendText(b, string(g.Print))
	b = binary.AppendUvarint(b, g.Base)
	b = binary.AppendVarint(b, g.Size)
	b = binary.AppendVarint(b, int64(g.Rotation))
	b = appendBool(b, g.Begun)
	b = appendText(b, g.Gap)
	b = appendBool(b, g.Done)
	return append(b, flag(g.Cut, flagCut)|flag(g.Next, flagNext))
}

// Flags of a generation.
const (
	flagCut  = 1
	flagNext = 2
)

func flag(v bool, f byte) byte {
	if v {
		return f
	}
	return 0
}

func appendAnchor(b []byte, id loki.FileID, a parse.Anchor) []byte {
	b = append(b, typeAnchor)
	b = append(b, id[:]...)
	b = binary.AppendUvarint(b, a.Offset)
	return binary.AppendVarint(b, a.Time)
}

func appendAdd(b []byte, id loki.FileID, g *Generation) []byte {
	return appendGeneration(append(append(b, typeAdd), id[:]...), g)
}

func appendForget(b []byte, id loki.FileID) []byte {
	return append(append(b, typeForget), id[:]...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// reader takes values off the front of a record; after an error all are zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.b)) {
		r.err = errShort
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.err = errShort
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.err = errShort
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text() string { return string(r.take(r.uvarint())) }

func (r *reader) bool() bool {
	b := r.take(1)
	return len(b) == 1 && b[0] != 0
}

func (r *reader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); len(b) == 8 {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) id() (id loki.FileID) {
	copy(id[:], r.take(uint64(len(id))))
	return id
}

func (r *reader) stream() *Stream {
	s := &Stream{ID: r.id(), Session: r.text(), Name: r.text(), Asked: r.bool(), Stray: r.bool(), Rotation: int(r.varint())}
	s.Position = parse.Position{
		Offset: r.uvarint(), Seen: r.varint(), Last: r.varint(),
	}
	p, flags := &s.Position, r.byte()
	p.Anchored, p.Unsure = flags != 0, flags&unsure != 0
	p.Split, p.Parser = uint32(r.uvarint()), []byte(r.text())
	p.Entry, p.Stages = r.uvarint(), append([]byte(nil), r.take(r.uvarint())...)
	s.Mark = tail.Mark{Len: r.byte(), Sum: r.uint64()}
	s.At, s.Gap, s.GapAt = r.varint(), r.text(), r.uvarint()
	n := r.uvarint()
	for i := uint64(0); i < n && r.err == nil; i++ {
		s.Generations = append(s.Generations, r.generation())
	}
	return s
}

func (r *reader) generation() Generation {
	g := Generation{
		Key:   tail.Key{Dev: r.uvarint(), Ino: r.uvarint(), Birth: r.varint()},
		Head:  tail.Head{Len: uint16(r.uvarint()), Sum: r.uint64()},
		Print: []byte(r.text()),
		Base:  r.uvarint(), Size: r.varint(), Rotation: int(r.varint()),
		Begun: r.bool(), Gap: r.text(), Done: r.bool(),
	}
	flags := r.byte()
	g.Cut, g.Next = flags&flagCut != 0, flags&flagNext != 0
	return g
}
