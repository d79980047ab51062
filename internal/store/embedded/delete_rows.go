package embedded

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

const (
	// Rows that one request may name, and one question to the engine.
	maxDeletedRows = 1_000_000
	rowsOfFilter   = 5_000
)

// chosenRows are rows by what they are known by: the number of one that came
// without a file, else file and offset. A gap has the offset of the line after it.
type chosenRows struct {
	mu      sync.Mutex
	numbers []string
	files   map[fileRows][]string // offsets
	n       int
	err     error
}

type fileRows struct {
	file string
	gap  bool
}

// choose finds the rows of a selection that match, for a deletion that the engine
// cannot be asked for otherwise.
func (e *Engine) choose(ctx context.Context, tenant string, sel logs.Selection, match func(*logs.Record) bool) (*chosenRows, error) {
	c := &chosenRows{files: make(map[fileRows][]string)}
	ts, err := e.ask(ctx, []string{tenant}, sel.Start, sel.End)
	if err != nil {
		return nil, err
	}
	p := push(&sel, e.tenants.marked.Load())
	r, err := newResidual(&sel, p.exact)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var chunk []logs.Label
	for _, t := range ts {
		d := &decoder{}
		err := t.run(ctx, p.filter, sel.Start, sel.End, func(_ uint, b *logstorage.DataBlock) {
			c.mu.Lock()
			defer c.mu.Unlock()
			rows, _ := d.block(b, r, nil)
			numbers, files, offsets, gaps := values(b, fieldRow), values(b, fieldFile), values(b, loki.MetadataOffset), values(b, gapName)
			for i := range rows {
				chunk = chunk[:0]
				if rec := rows[i].record(&chunk); match != nil && !match(&rec) {
					continue
				}
				at := int(rows[i].index)
				c.add(valueAt(numbers, at), fileRows{valueAt(files, at), valueAt(gaps, at) != ""}, valueAt(offsets, at))
			}
			if c.err != nil {
				cancel()
			}
		})
		if c.err != nil {
			return nil, c.err
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *chosenRows) add(number string, file fileRows, offset string) {
	if c.n++; c.n > maxDeletedRows {
		c.err = &store.InvalidError{Reason: fmt.Sprintf("more than %d lines would be deleted: narrow the time, or use plain text and labels only", maxDeletedRows)}
		return
	}
	if number != "" {
		c.numbers = append(c.numbers, strings.Clone(number))
		return
	}
	if _, ok := c.files[file]; !ok {
		file.file = strings.Clone(file.file)
	}
	c.files[file] = append(c.files[file], strings.Clone(offset))
}

// filters are LogsQL that the rows pass and no others.
func (c *chosenRows) filters() (out []string) {
	for part := range slices.Chunk(c.numbers, rowsOfFilter) {
		out = append(out, fieldRow+":in("+strings.Join(part, ",")+")")
	}
	keys := slices.SortedFunc(maps.Keys(c.files), func(a, b fileRows) int {
		return strings.Compare(a.file+strconv.FormatBool(a.gap), b.file+strconv.FormatBool(b.gap))
	})
	var parts []string
	room := rowsOfFilter
	flush := func() {
		if len(parts) > 0 {
			out = append(out, "("+strings.Join(parts, " or ")+")")
		}
		parts, room = nil, rowsOfFilter
	}
	for _, k := range keys {
		gap := gapName + `:""`
		if k.gap {
			gap = gapName + ":*"
		}
		for offsets := c.files[k]; len(offsets) > 0; {
			n := min(room, len(offsets))
			parts = append(parts, fmt.Sprintf("(%s:=%s %s %s:in(%s))", fieldFile, quote(k.file), gap, loki.MetadataOffset, quoted(offsets[:n])))
			offsets = offsets[n:]
			if room -= n; room == 0 {
				flush()
			}
		}
	}
	flush()
	return out
}

func quoted(list []string) string {
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(s))
	}
	return b.String()
}
