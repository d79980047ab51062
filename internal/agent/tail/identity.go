package tail

import (
	"github.com/cespare/xxhash/v2"

	"github.com/remora-ray/remora/internal/loki"
)

// Key is what the kernel knows a file by. Numbers of inodes come back at once
// after an unlink and birth times tick in 4 ms, so two files may share a Key if
// nobody held the first one open.
type Key struct {
	Dev, Ino uint64
	Birth    int64 // Unix nanoseconds, 0 where the file system has none
}

// HeadLen is how much of a file's beginning is hashed at most.
const HeadLen = 1 << 10

// Head is a hash of a file's first Len bytes.
type Head struct {
	Len uint16
	Sum uint64
}

// HeadOf hashes the beginning of a file, at most HeadLen bytes of it.
func HeadOf(b []byte) Head {
	b = b[:min(len(b), HeadLen)]
	return Head{Len: uint16(len(b)), Sum: xxhash.Sum64(b)}
}

// Matches reports whether a file that begins with b, its first HeadLen bytes or
// all of it, begins as the hashed one did.
func (h Head) Matches(b []byte) bool {
	return len(b) >= int(h.Len) && xxhash.Sum64(b[:h.Len]) == h.Sum
}

// Mark is a hash of the few bytes before a cursor: a file that was cut and has
// grown past the cursor again has others there.
type Mark struct {
	Len uint8
	Sum uint64
}

// MarkLen is how many bytes a Mark covers where there are as many.
const MarkLen = 64

// MarkOf hashes the end of b.
func MarkOf(b []byte) Mark {
	b = b[len(b)-min(len(b), MarkLen):]
	return Mark{Len: uint8(len(b)), Sum: xxhash.Sum64(b)}
}

// wireKey is the part of a Key that goes over the wire.
func wireKey(k Key) loki.GenerationKey { return loki.GenerationKey{Birth: k.Birth, Inode: k.Ino} }

// Print is the fingerprint of a generation on the wire.
func Print(k Key, h Head) []byte { return wireKey(k).Fingerprint(h.Len, h.Sum) }

// PrintMatches reports whether print is the fingerprint of the file of that key
// that begins with b, its first HeadLen bytes or all of it.
func PrintMatches(print []byte, k Key, b []byte) bool {
	of, n, sum, ok := loki.ReadFingerprint(print)
	return ok && of == wireKey(k) && (Head{Len: n, Sum: sum}).Matches(b)
}

// KeyOf is the key that print was made of, without the device.
func KeyOf(print []byte) (Key, bool) {
	k, _, _, ok := loki.ReadFingerprint(print)
	return Key{Ino: k.Inode, Birth: k.Birth}, ok
}
