package embedded

import (
	"context"
	"encoding/binary"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/store"
)

// Buckets counts; see store.Store.
func (e *Engine) Buckets(ctx context.Context, tenants []string, q logs.BucketQuery, yield func(logs.Bucket) error) error {
	counts := make(map[string]*logs.Bucket)
	q.Limit = 0
	err := e.Select(ctx, tenants, q.Selection, func(r *logs.Record) error {
		countInto(counts, q, r)
		return nil
	})
	if err != nil {
		return err
	}
	for _, b := range counts {
		if err := yield(*b); err != nil {
			return err
		}
	}
	return nil
}

// countInto counts one record.
func countInto(counts map[string]*logs.Bucket, q logs.BucketQuery, r *logs.Record) {
	end := bucketEnd(r.Time, q.Origin, q.Width)
	key := make([]byte, 0, 64)
	key = binary.LittleEndian.AppendUint64(key, uint64(end))
	for _, name := range q.By {
		key = append(append(key, r.Label(name)...), 0xff)
	}
	b := counts[string(key)]
	if b == nil {
		var group []logs.Label
		for _, name := range q.By {
			group = append(group, logs.Label{Name: name, Value: r.Label(name)})
		}
		b = &logs.Bucket{End: end, Group: logs.Normalize(group)}
		counts[string(key)] = b
	}
	b.Lines++
	b.Bytes += uint64(len(r.Line))
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

// Stats counts what a selection would read.
func (e *Engine) Stats(ctx context.Context, tenants []string, matchers []logs.Matcher, start, end int64) (store.Stats, error) {
	var st store.Stats
	streams := make(map[string]bool)
	err := e.Select(ctx, tenants, logs.Selection{Matchers: matchers, Start: start, End: end}, func(r *logs.Record) error {
		st.Entries++
		st.Bytes += uint64(len(r.Line))
		streams[r.Stream.String()] = true
		return nil
	})
	st.Streams = uint64(len(streams))
	st.Chunks = st.Streams
	return st, err
}
