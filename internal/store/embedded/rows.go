package embedded

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// row is a record that is not built yet, with what sorts it where times are
// equal. Rows of a block share its columns, so that many fit into memory.
type row struct {
	time   int64
	order  uint64 // offset in its file, else number of arrival
	line   string
	stream *streamInfo
	block  *blockColumns
	index  int32
}

// compare orders rows by time, offset or arrival, and then by stream, so that
// one question always gets one answer.
func (a *row) compare(b *row) int {
	return cmp.Or(
		cmp.Compare(a.time, b.time),
		cmp.Compare(a.order, b.order),
		strings.Compare(a.stream.text, b.stream.text),
		strings.Compare(a.line, b.line),
	)
}

// record builds the record; its metadata is cut from chunk.
func (r *row) record(chunk *[]logs.Label) logs.Record {
	out := logs.Record{Tenant: r.stream.tenant, Stream: r.stream.labels, Entry: logs.Entry{Time: r.time, Line: r.line}}
	columns := r.block.columns
	if cap(*chunk)-len(*chunk) < len(columns) {
		*chunk = make([]logs.Label, 0, max(1024, len(columns)))
	}
	all := *chunk
	start := len(all)
	for i := range columns {
		c := &columns[i]
		v := c.constant
		if c.values != nil {
			v = c.values[r.index]
		}
		if v == "" || c.mayBeLabel && r.stream.has(c.name) {
			continue
		}
		all = append(all, logs.Label{Name: c.name, Value: v})
	}
	out.Metadata = logs.Labels(all[start:len(all):len(all)])
	*chunk = all
	return out
}

// blockColumns is the structured metadata of a block's rows, by name.
type blockColumns struct {
	columns []column
}

type column struct {
	name       string // of the structured metadata
	mayBeLabel bool   // a stream's label has the same field
	constant   string // the value of all rows, where values is nil
	values     []string
	raw        []string // the engine's values, while the block is at hand
	last       string   // the copy of the last value
}

// decoder turns the engine's blocks into rows. One belongs to one worker of a
// query for one tenant.
type decoder struct {
	tenant  string
	streams map[string]*streamInfo
	times   []int64
	names   map[string]string // copies of the columns' names
	text    strings.Builder   // chunk that strings are cut from
	chunk   []logs.Label
	kept    int // bytes kept of the block at hand
}

type streamInfo struct {
	tenant string
	text   string
	labels logs.Labels
	pass   bool
}

func (s *streamInfo) has(name string) bool {
	_, ok := s.labels.Lookup(name)
	return ok
}

// textChunk is how much text is copied between two allocations.
const textChunk = 64 << 10

// keep copies s out of the engine's memory.
func (d *decoder) keep(s string) string {
	d.kept += len(s)
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

// block returns the rows of b that pass and about how much memory they hold.
// early, where not nil, drops rows by time before they are looked at.
func (d *decoder) block(b *logstorage.DataBlock, r *residual, early func(at int64) bool) (rows []row, bytes int) {
	var ok bool
	d.times, ok = b.GetTimestamps(d.times[:0])
	if !ok {
		panic("the engine's block has no times")
	}
	d.kept = 0
	lines, streams := values(b, "_msg"), values(b, "_stream")
	offsets, numbers := values(b, loki.MetadataOffset), values(b, fieldRow)
	shared := d.columns(b)
	if early == nil {
		rows = make([]row, 0, len(d.times))
	}
	var current *streamInfo
	for i, at := range d.times {
		if early != nil && !early(at) {
			continue
		}
		line := valueAt(lines, i)
		if !r.line(line) {
			continue
		}
		if text := valueAt(streams, i); current == nil || text != current.text {
			current = d.stream(text, r)
		}
		if !current.pass {
			continue
		}
		out := row{time: at, stream: current, block: shared, index: int32(i), order: order(valueAt(offsets, i), valueAt(numbers, i))}
		d.keepValues(shared, i)
		if !r.exact {
			rec := out.record(&d.chunk)
			d.chunk = d.chunk[:0] // looked at and let go
			if !r.labels(&rec) {
				continue
			}
		}
		out.line = d.keep(line)
		rows = append(rows, out)
	}
	for i := range shared.columns {
		shared.columns[i].raw = nil
	}
	return rows, d.kept + len(rows)*int(unsafe.Sizeof(row{}))
}

func values(b *logstorage.DataBlock, name string) []string {
	if c := b.GetColumnByName(name); c != nil {
		return c.Values
	}
	return nil
}

// columns lays out the metadata of a block: what is the same on all rows is
// kept once.
func (d *decoder) columns(b *logstorage.DataBlock) *blockColumns {
	shared := &blockColumns{columns: make([]column, 0, len(b.Columns))}
	for i := range b.Columns {
		name, ok := metadataName(b.Columns[i].Name)
		if !ok {
			continue
		}
		c := column{name: d.name(name), mayBeLabel: !strings.HasPrefix(b.Columns[i].Name, metadataPrefix), raw: b.Columns[i].Values}
		if isConstant(c.raw) {
			c.constant = d.keep(c.raw[0])
		} else {
			c.values = make([]string, len(c.raw))
			d.kept += 16 * len(c.raw)
		}
		shared.columns = append(shared.columns, c)
	}
	slices.SortFunc(shared.columns, func(a, b column) int { return strings.Compare(a.name, b.name) })
	return shared
}

func isConstant(values []string) bool {
	for _, v := range values {
		if v != values[0] {
			return false
		}
	}
	return len(values) > 0
}

// keepValues copies the metadata of row i that is its own.
func (d *decoder) keepValues(shared *blockColumns, i int) {
	for j := range shared.columns {
		c := &shared.columns[j]
		if c.values == nil {
			continue
		}
		if v := c.raw[i]; v != c.last {
			c.last = d.keep(v)
		}
		c.values[i] = c.last
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

func (d *decoder) stream(text string, r *residual) *streamInfo {
	if info, ok := d.streams[text]; ok {
		return info
	}
	if d.streams == nil {
		d.streams = make(map[string]*streamInfo)
	}
	text = strings.Clone(text)
	ls := parseStream(text)
	info := &streamInfo{tenant: d.tenant, text: text, labels: ls, pass: r.stream(ls)}
	d.streams[text] = info
	return info
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
