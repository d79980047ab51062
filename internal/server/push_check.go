package server

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// pushCheck holds a push against the limits. What a client other than our agent
// sends wrong is taken out line by line and told; the rest is stored, as Loki
// does. Our agent's streams (those with a range) may have any age, and their
// faults fail the whole push, as a line taken out would be a line lost.
type pushCheck struct {
	limits *Limits
	tenant string
	now    time.Time

	rejected int
	changed  bool // the push is no longer what was sent
	reasons  []string
}

// Told at most so many rejected lines of a stream, and streams of a push.
const (
	toldLines   = 10
	toldStreams = 20
)

func (c *pushCheck) run(p *loki.Push) error {
	for _, wrong := range p.Unreadable {
		c.changed = true
		c.reject(wrong.Lines, shorten(wrong.Error(), 1024))
	}
	kept := p.Streams[:0]
	for i := range p.Streams {
		s := p.Streams[i]
		keep, err := c.stream(&s)
		if err != nil {
			return err
		}
		if keep {
			kept = append(kept, s)
		}
	}
	if len(kept) < len(p.Streams) {
		c.changed = true
	}
	p.Streams = kept
	return nil
}

// stream reports whether anything of the stream is to be stored.
func (c *pushCheck) stream(s *loki.Stream) (keep bool, err error) {
	if s.Range != nil {
		return true, c.ours(s)
	}
	if len(s.Entries) == 0 {
		return false, nil
	}
	if reason := c.labels(s.Labels); reason != "" {
		c.reject(len(s.Entries), reason)
		return false, nil
	}
	kept := s.Entries[:0] // in place: nobody else holds them
	var told []string
	total := len(s.Entries)
	for _, e := range s.Entries {
		reason := c.entry(s, &e)
		if reason == "" {
			kept = append(kept, e)
			continue
		}
		if len(told) < toldLines {
			told = append(told, fmt.Sprintf("entry with timestamp %s ignored, reason: '%s',\n", stamp(e.Time), reason))
		}
	}
	s.Entries = kept
	if bad := total - len(kept); bad > 0 {
		c.changed = true
		c.reject(bad, fmt.Sprintf("%suser '%s', total ignored: %d out of %d for stream: %s",
			strings.Join(told, ""), c.tenant, bad, total, shorten(s.Labels.String(), 1024)))
	}
	return len(kept) > 0, nil
}

func (c *pushCheck) reject(lines int, reason string) {
	c.rejected += lines
	if len(c.reasons) < toldStreams {
		c.reasons = append(c.reasons, reason)
	}
}

// complaint is the answer about what was taken out, nil for nothing.
func (c *pushCheck) complaint() error {
	if len(c.reasons) == 0 {
		return nil
	}
	return failf(http.StatusBadRequest, "%s", strings.Join(c.reasons, "\n"))
}

// labels says what is wrong with a stream's labels, "" for nothing.
func (c *pushCheck) labels(ls logs.Labels) string {
	if len(ls) == 0 {
		return "error at least one label pair is required per stream"
	}
	if len(ls) > c.limits.LabelCount {
		return fmt.Sprintf("stream %s has %d labels, at most %d are allowed", shorten(ls.String(), 1024), len(ls), c.limits.LabelCount)
	}
	size := 0
	for _, l := range ls {
		size += len(l.Name) + len(l.Value) + labelOverhead
		switch {
		case len(l.Name) > c.limits.LabelName:
			return fmt.Sprintf("stream %s has a label name of %d bytes, at most %d are allowed", shorten(ls.String(), 1024), len(l.Name), c.limits.LabelName)
		case len(l.Value) > c.limits.LabelValue:
			return fmt.Sprintf("stream %s has a value of %d bytes for label %s, at most %d are allowed",
				shorten(ls.String(), 1024), len(l.Value), shorten(l.Name, 128), c.limits.LabelValue)
		}
	}
	if size > c.limits.LabelBytes {
		return fmt.Sprintf("stream %s has labels of %d bytes, at most %d are allowed", shorten(ls.String(), 1024), size, c.limits.LabelBytes)
	}
	return ""
}

// labelOverhead is what a label costs beside its bytes.
const labelOverhead = 16

// entry normalises a line of a foreign stream and says what is wrong with it.
func (c *pushCheck) entry(s *loki.Stream, e *logs.Entry) string {
	oldest, newest := c.now.Add(-c.limits.OldestLine), c.now.Add(c.limits.FurthestLine)
	switch {
	case e.Time < oldest.UnixNano():
		return "entry too far behind, entry timestamp is: " + stamp(e.Time) + ", oldest acceptable timestamp is: " + stamp(oldest.UnixNano())
	case e.Time > newest.UnixNano():
		return "entry too far in the future, entry timestamp is: " + stamp(e.Time) + ", newest acceptable timestamp is: " + stamp(newest.UnixNano())
	case len(e.Line) > c.limits.LineBytes:
		return fmt.Sprintf("line has %d bytes, at most %d are allowed", len(e.Line), c.limits.LineBytes)
	}
	if meta, changed := cleanMetadata(e.Metadata); changed {
		e.Metadata = meta
		c.changed = true
	}
	return metadataFault(e.Metadata, c.limits.MetadataCount, c.limits.MetadataBytes)
}

// ours checks a stream of our agent.
func (c *pushCheck) ours(s *loki.Stream) error {
	if reason := c.labels(s.Labels); reason != "" {
		return failf(http.StatusBadRequest, "%s", reason)
	}
	count, size := 4*c.limits.MetadataCount, 4*c.limits.MetadataBytes
	if fault := metadataFault(s.Range.Metadata, count, size); fault != "" {
		return failf(http.StatusBadRequest, "file %s: %s", s.Range.File, fault)
	}
	for i := range s.Entries {
		e := &s.Entries[i]
		fault := metadataFault(e.Metadata, count, size)
		if len(e.Line) > 4*c.limits.LineBytes {
			fault = fmt.Sprintf("line has %d bytes, at most %d are allowed", len(e.Line), 4*c.limits.LineBytes)
		}
		if fault != "" {
			return failf(http.StatusBadRequest, "file %s at offset %s: %s", s.Range.File, e.Metadata.Get(loki.MetadataOffset), fault)
		}
	}
	return nil
}

func metadataFault(ls logs.Labels, count, size int) string {
	if len(ls) > count {
		return fmt.Sprintf("line has %d structured metadata labels, at most %d are allowed", len(ls), count)
	}
	bytes := 0
	for _, l := range ls {
		bytes += len(l.Name) + len(l.Value)
		if len(l.Name) > maxMetadataName {
			return fmt.Sprintf("line has a structured metadata name of %d bytes, at most %d are allowed", len(l.Name), maxMetadataName)
		}
	}
	if bytes > size {
		return fmt.Sprintf("line has structured metadata of %d bytes, at most %d are allowed", bytes, size)
	}
	return ""
}

// maxMetadataName leaves the store room for a prefix in the 128 bytes that its
// engine keeps of a name.
const maxMetadataName = 112

// cleanMetadata makes names of letters, digits and _ only, and values valid
// UTF-8, as Loki does. A set that needs nothing is returned as it is.
func cleanMetadata(ls logs.Labels) (clean logs.Labels, changed bool) {
	ok := true
	for _, l := range ls {
		ok = ok && logs.ValidName(l.Name) && utf8.ValidString(l.Value)
	}
	if ok {
		return ls, false
	}
	out := make([]logs.Label, len(ls))
	for i, l := range ls {
		out[i] = logs.Label{Name: cleanName(l.Name), Value: strings.ToValidUTF8(l.Value, " ")}
	}
	return logs.Normalize(out), true
}

func cleanName(name string) string {
	b := []byte(name)
	for i, c := range b {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			b[i] = '_'
		}
	}
	if '0' <= b[0] && b[0] <= '9' {
		return "_" + string(b)
	}
	return string(b)
}

// stamp writes a time for people.
func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }
