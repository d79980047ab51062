package loki

import (
	"strconv"

	"github.com/remora-ray/remora/internal/logs"
)

// AppendStrings appends the answer of labels and label values. As in Loki, data
// is left out where there is none.
func AppendStrings(dst []byte, list []string) []byte {
	dst = append(dst, `{"status":"success"`...)
	if len(list) > 0 {
		dst = append(dst, `,"data":`...)
		dst = appendJSONStrings(dst, list)
	}
	return append(dst, '}')
}

// AppendSeries appends the answer of series.
func AppendSeries(dst []byte, streams []logs.Labels) []byte {
	dst = append(dst, `{"status":"success","data":[`...)
	for i, ls := range streams {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONLabels(dst, ls)
	}
	return append(dst, `]}`...)
}

// IndexStats is the answer of index/stats: how much a selector would read.
type IndexStats struct {
	Streams, Chunks, Bytes, Entries uint64
}

// AppendIndexStats appends the answer of index/stats, which has no envelope.
func AppendIndexStats(dst []byte, s IndexStats) []byte {
	dst = strconv.AppendUint(append(dst, `{"streams":`...), s.Streams, 10)
	dst = strconv.AppendUint(append(dst, `,"chunks":`...), s.Chunks, 10)
	dst = strconv.AppendUint(append(dst, `,"bytes":`...), s.Bytes, 10)
	dst = strconv.AppendUint(append(dst, `,"entries":`...), s.Entries, 10)
	return append(dst, '}')
}
