package embedded

import (
	"fmt"
	"strconv"
	"time"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// What the engine keeps of one line; beyond these it drops the line and tells
// nobody, so all of it is checked before a push is accepted.
const (
	maxRowBytes    = 2 << 20   // estimated as JSON
	maxRowFields   = 1900      // 2,000, with room for ours
	maxNameBytes   = 128       // of a field, as stored
	maxStreamBytes = 16 << 10  // of a stream's labels; an item of the index holds 64 KiB
	rowOverhead    = 64 + 2*40 // braces, time, our own fields
	fieldOverhead  = 6         // ,"":""
)

// futureRetention is how far ahead of the clock lines may be.
const futureRetention = 10 * 365 * 24 * time.Hour

// limits knows the bounds of time, which move.
type limits struct {
	latest int64 // Unix nanoseconds, lines after it are refused
}

func (e *Engine) limits() limits {
	// A day less than what the engine takes: its clock is not ours.
	return limits{latest: e.cfg.Now().Add(futureRetention - 24*time.Hour).UnixNano()}
}

// check fails with what cannot be kept of a push.
func (l limits) check(p *loki.Push) error {
	for i := range p.Streams {
		if err := l.checkStream(&p.Streams[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l limits) checkStream(s *loki.Stream) error {
	size, err := labelsSize(nil, s.Labels)
	if err != nil {
		return err
	}
	if size > maxStreamBytes {
		return &store.TooLargeError{What: "labels of a stream", Size: size, Limit: maxStreamBytes}
	}
	fields := len(s.Labels)
	if s.Range != nil {
		meta, err := labelsSize(s.Labels, s.Range.Metadata)
		if err != nil {
			return err
		}
		size += meta + len(s.Range.Gap)
		fields += len(s.Range.Metadata)
	}
	if r := s.Range; r != nil && (r.GapTime < 0 || r.GapTime > l.latest) {
		return &store.InvalidError{Reason: fmt.Sprintf("time %s of a gap is out of bounds", time.Unix(0, r.GapTime).UTC().Format(time.RFC3339))}
	}
	for i := range s.Entries {
		if err := l.checkEntry(s, &s.Entries[i], size, fields); err != nil {
			return err
		}
	}
	return nil
}

func (l limits) checkEntry(s *loki.Stream, e *logs.Entry, size, fields int) error {
	if e.Time < 0 || e.Time > l.latest {
		return &store.InvalidError{Reason: fmt.Sprintf("time %s of a line is out of bounds: lines from 1970 to %s are kept",
			time.Unix(0, e.Time).UTC().Format(time.RFC3339), time.Unix(0, l.latest).UTC().Format(time.DateOnly))}
	}
	meta, err := labelsSize(s.Labels, e.Metadata)
	if err != nil {
		return err
	}
	if n := rowOverhead + size + meta + len(e.Line); n > maxRowBytes {
		return &store.TooLargeError{What: "line with its labels", Size: n, Limit: maxRowBytes}
	}
	if n := fields + len(e.Metadata); n > maxRowFields {
		return &store.InvalidError{Reason: fmt.Sprintf("a line has %d labels and metadata, at most %d are kept", n, maxRowFields)}
	}
	if s.Range == nil {
		return nil
	}
	offset, ok := entryOffset(e)
	if !ok || offset < s.Range.From || offset >= s.Range.To {
		return &store.InvalidError{Reason: fmt.Sprintf("a line of file %s has offset %q, which is not in its range %d to %d",
			s.Range.File, e.Metadata.Get(loki.MetadataOffset), s.Range.From, s.Range.To)}
	}
	return nil
}

// labelsSize estimates labels as JSON and checks their names; stream is nil for
// a stream's own labels.
func labelsSize(stream, ls logs.Labels) (int, error) {
	n := 0
	for i := range ls {
		stored := metadataField(stream, ls[i].Name)
		if len(stored) > maxNameBytes {
			return 0, &store.TooLargeError{What: fmt.Sprintf("label name %.32q…", ls[i].Name), Size: len(ls[i].Name), Limit: maxNameBytes}
		}
		n += len(stored) + len(ls[i].Value) + fieldOverhead
	}
	return n, nil
}

func entryOffset(e *logs.Entry) (uint64, bool) {
	v, err := strconv.ParseUint(e.Metadata.Get(loki.MetadataOffset), 10, 64)
	return v, err == nil
}
