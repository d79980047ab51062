package ledger

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/remora-ray/remora/internal/logs"
)

// HashBatch hashes a stream's labels and entries, all of each: two batches of
// one hash are taken to be the same.
func HashBatch(labels logs.Labels, entries []logs.Entry) Hash {
	// Two seeds make 128 bits, so that no two different batches of an hour meet.
	a, b := xxhash.NewWithSeed(0), xxhash.NewWithSeed(0x9e3779b97f4a7c15)
	buf := make([]byte, 0, 4096)
	flush := func() {
		_, _ = a.Write(buf) // a hash takes all
		_, _ = b.Write(buf)
		buf = buf[:0]
	}
	add := func(s string) {
		buf = binary.AppendUvarint(buf, uint64(len(s)))
		buf = append(buf, s...)
		if len(buf) > 2048 {
			flush()
		}
	}
	addLabels := func(ls logs.Labels) {
		buf = binary.AppendUvarint(buf, uint64(len(ls)))
		for _, l := range ls {
			add(l.Name)
			add(l.Value)
		}
	}
	addLabels(labels)
	for i := range entries {
		e := &entries[i]
		buf = binary.LittleEndian.AppendUint64(buf, uint64(e.Time))
		add(e.Line)
		addLabels(e.Metadata)
	}
	flush()
	var h Hash
	binary.LittleEndian.PutUint64(h[:8], a.Sum64())
	binary.LittleEndian.PutUint64(h[8:], b.Sum64())
	return h
}
