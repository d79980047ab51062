package loki

import (
	"strconv"
	"time"
)

// QueryStats is what an answer says of its cost.
type QueryStats struct {
	Lines, Bytes uint64 // read from the store
	Entries      int    // lines in the answer
	Queued, Took time.Duration
}

// appendStats appends Loki's statistics object: the summary as measured, zeros
// for the parts of a Loki that we have not.
func appendStats(dst []byte, s *QueryStats) []byte {
	took := s.Took.Seconds()
	perSecond := func(n uint64) int64 {
		if took <= 0 {
			return 0
		}
		return int64(min(float64(n)/took, 1<<53))
	}
	field := func(name string, v int64) {
		dst = append(append(append(dst, '"'), name...), `":`...)
		dst = append(strconv.AppendInt(dst, v, 10), ',')
	}
	dst = append(dst, `{"summary":{`...)
	field("bytesProcessedPerSecond", perSecond(s.Bytes))
	field("linesProcessedPerSecond", perSecond(s.Lines))
	field("totalBytesProcessed", int64(s.Bytes))
	field("totalLinesProcessed", int64(s.Lines))
	dst = appendNumber(append(dst, `"execTime":`...), took)
	dst = appendNumber(append(dst, `,"queueTime":`...), s.Queued.Seconds())
	dst = append(dst, `,"subqueries":0,`...)
	field("totalEntriesReturned", int64(s.Entries))
	dst = append(dst, `"splits":0,"shards":0,`...)
	field("totalPostFilterLines", int64(s.Entries))
	dst = append(dst, `"totalStructuredMetadataBytesProcessed":0},"querier":{"querierExecTime":`...)
	dst = appendNumber(dst, took)
	return append(dst, emptyStats...)
}

const emptyStats = `,"store":` + emptyStoreStats + `},` +
	`"ingester":{"totalReached":0,"totalChunksMatched":0,"totalBatches":0,"totalLinesSent":0,"recvWaitTime":0,"store":` + emptyStoreStats + `},` +
	`"cache":{"chunk":` + emptyCacheStats + `,"index":` + emptyCacheStats + `,"result":` + emptyCacheStats +
	`,"statsResult":` + emptyCacheStats + `,"volumeResult":` + emptyCacheStats + `,"seriesResult":` + emptyCacheStats +
	`,"labelResult":` + emptyCacheStats + `,"instantMetricResult":` + emptyCacheStats + `},` +
	`"index":{"totalChunks":0,"postFilterChunks":0,"shardsDuration":0,"usedBloomFilters":false,"totalStreams":0,"bloomFilterTime":0,"chunkRefsLookupTime":0}}`

const emptyStoreStats = `{"totalChunksRef":0,"totalChunksDownloaded":0,"chunksDownloadTime":0,"queryReferencedStructuredMetadata":false,` +
	`"chunk":{"headChunkBytes":0,"headChunkLines":0,"decompressedBytes":0,"decompressedLines":0,"compressedBytes":0,"totalDuplicates":0,` +
	`"postFilterLines":0,"headChunkStructuredMetadataBytes":0,"decompressedStructuredMetadataBytes":0},` +
	`"chunkRefsFetchTime":0,"congestionControlLatency":0,"pipelineWrapperFilteredLines":0}`

const emptyCacheStats = `{"entriesFound":0,"entriesRequested":0,"entriesStored":0,"bytesReceived":0,"bytesSent":0,"requests":0,"downloadTime":0,"queryLengthServed":0}`
