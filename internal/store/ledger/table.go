package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"

	"github.com/remora-ray/remora/internal/loki"
)

// tableMagic begins every written table; its last byte is the version.
const tableMagic = "remora ledger\x01"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendTable writes the whole ledger: magic, varints and bytes, CRC-32C.
func (l *Ledger) AppendTable(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, tableMagic...)
	dst = binary.AppendUvarint(dst, l.nextRow)
	dst = binary.AppendUvarint(dst, uint64(len(l.tenants)))
	for _, name := range slices.Sorted(maps.Keys(l.tenants)) {
		dst = l.tenants[name].append(appendString(dst, name))
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func (t *tenant) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(t.files)))
	for id, f := range t.files {
		dst = append(dst, id[:]...)
		dst = binary.AppendUvarint(dst, f.committed)
		dst = binary.AppendUvarint(dst, uint64(len(f.generations)))
		for _, g := range f.generations {
			dst = appendString(dst, string(g.Fingerprint))
			dst = binary.AppendUvarint(dst, g.Base)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(t.expiry)))
	for _, a := range t.expiry {
		dst = append(dst, a.hash[:]...)
		dst = binary.AppendVarint(dst, a.at)
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// ReadTable reads what AppendTable wrote.
func ReadTable(src []byte) (*Ledger, error) {
	if len(src) < len(tableMagic)+4 || string(src[:len(tableMagic)]) != tableMagic {
		return nil, errors.New("not a ledger of this version")
	}
	body, sum := src[:len(src)-4], binary.LittleEndian.Uint32(src[len(src)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, errors.New("the ledger's checksum is wrong")
	}
	r := reader{src: body[len(tableMagic):]}
	l := New()
	l.nextRow = r.uvarint()
	for n := r.count(2); n > 0; n-- {
		name := string(r.bytes(r.count(1)))
		r.tenant(l.tenant(name))
	}
	if r.bad || len(r.src) > 0 {
		return nil, fmt.Errorf("the ledger is malformed %d bytes before its end", len(r.src))
	}
	return l, nil
}

func (r *reader) tenant(t *tenant) {
	for n := r.count(18); n > 0; n-- {
		var id loki.FileID
		copy(id[:], r.bytes(len(id)))
		f := &file{committed: r.uvarint()}
		for g := r.count(2); g > 0; g-- {
			fingerprint := slices.Clone(r.bytes(r.count(1)))
			if k, _, _, ok := loki.ReadFingerprint(fingerprint); ok {
				t.hold(k, id, nil)
			}
			f.generations = append(f.generations, loki.Generation{Fingerprint: fingerprint, Base: r.uvarint()})
		}
		t.files[id] = f
	}
	for n := r.count(17); n > 0; n-- {
		var a arrival
		copy(a.hash[:], r.bytes(len(a.hash)))
		a.at = r.varint()
		t.batches[a.hash] = a.at
		t.expiry = append(t.expiry, a)
	}
}

// reader takes values off src; after the first bad one it returns zeros.
type reader struct {
	src []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.src)
	return v * uint64(r.skip(n))
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.src)
	return v * int64(r.skip(n))
}

// skip goes on by n bytes and returns 1, or 0 where n is not a size.
func (r *reader) skip(n int) int {
	if n <= 0 || r.bad {
		r.bad = true
		return 0
	}
	r.src = r.src[n:]
	return 1
}

// count reads how many items of at least size bytes follow.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.src)/size) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) bytes(n int) []byte {
	if r.bad || n > len(r.src) {
		r.bad = true
		return nil
	}
	b := r.src[:n]
	r.src = r.src[n:]
	return b
}
