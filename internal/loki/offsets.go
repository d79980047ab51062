package loki

import "encoding/binary"

// PathOffsets is where an agent asks for committed offsets. A server that
// answers it with 404 is a Loki, not Remora.
const PathOffsets = "/api/remora/v1/offsets"

// OffsetsRequest is the JSON body of POST /api/remora/v1/offsets.
type OffsetsRequest struct {
	Files []FileID `json:"files"`
	// Generations are fingerprints of generations whose files the client does not
	// know: base64 in JSON, at most 10,000.
	Generations [][]byte `json:"generations,omitempty"`
}

// OffsetsResponse answers for each file asked about, in the order asked.
type OffsetsResponse struct {
	Files []FileOffsets `json:"files"`
	// Found are the tenant's files with a generation that may be one of those asked
	// about: its inode and birth time are the same. Whether the file begins with the
	// bytes that were hashed only the client can tell. Of each file's generations
	// the first is listed and those asked about. Servers before this field leave it out.
	Found []FileOffsets `json:"found,omitempty"`
}

// FileOffsets is what the server knows of one file. An unknown file has
// Committed 0 and no generations.
type FileOffsets struct {
	File        FileID       `json:"file"`
	Committed   uint64       `json:"committed"`
	Generations []Generation `json:"generations,omitempty"` // oldest first
}

// Generation is one generation of a file and the logical offset of its first
// byte.
type Generation struct {
	Fingerprint []byte `json:"fingerprint"` // base64 in JSON
	Base        uint64 `json:"base"`
}

// A generation's fingerprint is a version, the birth time and the inode number of
// the file, and a hash of its first bytes with the number of bytes hashed, at most
// 1 KiB. It is the hash that changes while the file is short.
const (
	fingerprintVersion = 1
	fingerprintLen     = 1 + 8 + 8 + 2 + 8
)

// GenerationKey is what two fingerprints of one file always share: its birth time
// in Unix nanoseconds and its inode number.
type GenerationKey struct {
	Birth int64
	Inode uint64
}

// Fingerprint is the fingerprint of the file of that key whose first n bytes have
// the given hash.
func (k GenerationKey) Fingerprint(n uint16, hash uint64) []byte {
	b := make([]byte, 0, fingerprintLen)
	b = append(b, fingerprintVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(k.Birth))
	b = binary.BigEndian.AppendUint64(b, k.Inode)
	b = binary.BigEndian.AppendUint16(b, n)
	return binary.BigEndian.AppendUint64(b, hash)
}

// ReadFingerprint takes a fingerprint apart; ok is false where it is none of this
// version.
func ReadFingerprint(b []byte) (k GenerationKey, n uint16, hash uint64, ok bool) {
	if len(b) != fingerprintLen || b[0] != fingerprintVersion {
		return k, 0, 0, false
	}
	k = GenerationKey{Birth: int64(binary.BigEndian.Uint64(b[1:])), Inode: binary.BigEndian.Uint64(b[9:])}
	return k, binary.BigEndian.Uint16(b[17:]), binary.BigEndian.Uint64(b[19:]), true
}

// Refused is the JSON body of a 409: the files of which nothing was stored,
// with the offset each must go on from.
type Refused struct {
	Files []FileOffset `json:"files"`
}

// FileOffset is a file and the offset up to which the server has it.
type FileOffset struct {
	File      FileID `json:"file"`
	Committed uint64 `json:"committed"`
}
