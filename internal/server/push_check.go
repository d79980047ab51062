package server

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/detect"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// pushCheck holds a push against the limits. What a client other than our agent
// sends wrong is taken out line by line and told in Loki's words, as clients know
// them; the rest is stored, with the service and the levels that Loki would add.
// Our agent's streams (those with a range) may have any age, and their
// faults fail the whole push, as a line taken out would be a line lost.
type pushCheck struct {
	limits    *Limits
	tenant    string
	now       time.Time
	tenants   *limiter
	lineBytes int
	repeats   *repeats

	rejected int
	again    int      // lines that were stored already
	marked   [][]bool // which of them, for each stream that is kept
	lines    []uint64 // what is to be stored, as repeats know it
	tooMany  bool     // streams: to send them again may help
	changed  bool     // the push is no longer what was sent
	reasons  []complaint
	alone    map[string]logs.Labels // see levelAlone
	pool     []logs.Label           // see withLevel
}

// complaint is a reason for which lines or streams were taken out.
type complaint struct {
	text  string
	count int
}

// toldReasons is how many different reasons an answer tells.
const toldReasons = 20

func (c *pushCheck) run(p *loki.Push) error {
	for _, wrong := range p.Unreadable {
		c.changed = true
		c.reject(max(wrong.Lines, 1), shorten(wrong.Error(), 1024))
	}
	kept := p.Streams[:0]
	for i := range p.Streams {
		s := p.Streams[i]
		keep, marked, err := c.stream(&s)
		if err != nil {
			return err
		}
		if keep {
			kept, c.marked = append(kept, s), append(c.marked, marked)
		}
	}
	if len(kept) < len(p.Streams) {
		c.changed = true
	}
	p.Streams = kept
	return nil
}

// stream reports whether anything of the stream is to be stored, and marks what of it
// was stored already.
func (c *pushCheck) stream(s *loki.Stream) (keep bool, marked []bool, err error) {
	if s.Range != nil {
		return true, nil, c.ours(s)
	}
	if len(s.Entries) == 0 {
		return false, nil, nil
	}
	reason := c.labels(s.Labels)
	if s.Labels.Get(detect.ServiceName) == "" {
		s.Labels = withLabel(s.Labels, detect.ServiceName, detect.Service(s.Labels))
		c.changed = true
	}
	shown := shorten(s.Labels.String(), maxShown)
	if reason != "" {
		c.reject(len(s.Entries), strings.ReplaceAll(reason, theStream, shown))
		return false, nil, nil
	}
	if !c.tenants.stream(c.tenant, s.Labels) {
		c.tooMany = true
		c.changed = true
		c.reject(len(s.Entries), fmt.Sprintf("Maximum active stream limit exceeded when trying to create stream %s, reduce the number of active streams "+
			"(reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be increased, user: '%s'", shown, c.tenant))
		return false, nil, nil
	}
	kept := s.Entries[:0] // in place: nobody else holds them
	for _, e := range s.Entries {
		if reason := c.entry(s, &e); reason != "" {
			c.reject(1, strings.ReplaceAll(reason, theStream, shown))
			c.changed = true
			continue
		}
		kept = append(kept, e)
	}
	s.Entries = kept
	marked, again := c.known(s)
	c.again += again
	return len(s.Entries) > again, marked, nil
}

// maxShown is how many bytes of a stream's labels, or of one of them, a reason shows.
const maxShown = 8 << 10

// theStream stands for a stream in a reason until the reason is told.
const theStream = "\x00stream"

func withLabel(ls logs.Labels, name, value string) logs.Labels {
	out := append(make([]logs.Label, 0, len(ls)+1), ls...)
	return logs.Normalize(append(out, logs.Label{Name: name, Value: value}))
}

// reject counts lines that are taken out for one reason. It is told as one fault, of a
// line or of a whole stream.
func (c *pushCheck) reject(lines int, reason string) {
	c.rejected += lines
	for i := range c.reasons {
		if c.reasons[i].text == reason {
			c.reasons[i].count++
			return
		}
	}
	if len(c.reasons) < toldReasons {
		c.reasons = append(c.reasons, complaint{reason, 1})
	}
}

// complaint is the answer about what was taken out, nil for nothing.
func (c *pushCheck) complaint() error {
	status := http.StatusBadRequest
	if c.tooMany {
		status = http.StatusTooManyRequests
	}
	switch len(c.reasons) {
	case 0:
		return nil
	case 1:
		if c.reasons[0].count == 1 {
			return failf(status, "%s", c.reasons[0].text)
		}
	}
	texts := make([]string, len(c.reasons))
	for i, r := range c.reasons {
		texts[i] = fmt.Sprintf("%d errors like: %s", r.count, r.text)
	}
	return failf(status, "%s", strings.Join(texts, "; "))
}

// labels says what is wrong with a stream's labels, "" for nothing.
func (c *pushCheck) labels(ls logs.Labels) string {
	if len(ls) > c.limits.LabelCount {
		return fmt.Sprintf("entry for stream '%s' has %d label names; limit %d", theStream, len(ls), c.limits.LabelCount)
	}
	size := 0
	for _, l := range ls {
		size += len(l.Name) + len(l.Value) + labelOverhead
		switch {
		case len(l.Name) > c.limits.LabelName:
			return fmt.Sprintf("stream '%s' has label name too long: '%s'", theStream, shorten(l.Name, maxShown))
		case len(l.Value) > c.limits.LabelValue:
			return fmt.Sprintf("stream '%s' has label value too long: '%s'", theStream, shorten(l.Value, maxShown))
		}
	}
	if size > c.limits.LabelBytes {
		return fmt.Sprintf("stream '%s' has labels of %d bytes, at most %d are allowed", theStream, size, c.limits.LabelBytes)
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
		return fmt.Sprintf("entry for stream '%s' has timestamp too old: %s, oldest acceptable timestamp is: %s",
			theStream, stamp(e.Time), stamp(oldest.UnixNano()))
	case e.Time > newest.UnixNano():
		return fmt.Sprintf("entry for stream '%s' has timestamp too new: %s", theStream, stamp(e.Time))
	case len(e.Line) > c.lineBytes:
		return fmt.Sprintf("max entry size '%d' bytes exceeded for stream '%s' while adding an entry with length '%d' bytes",
			c.lineBytes, theStream, len(e.Line))
	}
	// As it was sent, so that clients learn the size that they know.
	if fault := metadataFault(e.Metadata, c.limits.MetadataCount, c.limits.MetadataBytes); fault != "" {
		return fault
	}
	if meta, changed := cleanMetadata(e.Metadata); changed {
		if fault := metadataFault(meta, c.limits.MetadataCount, 3*c.limits.MetadataBytes); fault != "" {
			return fault // a name can get longer
		}
		e.Metadata = meta
		c.changed = true
	}
	c.addLevel(s, e)
	return ""
}

// addLevel adds the level of a line to its metadata, where it is not there as
// usually spelled.
func (c *pushCheck) addLevel(s *loki.Stream, e *logs.Entry) {
	if level := detect.Level(s.Labels, e.Metadata, e.Line); level != e.Metadata.Get(detect.LevelName) {
		c.changed = true
		if len(e.Metadata) == 0 {
			e.Metadata = c.levelAlone(level)
			return
		}
		e.Metadata = c.withLevel(e.Metadata, level)
	}
}

// withLevel is a set with the level in its place. Sets are cut from one block, as
// there is one for each line.
func (c *pushCheck) withLevel(ls logs.Labels, level string) logs.Labels {
	if cap(c.pool)-len(c.pool) <= len(ls) {
		c.pool = make([]logs.Label, 0, max(1024, len(ls)+1))
	}
	start, placed := len(c.pool), false
	for _, l := range ls {
		if !placed && l.Name >= detect.LevelName {
			c.pool = append(c.pool, logs.Label{Name: detect.LevelName, Value: level})
			placed = true
		}
		if l.Name != detect.LevelName {
			c.pool = append(c.pool, l)
		}
	}
	if !placed {
		c.pool = append(c.pool, logs.Label{Name: detect.LevelName, Value: level})
	}
	return c.pool[start:len(c.pool):len(c.pool)]
}

// levelAlone is the metadata of a line that has no other, shared by all such
// lines of the push.
func (c *pushCheck) levelAlone(level string) logs.Labels {
	ls, ok := c.alone[level]
	if !ok {
		if c.alone == nil {
			c.alone = make(map[string]logs.Labels)
		}
		ls = logs.LabelsOf(detect.LevelName, level)
		c.alone[level] = ls
	}
	return ls
}

// ours checks a stream of our agent.
func (c *pushCheck) ours(s *loki.Stream) error {
	if len(s.Labels) == 0 {
		return failf(http.StatusBadRequest, "error at least one label pair is required per stream")
	}
	if reason := c.labels(s.Labels); reason != "" {
		return failf(http.StatusBadRequest, "%s", strings.ReplaceAll(reason, theStream, shorten(s.Labels.String(), 1024)))
	}
	count, size := 4*c.limits.MetadataCount, 4*c.limits.MetadataBytes
	if fault := metadataFault(s.Range.Metadata, count, size); fault != "" {
		return failf(http.StatusBadRequest, "file %s: %s", s.Range.File, strings.ReplaceAll(fault, theStream, shorten(s.Labels.String(), 1024)))
	}
	for i := range s.Entries {
		e := &s.Entries[i]
		fault := metadataFault(e.Metadata, count, size)
		if len(e.Line) > 4*c.limits.LineBytes {
			fault = fmt.Sprintf("line has %d bytes, at most %d are allowed", len(e.Line), 4*c.limits.LineBytes)
		}
		if fault != "" {
			fault = strings.ReplaceAll(fault, theStream, shorten(s.Labels.String(), 1024))
			return failf(http.StatusBadRequest, "file %s at offset %s: %s", s.Range.File, e.Metadata.Get(loki.MetadataOffset), fault)
		}
	}
	return nil
}

func metadataFault(ls logs.Labels, count, size int) string {
	if len(ls) > count {
		return fmt.Sprintf("stream '%s' has too many structured metadata labels: '%d', limit: '%d'. "+
			"Please see `limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase it", theStream, len(ls), count)
	}
	bytes := 0
	for _, l := range ls {
		bytes += len(l.Name) + len(l.Value)
		if len(l.Name) > maxMetadataName {
			return fmt.Sprintf("line has a structured metadata name of %d bytes, at most %d are allowed", len(l.Name), maxMetadataName)
		}
	}
	if bytes > size {
		return fmt.Sprintf("stream '%s' has structured metadata too large: '%d' bytes, limit: '%d' bytes. "+
			"Please see `limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it", theStream, bytes, size)
	}
	return ""
}

// maxMetadataName leaves the store room for a prefix in the 128 bytes that its
// engine keeps of a name.
const maxMetadataName = 112

// cleanMetadata makes names that Loki would keep and values of valid UTF-8. Of equal
// names one that was made counts. A set that needs nothing is returned as it is.
func cleanMetadata(ls logs.Labels) (clean logs.Labels, changed bool) {
	ok := true
	for _, l := range ls {
		ok = ok && utf8.ValidString(l.Value) && logs.CleanName(l.Name) == l.Name
	}
	if ok {
		return ls, false
	}
	out := make([]logs.Label, 0, len(ls))
	for _, made := range []bool{false, true} {
		for _, l := range ls {
			if name := logs.CleanName(l.Name); made == (name != l.Name) {
				out = append(out, logs.Label{Name: name, Value: strings.ToValidUTF8(l.Value, " ")})
			}
		}
	}
	return logs.Normalize(out), true
}

// stamp writes a time for people.
func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339) }
