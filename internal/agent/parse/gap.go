package parse

import (
	"cmp"
	"fmt"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// opens notes the time of the first line that an Append comes to.
func (s *Stream) opens(ns int64) {
	if s.opening == 0 {
		s.opening = ns
	}
}

// GapTime gives a time to a gap that is told by itself: behind the last line, and
// before those that come. It is 0 where nothing was ever read of the stream.
func (s *Stream) GapTime() int64 {
	if s.clock.last == 0 {
		return 0
	}
	if s.unsure && s.clock.anchored {
		s.clock.seen = s.clock.behind(s.written)
	}
	return s.clock.at(s.clock.seen)
}

// appendGap appends the line that stands for missing bytes, where they are missing:
// to a Loki, as our server writes it itself. It has the time of the line behind it,
// else of the one before, so that a replay sends the same.
func (s *Stream) appendGap(dst []byte, r loki.FileRange) []byte {
	at := cmp.Or(r.GapTime, s.opening, s.clock.last)
	if at == 0 {
		return dst // nothing was ever read of the stream: there is no place to put it
	}
	meta := logs.Normalize(append(append(logs.Labels(nil), s.src.Metadata...), logs.LabelsOf(
		loki.MetadataOffset, fmt.Sprint(r.From), "gap", r.Gap, nameLevel, "warn")...))
	var m []byte
	for _, l := range meta {
		m = loki.AppendMetadata(m, l.Name, l.Value)
	}
	line := fmt.Sprintf("remora: bytes before %d of this file are missing: %s", r.From, r.Gap)
	entry := loki.AppendEntry(nil, at, []byte(line), m)
	return loki.AppendStream(dst, s.labels, entry, nil)
}
