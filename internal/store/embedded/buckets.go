package embedded

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/store"
)

// Buckets counts in the engine where all of the selection can be asked there,
// else over the records of a scan; see store.Store.
func (e *Engine) Buckets(ctx context.Context, tenants []string, q logs.BucketQuery, yield func(logs.Bucket) error) error {
	if q.Width <= 0 {
		return &store.InvalidError{Reason: fmt.Sprintf("buckets of %d ns cannot be", q.Width)}
	}
	c := &counter{query: q, buckets: make(map[string]*logs.Bucket)}
	if len(tenants) == 1 {
		c.yield = yield
	}
	q.Start, q.End = e.clampTime(q.Start, q.End)
	q.Limit, q.Direction = 0, logs.Forward
	p := push(&q.Selection, e.tenants.marked.Load())
	var err error
	if p.exact {
		err = e.countPushed(ctx, tenants, q, c)
	} else {
		c.yield = nil
		err = e.Select(ctx, tenants, q.Selection, func(r *logs.Record) error {
			c.count(r)
			return c.err
		})
	}
	if err != nil {
		return err
	}
	for _, b := range c.buckets {
		if err := yield(*b); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) countPushed(ctx context.Context, tenants []string, q logs.BucketQuery, c *counter) error {
	ts, err := e.ask(ctx, tenants, q.Start, q.End)
	if err != nil {
		return err
	}
	query := bucketsLogsQL(push(&q.Selection, e.tenants.marked.Load()).filter, q)
	ctx, c.stop = context.WithCancel(ctx)
	defer c.stop()
	for _, t := range ts {
		if err := t.run(ctx, query, q.Start, q.End, c.block); c.err != nil || err != nil {
			return cmp.Or(c.err, err)
		}
	}
	return nil
}

const (
	columnLines = "remora:lines"
	columnBytes = "remora:bytes"
)

// bucketsLogsQL counts by buckets. The engine's are [s, s+width); shifted by a
// nanosecond they are (b-width, b] with b = s+width-1.
func bucketsLogsQL(filter string, q logs.BucketQuery) string {
	offset := (q.Origin + 1) % q.Width
	by := []string{fmt.Sprintf("_time:%dns offset %dns", q.Width, offset)}
	if q.ByStream {
		by = append(by, "_stream")
	}
	for _, name := range q.By {
		by = append(by, quote(fieldName(name)))
	}
	counts := "count() " + quote(columnLines)
	if !q.LinesOnly {
		counts += ", sum_len(_msg) " + quote(columnBytes)
	}
	return fmt.Sprintf("%s | stats by (%s) %s", filter, strings.Join(by, ", "), counts)
}

// counter adds up buckets.
type counter struct {
	query logs.BucketQuery

	mu      sync.Mutex
	buckets map[string]*logs.Bucket
	streams map[string]logs.Labels // by the engine's text
	key     []byte
	err     error
	stop    func() // ends the engine's work after an error

	// Buckets of one tenant are complete as the engine gives them: they go straight
	// on.
	yield func(logs.Bucket) error
}

// maxBuckets bounds the buckets that are added up, of about a hundred bytes each.
const maxBuckets = 1 << 20

// block adds the engine's counts.
func (c *counter) block(_ uint, b *logstorage.DataBlock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	defer func() {
		if c.err != nil {
			c.stop()
		}
	}()
	times, ok := b.GetTimestamps(nil)
	column := func(name string) []string {
		if col := b.GetColumnByName(name); col != nil {
			return col.Values
		}
		return nil
	}
	lines, bytes := column(columnLines), column(columnBytes)
	if !ok || lines == nil || bytes == nil && !c.query.LinesOnly {
		c.err = fmt.Errorf("the engine's counts have no column of times, lines or bytes")
		return
	}
	groups := make([][]string, len(c.query.By))
	for i, name := range c.query.By {
		groups[i] = column(fieldName(name))
	}
	var streams []string
	if c.query.ByStream {
		streams = column("_stream")
	}
	for i, at := range times {
		n, err := strconv.ParseUint(lines[i], 10, 64)
		if err != nil {
			c.err = fmt.Errorf("the engine counted %q lines", lines[i])
			return
		}
		size := uint64(0)
		if bytes != nil {
			if size, err = strconv.ParseUint(bytes[i], 10, 64); err != nil {
				c.err = fmt.Errorf("the engine counted %q bytes", bytes[i])
				return
			}
		}
		end := at + c.query.Width - 1
		group := func(g int) string { return valueAt(groups[g], i) }
		switch {
		case c.yield != nil && c.query.ByStream:
			c.err = c.yield(logs.Bucket{End: end, Group: c.stream(valueAt(streams, i)), Lines: n, Bytes: size})
		case c.yield != nil:
			c.err = c.yield(logs.Bucket{End: end, Group: c.labels(group), Lines: n, Bytes: size})
		case c.query.ByStream:
			c.add(c.ofLabels(end, c.stream(valueAt(streams, i))), n, size)
		default:
			c.add(c.bucket(end, group), n, size)
		}
		if c.err != nil {
			return
		}
	}
}

func (c *counter) add(b *logs.Bucket, lines, bytes uint64) {
	b.Lines += lines
	b.Bytes += bytes
	if len(c.buckets) > maxBuckets {
		c.err = &store.MemoryError{What: "the groups that it counts", Limit: maxBuckets * 100}
	}
}

func (c *counter) count(r *logs.Record) {
	end := bucketEnd(r.Time, c.query.Origin, c.query.Width)
	if c.query.ByStream {
		c.add(c.ofLabels(end, r.Stream), 1, uint64(len(r.Line)))
		return
	}
	c.add(c.bucket(end, func(g int) string { return r.Label(c.query.By[g]) }), 1, uint64(len(r.Line)))
}

// stream is the labels of a stream, given as the engine writes it.
func (c *counter) stream(text string) logs.Labels {
	ls, ok := c.streams[text]
	if !ok {
		if c.streams == nil {
			c.streams = make(map[string]logs.Labels)
		}
		text = strings.Clone(text)
		ls = parseStream(text)
		c.streams[text] = ls
	}
	return ls
}

// labels are those of a group whose label By[g] has the value group(g).
func (c *counter) labels(group func(g int) string) logs.Labels {
	labels := make([]logs.Label, 0, len(c.query.By))
	for g, name := range c.query.By {
		labels = append(labels, logs.Label{Name: name, Value: strings.Clone(group(g))})
	}
	return logs.Normalize(labels)
}

func (c *counter) ofLabels(end int64, ls logs.Labels) *logs.Bucket {
	c.key = binary.LittleEndian.AppendUint64(c.key[:0], uint64(end))
	for _, l := range ls {
		c.key = append(binary.AppendUvarint(c.key, uint64(len(l.Name))), l.Name...)
		c.key = append(binary.AppendUvarint(c.key, uint64(len(l.Value))), l.Value...)
	}
	if b := c.buckets[string(c.key)]; b != nil {
		return b
	}
	b := &logs.Bucket{End: end, Group: ls}
	c.buckets[string(c.key)] = b
	return b
}

// bucket finds or makes the bucket that ends at end of the group whose label By[g]
// has the value group(g).
func (c *counter) bucket(end int64, group func(g int) string) *logs.Bucket {
	c.key = binary.LittleEndian.AppendUint64(c.key[:0], uint64(end))
	for g := range c.query.By {
		v := group(g)
		c.key = binary.AppendUvarint(c.key, uint64(len(v)))
		c.key = append(c.key, v...)
	}
	if b := c.buckets[string(c.key)]; b != nil {
		return b
	}
	b := &logs.Bucket{End: end, Group: c.labels(group)}
	c.buckets[string(c.key)] = b
	return b
}

// bucketEnd is the end b = origin + n·width of the bucket (b-width, b] that
// holds t.
func bucketEnd(t, origin, width int64) int64 {
	n := (t - origin) / width
	if (t-origin)%width > 0 {
		n++
	}
	return origin + n*width
}

// Stats counts what a selection by matchers and time would read. Chunks are
// streams by day, the least the engine keeps apart.
func (e *Engine) Stats(ctx context.Context, tenants []string, matchers []logs.Matcher, start, end int64) (store.Stats, error) {
	var st store.Stats
	start, end = e.clampTime(start, end)
	ts, err := e.ask(ctx, tenants, start, end)
	if err != nil {
		return st, err
	}
	sel := logs.Selection{Matchers: matchers}
	query := push(&sel, e.tenants.marked.Load()).filter +
		" | stats by (_stream, _time:1d) count() " + quote(columnLines) + ", sum_len(_msg) " + quote(columnBytes)
	var mu sync.Mutex
	streams := make(map[string]bool)
	for _, t := range ts {
		err := t.run(ctx, query, start, end, func(_ uint, b *logstorage.DataBlock) {
			mu.Lock()
			defer mu.Unlock()
			for i := range b.RowsCount() {
				for _, c := range b.Columns {
					switch c.Name {
					case "_stream":
						streams[strings.Clone(c.Values[i])] = true
					case columnLines:
						n, _ := strconv.ParseUint(c.Values[i], 10, 64) // the engine's own number
						st.Entries += n
					case columnBytes:
						n, _ := strconv.ParseUint(c.Values[i], 10, 64)
						st.Bytes += n
					}
				}
				st.Chunks++
			}
		})
		if err != nil {
			return st, err
		}
	}
	st.Streams = uint64(len(streams))
	return st, nil
}
