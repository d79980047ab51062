package embedded

import (
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// row is a record with what sorts it where times are equal.
type row struct {
	logs.Record
	order  uint64 // offset in its file, else number of arrival
	stream string // the engine's text of the stream
}

// compare orders rows by time, offset or arrival, and then by stream, so that
// one question always gets one answer.
func (a *row) compare(b *row) int {
	switch {
	case a.Time != b.Time:
		if a.Time < b.Time {
			return -1
		}
		return 1
	case a.order != b.order:
		if a.order < b.order {
			return -1
		}
		return 1
	}
	if c := strings.Compare(a.stream, b.stream); c != 0 {
		return c
	}
	return strings.Compare(a.Line, b.Line)
}

// decoder turns the engine's blocks into rows. One belongs to one worker of a
// query.
type decoder struct {
	streams map[string]streamInfo
	times   []int64
	columns []column
	names   map[string]string // copies of the columns' names
	labels  []logs.Label      // chunk that records' metadata is cut from
	text    strings.Builder   // chunk that strings are cut from
	current streamInfo        // of the row at hand
}

type streamInfo struct {
	text   string
	labels logs.Labels
	pass   bool
}

type column struct {
	name   string // of the structured metadata
	values []string
	last   string // the copy of the last value
	label  bool   // a label of the current stream, no metadata
}

// textChunk is how much text is copied between two allocations.
const textChunk = 64 << 10

// keep copies s out of the engine's memory.
func (d *decoder) keep(s string) string {
	if len(s) > textChunk/8 {
		return strings.Clone(s)
	}
	if d.text.Cap()-d.text.Len() < len(s) {
		d.text = strings.Builder{}
		d.text.Grow(textChunk)
	}
	start := d.text.Len()
	d.text.WriteString(s)
	return d.text.String()[start:]
}

// block calls yield for each row of b that passes. The row is complete and owns
// its strings. early, where not nil, drops rows by time before they are built.
func (d *decoder) block(b *logstorage.DataBlock, r *residual, early func(at int64) bool, yield func(row)) {
	var ok bool
	d.times, ok = b.GetTimestamps(d.times[:0])
	if !ok {
		panic("the engine's block has no times")
	}
	var lines, streams, offsets, numbers []string
	d.columns = d.columns[:0]
	for i := range b.Columns {
		c := &b.Columns[i]
		switch c.Name {
		case "_msg":
			lines = c.Values
		case "_stream":
			streams = c.Values
		case fieldRow:
			numbers = c.Values
		case loki.MetadataOffset:
			offsets = c.Values
		}
		if name, ok := metadataName(c.Name); ok {
			d.columns = append(d.columns, column{name: d.name(name), values: c.Values, label: !strings.HasPrefix(c.Name, metadataPrefix)})
		}
	}
	slices.SortFunc(d.columns, func(a, b column) int { return strings.Compare(a.name, b.name) })
	// A column that may be a label of one stream and metadata of another.
	open := make([]bool, len(d.columns))
	for i := range d.columns {
		open[i] = d.columns[i].label
	}
	first := true
	for i, at := range d.times {
		if early != nil && !early(at) {
			continue
		}
		line := valueAt(lines, i)
		if !r.line(line) {
			continue
		}
		if text := valueAt(streams, i); first || text != d.current.text {
			first = false
			d.current = d.stream(text, r)
			for j := range d.columns {
				_, isLabel := d.current.labels.Lookup(d.columns[j].name)
				d.columns[j].label = open[j] && isLabel
			}
		}
		if !d.current.pass {
			continue
		}
		out := row{stream: d.current.text, order: order(valueAt(offsets, i), valueAt(numbers, i))}
		out.Stream = d.current.labels
		out.Entry = logs.Entry{Time: at, Metadata: d.metadata(i)}
		// Checked before its line is copied.
		if !r.labels(&out.Record) {
			continue
		}
		out.Line = d.keep(line)
		yield(out)
	}
}

func (d *decoder) name(s string) string {
	if name, ok := d.names[s]; ok {
		return name
	}
	if d.names == nil {
		d.names = make(map[string]string)
	}
	s = strings.Clone(s)
	d.names[s] = s
	return s
}

// valueAt is the value of a column that may not be there.
func valueAt(values []string, i int) string {
	if values == nil {
		return ""
	}
	return values[i]
}

func order(offset, number string) uint64 {
	if number != "" {
		offset = number
	}
	// A foreign offset that is no number sorts first.
	n, _ := strconv.ParseUint(offset, 10, 64)
	return n
}

func (d *decoder) stream(text string, r *residual) streamInfo {
	if info, ok := d.streams[text]; ok {
		return info
	}
	if d.streams == nil {
		d.streams = make(map[string]streamInfo)
	}
	text = strings.Clone(text)
	ls := parseStream(text)
	info := streamInfo{text: text, labels: ls, pass: r.stream(ls)}
	d.streams[text] = info
	return info
}

// metadata builds the structured metadata of row i, sorted by name as the
// columns are.
func (d *decoder) metadata(i int) logs.Labels {
	if cap(d.labels)-len(d.labels) < len(d.columns) {
		d.labels = make([]logs.Label, 0, max(1024, len(d.columns)))
	}
	start := len(d.labels)
	for j := range d.columns {
		c := &d.columns[j]
		v := c.values[i]
		if v == "" || c.label {
			continue
		}
		if v != c.last {
			c.last = d.keep(v)
		}
		d.labels = append(d.labels, logs.Label{Name: c.name, Value: c.last})
	}
	return logs.Labels(d.labels[start:len(d.labels):len(d.labels)])
}

// parseStream reads the engine's text of a stream: {"a"="b",c="d"} with Go's
// quoting. Names that were escaped are as they were.
func parseStream(s string) logs.Labels {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
	var ls []logs.Label
	for s != "" {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			break
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			break
		}
		if unquoted, err := strconv.Unquote(name); err == nil {
			name = unquoted
		}
		name = strings.TrimPrefix(name, escapePrefix)
		ls = append(ls, logs.Label{Name: name, Value: value})
		s = strings.TrimPrefix(rest[len(quoted):], ",")
	}
	return logs.Normalize(ls)
}

func sortLabels(sets []logs.Labels) {
	sort.Slice(sets, func(i, j int) bool { return sets[i].Compare(sets[j]) < 0 })
}

func distinct(streams []logs.Labels, each func(ls logs.Labels, add func(string))) []string {
	set := make(map[string]bool)
	for _, ls := range streams {
		each(ls, func(s string) { set[s] = true })
	}
	return slices.Sorted(maps.Keys(set))
}

// clampTime bounds a range of time to what rows can have, so that slices of it
// are few.
func (e *Engine) clampTime(start, end int64) (int64, int64) {
	latest := e.cfg.Now().Add(futureRetention + 48*time.Hour).UnixNano()
	return max(start, 0), min(end, latest)
}
