// Package parse turns bytes of Ray's log files into encoded entries of a push:
// it finds the lines, asks package ray what each one tells, gives it a time, and
// writes it with its metadata straight from the read buffer.
//
// Invariant: what comes out depends on nothing but the bytes, the position they
// begin at (Position) and the anchors recorded for them, so that reading the
// same bytes again gives the same entries.
//
// To read one stream from its first byte (an archived file, say):
//
//	s := parse.New(parse.Source{File: ray.ParsePath(rel), Context: c, Labels: node.Labels(f), Metadata: node.Metadata(session, f)}, parse.Remora)
//	for each chunk, beginning where the last one was consumed up to:
//		entries, r := s.Append(entries[:0], parse.Chunk{Data: data, At: at, Ended: isLast, Now: now, Written: mtime}, limit)
//		body = s.AppendStream(body, entries, loki.FileRange{File: id, Generation: fingerprint, From: at, To: at + uint64(r.Consumed)})
//		at += uint64(r.Consumed)
//
// A chunk should hold more than MaxLine bytes where the file has them: a line
// that does not end within MaxLine is split. Generations of one stream are given
// to the same Stream one after the other, At counting on.
package parse

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/agent/stage"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

// MaxLine is the longest line in bytes that is sent whole; Loki's default limit.
// A longer one becomes several entries, each with the metadata "split": "1", "2", …
// in order; joined without anything between them they are the line.
const MaxLine = 256 << 10

// Wire says how metadata that is constant for a file is sent.
type Wire uint8

// Remora takes it once per range; Loki needs it on each entry.
const (
	Remora Wire = iota
	Loki
)

// Source is what is known of a stream before its first line.
type Source struct {
	File     ray.File
	Context  ray.Context
	Labels   logs.Labels // stream labels
	Metadata logs.Labels // constant for the file
	Form     Form        // how the file carries its lines
	// Stages are run for each line; nil for none. With them, and for files of
	// another form than Plain, one chunk may give several streams.
	Stages *stage.Program

	// Fill, where it is set, adds to a line what other files of its session tell of
	// it. It is called for each line in order, with the logical offset of its first
	// byte, and must say the same whenever the stream is read: it is for sessions
	// that have ended.
	Fill func(p *ray.Parser, offset int64, l *ray.Line)
}

// Chunk is a piece of a stream. Times are Unix nanoseconds.
type Chunk struct {
	Data  []byte
	At    uint64      // logical offset of Data[0]
	Ended bool        // nothing will come behind Data: a last half line is a line
	Emit  uint64      // lines that begin before this offset are read, not emitted
	File  loki.FileID // decides what stages sample

	Now     int64 // time of reading
	Written int64 // when the file was last written to; 0 if not known
	Idle    int64 // when the stream was last seen to end at At; 0 if more was there already
}

// Result tells what became of a chunk.
type Result struct {
	Consumed int      // bytes of whole lines (and of split pieces) taken
	Lines    int      // entries written
	More     bool     // whole lines were left, as the entries are long enough
	Anchors  []Anchor // newly made; they must be durable before the entries are sent
	// Dropped are the lines that stages dropped, by reason; nil for none.
	Dropped map[string]int
}

// Stream is the state of reading one stream. It is not safe for concurrent use.
type Stream struct {
	src    Source
	wire   Wire
	labels string
	parser *ray.Parser
	line   ray.Line
	fresh  bool // line belongs to the piece before in this process

	clock   clock
	anchors []Anchor // recorded by an earlier run, sorted, still to come
	opening int64    // time of the first entry of the last Append; 0 if there was none
	at      uint64   // what is before it was read, or its times are known
	unsure  bool     // an earlier run gave the lines before Emit times that are not known
	written int64    // when the last of what was read had been written, at most
	node    string   // last node id told by a line
	split   uint32   // pieces of the current line sent so far
	entry   uint64   // logical offset of the first line of the current entry

	meta metadata

	staged *staged // nil on the fast path
}

// New begins a stream at its first byte; see Restore for going on in the middle.
func New(src Source, wire Wire) *Stream {
	s := &Stream{src: src, wire: wire, labels: src.Labels.String(), parser: ray.NewParser(src.File, src.Context)}
	s.meta.init(src.Metadata, wire)
	s.staged = newStaged(&s.src)
	return s
}

// SetFacts changes stream labels and constant metadata from the next line on:
// facts learnt late are not written back.
func (s *Stream) SetFacts(labels, constant logs.Labels) {
	if !labels.Equal(s.src.Labels) {
		s.src.Labels, s.labels = labels, labels.String()
	}
	if !constant.Equal(s.src.Metadata) {
		s.src.Metadata = constant
		s.meta.init(constant, s.wire)
	}
	if s.staged != nil {
		s.staged.forget()
	}
}

// Append appends the entries of c's lines to dst, as fields of a stream of a
// push, until dst has grown by about limit bytes (at least one line is taken
// where there is one, so an entry of MaxLine may exceed it).
func (s *Stream) Append(dst []byte, c Chunk, limit int) (_ []byte, r Result) {
	begin := len(dst)
	if min(s.at, c.At) < c.Emit {
		s.unsure = true
	}
	s.opening = 0
	defer func() { s.at, s.written = c.At+uint64(r.Consumed), c.writtenBy() }()
	if s.staged != nil {
		dst, r = s.appendStaged(dst, &c, limit)
		return dst, r
	}
	for r.Consumed < len(c.Data) {
		line, size, last := s.next(c.Data[r.Consumed:], c.Ended)
		if size == 0 {
			break
		}
		if grown := len(dst) - begin; grown > 0 && grown+len(line)+entryRoom > limit {
			r.More = true
			break
		}
		dst = s.emit(dst, line, last, c.At+uint64(r.Consumed), &c, &r)
		r.Consumed += size
	}
	return dst, r
}

// entryRoom is what an entry takes beside its line, roughly.
const entryRoom = 512

// next finds the line, or the piece of one, that rest begins with, and how many
// bytes to go on by; 0 while its end has not been seen. last is false for a piece
// that others follow.
func (s *Stream) next(rest []byte, ended bool) (line []byte, size int, last bool) {
	end := bytes.IndexByte(rest, '\n')
	switch {
	case end >= 0 && end <= MaxLine:
		return rest[:end], end + 1, true
	case end > MaxLine || len(rest) > MaxLine:
		cut := wholeRunes(rest[:MaxLine])
		return rest[:cut], cut, false
	case ended:
		return rest, len(rest), true
	default:
		return nil, 0, false
	}
}

// wholeRunes is how many bytes of b to take so as not to cut a character of UTF-8.
func wholeRunes(b []byte) int {
	for back := 1; back < utf8.UTFMax && back < len(b); back++ {
		if c := b[len(b)-back]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-back:]) {
				return len(b) - back
			}
			break
		}
	}
	return len(b)
}

func (s *Stream) emit(dst, line []byte, last bool, at uint64, c *Chunk, r *Result) []byte {
	continued := s.split > 0
	if !continued || !s.fresh {
		text := line
		if continued {
			text = nil // the rest of a line whose beginning an earlier run saw
		}
		s.parser.Line(text, &s.line)
		if s.src.Fill != nil {
			s.src.Fill(s.parser, int64(at), &s.line)
		}
		s.fresh = true
		if !s.line.Continuation && !continued {
			s.entry = at
		}
		if s.line.NodeID != "" {
			s.node = s.line.NodeID
		}
	}
	ns := s.time(at, continued, c, r)
	s.opens(ns)
	if continued || !last {
		s.split++
	}
	if at >= c.Emit {
		dst = s.meta.appendEntry(dst, ns, line, &s.line, place{at, s.split, s.entry, continued || s.line.Continuation})
		r.Lines++
	}
	if last {
		s.split = 0
	}
	return dst
}

// AppendStream appends a stream of a push: the entries that the last Append wrote,
// their range to our server. With stages it is as many streams as there are label
// sets, each with the range; to our server one with the range alone where no entry
// is left, to a Loki none. r.Metadata is filled in.
func (s *Stream) AppendStream(dst, entries []byte, r loki.FileRange) []byte {
	if s.wire == Loki && r.Gap != "" {
		dst = s.appendGap(dst, r)
	}
	if s.staged != nil {
		return s.appendStreams(dst, entries, r)
	}
	if s.wire == Loki {
		if len(entries) == 0 {
			return dst
		}
		return loki.AppendStream(dst, s.labels, entries, nil)
	}
	r.Metadata = s.src.Metadata
	return loki.AppendStream(dst, s.labels, entries, &r)
}

// Streams is how many streams AppendStream appends at most.
func (s *Stream) Streams() int {
	if s.staged == nil {
		return 1
	}
	return max(1, len(s.staged.groups))
}

// NodeID is the node id that the last lines told, if any did.
func (s *Stream) NodeID() string { return s.node }

// Wire is how the stream is written.
func (s *Stream) Wire() Wire { return s.wire }

// Labels are the stream labels as a push carries them.
func (s *Stream) Labels() string { return s.labels }

// Position is the state of a stream between two lines: with it and the bytes
// that follow, reading goes on as if it had never stopped.
type Position struct {
	Offset   uint64 // logical
	Seen     int64  // last time seen in the stream, its own or an anchor's
	Last     int64  // last time given to an entry
	Anchored bool   // Seen is an anchor's
	Unsure   bool   // and what was sent before Offset may have later times
	Split    uint32 // pieces sent of the line that Offset lies in
	Parser   []byte // state of the ray.Parser; of a container's log, of all that reads it
	Entry    uint64 // logical offset of the first line of the entry that Offset lies in or behind
	Stages   []byte // state of the stages
}

// Position returns the state at the given offset, which must be where the last
// Append ended.
func (s *Stream) Position(offset uint64) Position {
	p := Position{
		Offset: offset, Seen: s.clock.seen, Last: s.clock.last, Anchored: s.clock.anchored,
		Split: s.split, Entry: s.entry,
	}
	p.Unsure = s.unsure && s.clock.anchored
	if g := s.staged; g != nil {
		p.Split, p.Entry = g.lanes[0].split, g.lanes[0].entry
		p.Parser, p.Stages = g.appendLanes(nil), g.appendRun(nil)
		return p
	}
	p.Parser = s.parser.AppendState(nil)
	return p
}

// Restore goes on at p with the anchors recorded at and behind it. After an error
// it goes on with less known of what came before.
func (s *Stream) Restore(p Position, anchors []Anchor) error {
	err := s.restoreParsers(&p)
	s.clock, s.unsure, s.at = clock{seen: p.Seen, last: p.Last, anchored: p.Anchored}, p.Unsure, p.Offset
	s.anchors = s.anchors[:0]
	for _, a := range anchors {
		if a.Offset >= p.Offset {
			s.anchors = append(s.anchors, a)
		}
	}
	if err != nil {
		return fmt.Errorf("state of %s at byte %d: %w", s.src.File.Stream, p.Offset, err)
	}
	return nil
}

func (s *Stream) restoreParsers(p *Position) error {
	s.parser = ray.NewParser(s.src.File, s.src.Context)
	s.split, s.fresh, s.entry = p.Split, false, p.Entry
	if s.staged = newStaged(&s.src); s.staged != nil {
		return errors.Join(s.staged.restoreLanes(p.Parser, p), s.staged.restoreRun(p.Stages))
	}
	if len(p.Parser) > 0 {
		return s.parser.Restore(p.Parser)
	}
	return nil
}
