package loki

import (
	"encoding/binary"
	"math/bits"

	"github.com/remora-ray/remora/internal/logs"
)

// The functions of this file build what AppendPush does, piece by piece, also for a
// sender that has its lines in a read buffer and allocates nothing for
// each of them. A push body is the concatenation of its streams, so bodies may
// be put together from streams built apart.

// Tags of length-delimited fields below 16 and of the numbers: one byte each.
const (
	tagStreams    = pushStreams<<3 | 2
	tagLabels     = streamLabels<<3 | 2
	tagEntries    = streamEntries<<3 | 2
	tagTimestamp  = entryTimestamp<<3 | 2
	tagLine       = entryLine<<3 | 2
	tagMetadata   = entryMetadata<<3 | 2
	tagSeconds    = timeSeconds << 3
	tagNanos      = timeNanos << 3
	tagLabelName  = labelName<<3 | 2
	tagLabelValue = labelValue<<3 | 2
)

// AppendMetadata appends one label as a field of an entry: what AppendEntry
// takes as metadata is a concatenation of these.
func AppendMetadata[V string | []byte](dst []byte, name string, value V) []byte {
	dst = append(dst, tagMetadata)
	dst = binary.AppendUvarint(dst, uint64(2+uvarintLen(len(name))+len(name)+uvarintLen(len(value))+len(value)))
	dst = appendBytes(dst, tagLabelName, name)
	return appendBytes(dst, tagLabelValue, value)
}

// AppendEntry appends one entry as a field of a stream. Metadata is what
// AppendMetadata wrote.
func AppendEntry(dst []byte, ns int64, line, metadata []byte) []byte {
	return append(AppendEntryHead(dst, ns, line, len(metadata)), metadata...)
}

// AppendEntryHead appends an entry without its metadata, of which exactly
// metadataLen bytes must follow.
func AppendEntryHead[L string | []byte](dst []byte, ns int64, line L, metadataLen int) []byte {
	sec, nsec := splitTime(ns)
	stamp := 2 + uvarintLen64(uint64(sec)) + uvarintLen64(uint64(nsec))
	size := 1 + uvarintLen(stamp) + stamp + 1 + uvarintLen(len(line)) + len(line) + metadataLen
	dst = append(dst, tagEntries)
	dst = binary.AppendUvarint(dst, uint64(size))
	dst = append(dst, tagTimestamp, byte(stamp), tagSeconds)
	dst = binary.AppendUvarint(dst, uint64(sec))
	dst = append(dst, tagNanos)
	dst = binary.AppendUvarint(dst, uint64(nsec))
	return appendBytes(dst, tagLine, line)
}

// OffsetLen is how many bytes AppendOffset appends, at most 32.
func OffsetLen(at uint64) int { return 12 + decimals(at) }

// AppendOffset is AppendMetadata(dst, MetadataOffset, decimal of at), faster: each
// line has another one.
func AppendOffset(dst []byte, at uint64) []byte {
	n := decimals(at)
	dst = append(dst, tagMetadata, byte(10+n), tagLabelName, 6, 'o', 'f', 'f', 's', 'e', 't', tagLabelValue, byte(n))
	dst = append(dst, "00000000000000000000"[:n]...)
	for i := len(dst) - 1; at > 0; i-- {
		dst[i] += byte(at % 10)
		at /= 10
	}
	return dst
}

// decimals is how many digits v has.
func decimals(v uint64) int {
	n := bits.Len64(v|1) * 1233 >> 12 // log10(2) ≈ 1233/4096: right, or one too few
	if v|1 >= powersOfTen[n] {
		n++
	}
	return n
}

// powersOfTen are all that a uint64 holds.
var powersOfTen = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// AppendStream appends one stream of a push: labels as logs.Labels.String writes
// them, entries as AppendEntry wrote them, and r where it is not nil.
func AppendStream(dst []byte, labels string, entries []byte, r *FileRange) []byte {
	var room [512]byte
	var rng []byte
	if r != nil {
		rng = appendRange(room[:0], r)
	}
	size := 1 + uvarintLen(len(labels)) + len(labels) + len(entries) + len(rng)
	dst = append(dst, tagStreams)
	dst = binary.AppendUvarint(dst, uint64(size))
	dst = appendBytes(dst, tagLabels, labels)
	dst = append(dst, entries...)
	return append(dst, rng...)
}

// appendRange appends r as field 1000 of a stream.
func appendRange(dst []byte, r *FileRange) []byte {
	size := 2 + len(r.File) + 1 + uvarintLen(len(r.Generation)) + len(r.Generation) +
		1 + uvarintLen64(r.From) + 1 + uvarintLen64(r.To) + 1 + uvarintLen(len(r.Gap)) + len(r.Gap)
	for _, l := range r.Metadata {
		size += metadataLen(l)
	}
	if r.GapTime != 0 {
		size += 1 + uvarintLen64(uint64(r.GapTime))
	}
	dst = binary.AppendUvarint(dst, streamRange<<3|2)
	dst = binary.AppendUvarint(dst, uint64(size))
	dst = appendBytes(dst, rangeFile<<3|2, r.File[:])
	dst = appendBytes(dst, rangeGeneration<<3|2, r.Generation)
	dst = append(dst, rangeFrom<<3)
	dst = binary.AppendUvarint(dst, r.From)
	dst = append(dst, rangeTo<<3)
	dst = binary.AppendUvarint(dst, r.To)
	dst = appendBytes(dst, rangeGap<<3|2, r.Gap)
	for _, l := range r.Metadata {
		dst = append(dst, rangeMetadata<<3|2)
		dst = binary.AppendUvarint(dst, uint64(labelLen(l)))
		dst = appendBytes(dst, tagLabelName, l.Name)
		dst = appendBytes(dst, tagLabelValue, l.Value)
	}
	if r.GapTime != 0 {
		dst = append(dst, rangeGapTime<<3)
		dst = binary.AppendUvarint(dst, uint64(r.GapTime))
	}
	return dst
}

// metadataLen is how many bytes AppendMetadata appends.
func metadataLen(l logs.Label) int {
	n := labelLen(l)
	return 1 + uvarintLen(n) + n
}

func labelLen(l logs.Label) int {
	return 2 + uvarintLen(len(l.Name)) + len(l.Name) + uvarintLen(len(l.Value)) + len(l.Value)
}

func appendBytes[B string | []byte](dst []byte, tag byte, b B) []byte {
	dst = append(dst, tag)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func uvarintLen(n int) int { return uvarintLen64(uint64(n)) }

func uvarintLen64(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }
