package embedded

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/store"
)

const (
	firstSlice = int64(2 * time.Second)
	// Of all lines of a range the first slice is a part, but no less and no more than
	// this: what holds too much is read in vain.
	leastOfAll = int64(10 * time.Minute)
	mostOfAll  = int64(24 * time.Hour)
	partsOfAll = 16
	// How much longer a slice may get than the one before it, and than one that held
	// nothing.
	sliceGrowth = 4
	emptyGrowth = 16
)

// sliceBudget is what one slice of time may hold in memory before it is made
// smaller: 64 MiB unless the memory is set.
func (e *Engine) sliceBudget() int { return int(e.cfg.MemoryBytes / 10) }

// What a slice that cannot be made smaller, a nanosecond, may hold of budgets.
const leastSlice = 3

// Select answers in slices of time, so that its memory is bounded and a small
// limit over a long range reads only as far as it must; see store.Store.
func (e *Engine) Select(ctx context.Context, tenants []string, sel logs.Selection, yield func(*logs.Record) error) error {
	sel.Start, sel.End = e.clampTime(sel.Start, sel.End)
	if sel.Start >= sel.End {
		return ctx.Err()
	}
	ts, err := e.ask(ctx, tenants, sel.Start, sel.End)
	if err != nil {
		return err
	}
	p := push(&sel, e.tenants.marked.Load())
	p.filter += lookedAt(&sel, p.exact)
	r, err := newResidual(&sel, p.exact)
	if err != nil {
		return err
	}
	s := &slicer{start: sel.Start, end: sel.End, direction: sel.Direction, width: firstWidth(&sel)}
	left := sel.Limit
	var chunk []logs.Label
	for s.next() {
		rows, used, err := e.slice(ctx, ts, p.filter, r, s.from, s.to, sel.Direction, left, s.width > 1, len(tenants) > 1)
		if errors.Is(err, errOverBudget) {
			s.shrink()
			continue
		}
		if err != nil {
			return err
		}
		for i := range rows {
			rec := rows[i].record(&chunk)
			if err := yield(&rec); err != nil {
				return err
			}
		}
		if sel.Limit > 0 {
			if left -= len(rows); left <= 0 {
				return nil
			}
		}
		s.advance(used, e.sliceBudget())
	}
	return ctx.Err()
}

// firstWidth is how long the first slice of a selection is. Few lines pass filters,
// and each slice looks at the same headers and filters of blocks again.
func firstWidth(sel *logs.Selection) int64 {
	switch {
	case sel.Limit == 0 && sel.Likely == 0:
		return min(max((sel.End-sel.Start)/partsOfAll, leastOfAll), mostOfAll)
	case len(sel.Lines)+len(sel.Labels)+len(sel.Needs) > 0:
		return firstSlice * emptyGrowth
	}
	return firstSlice
}

// slicer cuts a range of time into slices, in the direction of the query.
type slicer struct {
	start, end int64 // what is left
	from, to   int64 // the slice at hand
	width      int64
	direction  logs.Direction
}

func (s *slicer) next() bool {
	if s.start >= s.end {
		return false
	}
	width := min(s.width, s.end-s.start)
	if s.direction == logs.Backward {
		s.from, s.to = s.end-width, s.end
	} else {
		s.from, s.to = s.start, s.start+width
	}
	return true
}

// advance goes on behind the slice, which held so much of its budget, with one that is
// to hold half of it.
func (s *slicer) advance(used, budget int) {
	if s.direction == logs.Backward {
		s.end = s.from
	} else {
		s.start = s.to
	}
	growth := float64(emptyGrowth)
	if used > 0 {
		growth = min(sliceGrowth, float64(budget)/2/float64(used))
	}
	s.width = max(int64(min(float64(s.width)*growth, 1<<60)), 1)
}

func (s *slicer) shrink() { s.width = max(min(s.width, s.to-s.from)/8, 1) }

var errOverBudget = errors.New("a slice of time holds too much")

// slice returns the rows of one slice in order, at most limit of them (0: all).
func (e *Engine) slice(ctx context.Context, ts []*tenant, query string, r *residual, from, to int64, dir logs.Direction, limit int, bounded, named bool) (rows []row, used int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &collector{limit: limit, direction: dir, residual: r, budget: e.sliceBudget(), over: func() { cancel(errOverBudget) }}
	if !bounded {
		c.budget *= leastSlice
	}
	for _, t := range ts {
		key := decoderKey{}
		if named {
			key.tenant = t.name
		}
		block := func(worker uint, b *logstorage.DataBlock) {
			key := key
			key.worker = worker
			c.block(key, b)
		}
		if err := t.run(ctx, query, from, to, block); err != nil {
			switch {
			case context.Cause(ctx) != errOverBudget:
				return nil, 0, err
			case !bounded:
				return nil, 0, &store.MemoryError{What: "lines of one nanosecond", Limit: int64(c.budget)}
			}
			return nil, 0, errOverBudget
		}
	}
	return c.first(), c.bytes, nil
}

// collector takes rows from several workers and keeps the first ones in order.
type collector struct {
	limit     int
	direction logs.Direction
	residual  *residual
	budget    int
	over      func()

	mu       sync.Mutex
	decoders map[decoderKey]*decoder
	chunks   [][]row
	count    int // rows in them
	bytes    int
	// Once limit rows are there, none beyond this time is wanted.
	full  bool
	bound int64
}

// decoderKey tells the workers of a query apart.
type decoderKey struct {
	tenant string
	worker uint
}

func (c *collector) block(key decoderKey, b *logstorage.DataBlock) {
	c.mu.Lock()
	d := c.decoders[key]
	if d == nil {
		if c.decoders == nil {
			c.decoders = make(map[decoderKey]*decoder)
		}
		d = &decoder{tenant: key.tenant}
		c.decoders[key] = d
	}
	full, bound := c.full, c.bound
	c.mu.Unlock()
	var early func(at int64) bool
	if full {
		early = func(at int64) bool {
			if c.direction == logs.Backward {
				return at >= bound
			}
			return at <= bound
		}
	}
	rows, bytes := d.block(b, c.residual, early)
	if len(rows) > 0 {
		c.take(rows, bytes)
	}
}

func (c *collector) take(rows []row, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chunks = append(c.chunks, rows)
	c.count += len(rows)
	c.bytes += bytes
	if c.limit > 0 && c.count >= 2*c.limit+1024 {
		c.cut()
	}
	if c.bytes > c.budget {
		c.over()
	}
}

// cut keeps the first limit rows.
func (c *collector) cut() {
	rows := c.first()
	// About: rows let go may share a block with rows that are kept.
	c.bytes = int(int64(c.bytes) * int64(len(rows)) / int64(c.count))
	c.chunks, c.count = [][]row{rows}, len(rows)
	c.full, c.bound = true, rows[len(rows)-1].time
}

// first returns the first limit rows in order.
func (c *collector) first() []row {
	// Rows are large: what sorts them is moved about instead.
	type key struct {
		time         int64
		chunk, index int32
	}
	keys := make([]key, 0, c.count)
	for i := range c.chunks {
		for j := range c.chunks[i] {
			keys = append(keys, key{c.chunks[i][j].time, int32(i), int32(j)})
		}
	}
	slices.SortFunc(keys, func(a, b key) int {
		d := cmp.Compare(a.time, b.time)
		if d == 0 {
			d = c.chunks[a.chunk][a.index].compare(&c.chunks[b.chunk][b.index])
		}
		if c.direction == logs.Backward {
			return -d
		}
		return d
	})
	if c.limit > 0 && c.limit < len(keys) {
		keys = keys[:c.limit]
	}
	out := make([]row, len(keys))
	for i, k := range keys {
		out[i] = c.chunks[k.chunk][k.index]
	}
	return out
}
