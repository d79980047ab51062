package embedded

import (
	"strconv"
	"sync"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/remora-ray/remora/internal/loki"
)

// gapName is the metadata that tells a gap line from a line of the file.
const gapName = "gap"

// lockedRows collects, from several workers, what rows are known by.
type lockedRows struct {
	mu   sync.Mutex
	keys []rowKey
	n    int
}

type rowKey struct {
	presentKey
	offset, row uint64
}

func (l *lockedRows) count(b *logstorage.DataBlock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n += b.RowsCount()
}

func (l *lockedRows) add(b *logstorage.DataBlock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	column := func(name string) []string {
		if c := b.GetColumnByName(name); c != nil {
			return c.Values
		}
		return nil
	}
	files, rows, offsets := column(fieldFile), column(fieldRow), column(loki.MetadataOffset)
	gaps := column(gapName)
	for i := range b.RowsCount() {
		var k rowKey
		if n, err := strconv.ParseUint(valueAt(rows, i), 10, 64); err == nil {
			k.row = n
		}
		if err := k.file.UnmarshalText([]byte(valueAt(files, i))); err == nil {
			k.offset, _ = strconv.ParseUint(valueAt(offsets, i), 10, 64)
			k.gap = valueAt(gaps, i) != ""
		}
		l.keys = append(l.keys, k)
	}
}
