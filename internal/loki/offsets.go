package loki

// PathOffsets is where an agent asks for committed offsets. A server that
// answers it with 404 is a Loki, not Remora.
const PathOffsets = "/api/remora/v1/offsets"

// OffsetsRequest is the JSON body of POST /api/remora/v1/offsets.
type OffsetsRequest struct {
	Files []FileID `json:"files"`
}

// OffsetsResponse answers for each file asked about, in the order asked.
type OffsetsResponse struct {
	Files []FileOffsets `json:"files"`
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
