// Package loki holds the wire types of Loki's HTTP API and their encoders and
// decoders, and nothing else: no I/O, no policy.
//
// Source of the push message: github.com/grafana/loki/pkg/push, push.proto
// (Apache-2.0). Field 1000 of a stream is Remora's own and is skipped by Loki,
// as protobuf asks of unknown fields.
package loki

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unsafe"

	"github.com/remora-ray/remora/internal/logs"
)

// Push is the body of POST /loki/api/v1/push.
type Push struct {
	Streams []Stream
	// Unreadable are the streams that were left out in decoding, as their labels
	// make no sense. Nothing encodes them.
	Unreadable []*LabelError
}

// Stream is the part of a push that carries one label set; with Range, the part
// that carries one file.
type Stream struct {
	Labels  logs.Labels
	Entries []logs.Entry
	Range   *FileRange // nil from clients other than our agent
}

// FileID names one stream of bytes for ever: a hash of where it was first seen.
type FileID [16]byte

// FileRange says which bytes of which file a stream's entries come from.
// Offsets are logical: a file's generations added up. Entries carry theirs in
// the metadata "offset" (decimal). The range covers every byte that was read,
// also of lines that were dropped on the way.
type FileRange struct {
	File       FileID
	Generation []byte // fingerprint of the generation that To lies in, at most 64 bytes
	From, To   uint64 // From ≤ To
	Gap        string // why bytes before From are missing; "" where none are
	GapTime    int64  // of a gap that no entry follows, Unix nanoseconds; 0: when it was received
	Metadata   logs.Labels
}

// Protobuf field numbers.
const (
	pushStreams = 1

	streamLabels  = 1
	streamEntries = 2
	streamRange   = 1000

	entryTimestamp = 1
	entryLine      = 2
	entryMetadata  = 3

	timeSeconds = 1
	timeNanos   = 2

	labelName  = 1
	labelValue = 2

	rangeFile       = 1
	rangeGeneration = 2
	rangeFrom       = 3
	rangeTo         = 4
	rangeGap        = 5
	rangeMetadata   = 6
	rangeGapTime    = 7
)

// MetadataOffset names the structured metadata that holds a line's logical
// byte offset in its stream.
const MetadataOffset = "offset"

// AppendPush appends p as protobuf, not compressed.
func AppendPush(dst []byte, p *Push) []byte {
	room := entryRooms.Get().(*[]byte)
	defer entryRooms.Put(room)
	for i := range p.Streams {
		s := &p.Streams[i]
		entries := (*room)[:0]
		for j := range s.Entries {
			e := &s.Entries[j]
			size := 0
			for _, l := range e.Metadata {
				size += metadataLen(l)
			}
			entries = AppendEntryHead(entries, e.Time, e.Line, size)
			for _, l := range e.Metadata {
				entries = AppendMetadata(entries, l.Name, l.Value)
			}
		}
		dst = AppendStream(dst, s.Labels.String(), entries, s.Range)
		if cap(entries) <= maxRoom {
			*room = entries
		}
	}
	return dst
}

// entryRooms are buffers in which a stream's entries are put together.
var entryRooms = sync.Pool{New: func() any { return new([]byte) }}

// Buffers larger than this are left to the garbage collector.
const maxRoom = 8 << 20

// splitTime splits Unix nanoseconds as protobuf's Timestamp does: nanos is
// never negative.
func splitTime(ns int64) (sec, nsec int64) {
	sec, nsec = ns/1e9, ns%1e9
	if nsec < 0 {
		sec, nsec = sec-1, nsec+1e9
	}
	return sec, nsec
}

// ErrMalformed is wrapped by every error of DecodePush and DecodePushJSON.
var ErrMalformed = errors.New("malformed push")

// LabelError says that a stream's labels cannot be read. Loki answers it with
// 400 "couldn't parse labels", and stores the other streams.
type LabelError struct {
	Labels string
	Lines  int // of the stream
	Err    error
}

func (e *LabelError) Error() string { return "couldn't parse labels: " + e.Err.Error() }

func (e *LabelError) Unwrap() error { return e.Err }

// DecodePush reads a protobuf body that has been decompressed. All strings of
// the result share one copy of src, which the caller may use again. Entries'
// metadata is sorted; of equal names the last wins. Streams whose labels cannot
// be read are left out and listed.
func DecodePush(src []byte) (*Push, error) { return DecodePushIn(bytes.Clone(src)) }

// DecodePushIn is DecodePush whose result points into src: nobody may change that
// any more.
func DecodePushIn(src []byte) (*Push, error) {
	text := unsafe.String(unsafe.SliceData(src), len(src))
	d := decoder{text: text, src: src, room: partsAllowed(len(src))}
	p := &Push{}
	err := d.fields(0, len(src), func(field uint32, from, to int, _ uint64) error {
		if field != pushStreams {
			return nil
		}
		if err := d.room.take(); err != nil {
			return err
		}
		var s Stream
		err := d.stream(from, to, &s)
		var wrong *LabelError
		switch {
		case errors.As(err, &wrong):
			wrong.Lines = d.count(from, to)
			p.Unreadable = append(p.Unreadable, wrong)
		case err != nil:
			return err
		default:
			p.Streams = append(p.Streams, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return p, nil
}

// parts counts down the streams, entries and labels that a push may have. Each
// takes some bytes on the wire and several times as many in memory, which a
// hostile body would use: no part of a real push takes less than eight.
type parts int

func partsAllowed(bytes int) parts { return parts(1<<16 + bytes/8) }

func (p *parts) take() error {
	if *p--; *p < 0 {
		return errors.New("it has more streams, lines and labels than its size allows")
	}
	return nil
}

// maxLabelsText bounds a stream's labels in bytes, far above any limit of count
// and length that a server sets.
const maxLabelsText = 1 << 18

type decoder struct {
	text string
	src  []byte
	room parts
	// labels of the streams and metadata repeat: reuse the last block allocated.
	pool []logs.Label
}

// fields calls visit for each field between from and to: for a length-delimited
// one with the place of its bytes, for a number with its value.
func (d *decoder) fields(from, to int, visit func(field uint32, from, to int, number uint64) error) error {
	for pos := from; pos < to; {
		tag, n := uvarint(d.src[pos:to])
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
			return fmt.Errorf("bad field tag at byte %d", pos)
		}
		pos += n
		field := uint32(tag >> 3)
		switch tag & 7 {
		case 0:
			v, n := uvarint(d.src[pos:to])
			if n <= 0 {
				return fmt.Errorf("bad number in field %d at byte %d", field, pos)
			}
			pos += n
			if err := visit(field, 0, 0, v); err != nil {
				return err
			}
		case 1, 5:
			size := 8
			if tag&7 == 5 {
				size = 4
			}
			if to-pos < size {
				return fmt.Errorf("field %d is cut short at byte %d", field, pos)
			}
			pos += size
		case 2:
			size, n := uvarint(d.src[pos:to])
			if n <= 0 || size > uint64(to-pos-n) {
				return fmt.Errorf("field %d claims more bytes than are left at byte %d", field, pos)
			}
			pos += n
			if err := visit(field, pos, pos+int(size), 0); err != nil {
				return err
			}
			pos += int(size)
		default:
			return fmt.Errorf("field %d has an unknown wire type at byte %d", field, pos)
		}
	}
	return nil
}

func uvarint(b []byte) (uint64, int) {
	var v uint64
	for i, c := range b {
		if i == 10 {
			return 0, -1
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

func (d *decoder) stream(from, to int, s *Stream) error {
	s.Entries = make([]logs.Entry, 0, d.count(from, to))
	return d.fields(from, to, func(field uint32, from, to int, _ uint64) error {
		switch field {
		case streamLabels:
			if to-from > maxLabelsText {
				return &LabelError{Labels: d.text[from : from+64], Err: fmt.Errorf("they have %d bytes, at most %d are read", to-from, maxLabelsText)}
			}
			ls, err := logs.ParseLabels(d.text[from:to])
			if err != nil {
				return &LabelError{Labels: d.text[from:to], Err: err}
			}
			s.Labels = ls
		case streamEntries:
			if err := d.room.take(); err != nil {
				return err
			}
			s.Entries = append(s.Entries, logs.Entry{})
			return d.entry(from, to, &s.Entries[len(s.Entries)-1])
		case streamRange:
			s.Range = &FileRange{}
			return d.fileRange(from, to, s.Range)
		}
		return nil
	})
}

// count tells how many entries a stream has, so that they are allocated once.
// What is wrong is found when they are read.
func (d *decoder) count(from, to int) int {
	n := 0
	_ = d.fields(from, to, func(field uint32, _, _ int, _ uint64) error {
		if field == streamEntries {
			n++
		}
		return nil
	})
	return min(n, max(int(d.room), 0))
}

func (d *decoder) entry(from, to int, e *logs.Entry) error {
	start := len(d.pool)
	err := d.fields(from, to, func(field uint32, from, to int, _ uint64) error {
		switch field {
		case entryTimestamp:
			var sec, nsec int64
			err := d.fields(from, to, func(field uint32, _, _ int, v uint64) error {
				switch field {
				case timeSeconds:
					sec = int64(v)
				case timeNanos:
					nsec = int64(int32(v))
				}
				return nil
			})
			// Outside of what nanoseconds in an int64 can hold (years 1677 to 2262).
			if sec > 9_223_372_035 || sec < -9_223_372_035 {
				return fmt.Errorf("time stamp %d s is out of range", sec)
			}
			e.Time = sec*1e9 + nsec
			return err
		case entryLine:
			e.Line = d.text[from:to]
		case entryMetadata:
			return d.label(from, to)
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.Metadata = d.take(start)
	return nil
}

// label reads one name and value onto the end of the pool.
func (d *decoder) label(from, to int) error {
	var l logs.Label
	err := d.fields(from, to, func(field uint32, from, to int, _ uint64) error {
		switch field {
		case labelName:
			l.Name = d.text[from:to]
		case labelValue:
			l.Value = d.text[from:to]
		}
		return nil
	})
	if err != nil {
		return err
	}
	if l.Name == "" {
		return errors.New("structured metadata with an empty name")
	}
	if err := d.room.take(); err != nil {
		return err
	}
	d.pool = append(d.pool, l)
	return nil
}

// take returns the labels put on the pool since start as a set of its own.
func (d *decoder) take(start int) logs.Labels {
	if len(d.pool) == start {
		return nil
	}
	own := d.pool[start:len(d.pool):len(d.pool)]
	if cap(d.pool)-len(d.pool) < 64 {
		d.pool = make([]logs.Label, 0, 1024)
	}
	return logs.Normalize(own)
}

func (d *decoder) fileRange(from, to int, r *FileRange) error {
	start := len(d.pool)
	err := d.fields(from, to, func(field uint32, from, to int, v uint64) error {
		switch field {
		case rangeFile:
			if to-from != len(r.File) {
				return fmt.Errorf("file identity has %d bytes, want %d", to-from, len(r.File))
			}
			copy(r.File[:], d.src[from:to])
		case rangeGeneration:
			if to-from > 64 {
				return fmt.Errorf("generation fingerprint has %d bytes, at most 64", to-from)
			}
			r.Generation = []byte(d.text[from:to])
		case rangeFrom:
			r.From = v
		case rangeTo:
			r.To = v
		case rangeGap:
			r.Gap = d.text[from:to]
		case rangeMetadata:
			return d.label(from, to)
		case rangeGapTime:
			r.GapTime = int64(v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if r.From > r.To {
		return fmt.Errorf("file range ends at %d before it begins at %d", r.To, r.From)
	}
	r.Metadata = d.take(start)
	return nil
}

// String writes the identity in hex.
func (id FileID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText writes the identity in hex, for JSON.
func (id FileID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads 32 hex digits.
func (id *FileID) UnmarshalText(text []byte) error {
	if len(text) != 2*len(id) {
		return fmt.Errorf("file identity %q is not %d hex digits", strings.ToValidUTF8(string(text), "?"), 2*len(id))
	}
	_, err := hex.Decode(id[:], text)
	return err
}
