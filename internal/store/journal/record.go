package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Kind says what a record's body is. The journal only keeps it.
type Kind uint8

// Record is one entry of the journal.
type Record struct {
	Kind     Kind
	Tenant   string
	Received int64  // Unix nanoseconds
	Row      uint64 // a number of the writer's
	Body     []byte
}

const (
	frameSize = 8 // length and CRC-32C of the payload, 4 bytes each, little endian
	// maxRecord bounds what a damaged length can make a reader take.
	maxRecord = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r *Record) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, frameSize)...)
	dst = append(dst, byte(r.Kind))
	dst = binary.AppendUvarint(dst, uint64(len(r.Tenant)))
	dst = append(dst, r.Tenant...)
	dst = binary.AppendVarint(dst, r.Received)
	dst = binary.AppendUvarint(dst, r.Row)
	dst = append(dst, r.Body...)
	payload := dst[start+frameSize:]
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(payload, castagnoli))
	return dst
}

var errTorn = errors.New("the record is torn")

// next reads the record at the start of src and its size on disk. The record's
// body points into src.
func next(src []byte) (Record, int, error) {
	if len(src) < frameSize {
		return Record{}, 0, errTorn
	}
	n := int(binary.LittleEndian.Uint32(src))
	if n == 0 || n > maxRecord || n > len(src)-frameSize {
		return Record{}, 0, errTorn
	}
	payload := src[frameSize : frameSize+n]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(src[4:]) {
		return Record{}, 0, errTorn
	}
	r, ok := parse(payload)
	if !ok {
		return Record{}, 0, errTorn
	}
	return r, frameSize + n, nil
}

func parse(p []byte) (r Record, ok bool) {
	r.Kind = Kind(p[0])
	p = p[1:]
	size, n := binary.Uvarint(p)
	if n <= 0 || size > uint64(len(p)-n) {
		return r, false
	}
	r.Tenant = string(p[n : n+int(size)])
	p = p[n+int(size):]
	if r.Received, n = binary.Varint(p); n <= 0 {
		return r, false
	}
	p = p[n:]
	if r.Row, n = binary.Uvarint(p); n <= 0 {
		return r, false
	}
	r.Body = p[n:]
	return r, true
}
