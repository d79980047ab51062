package tail

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"io"
)

// Unpacker reads a file of gzip by the offsets of what is packed in it. Reading on
// is cheap; going back further than the last read begins at the start of the file
// again. It holds the bytes of the last read. It is not safe for concurrent use.
type Unpacker struct {
	fd     int
	from   int64 // of the packed bytes, what is read next
	in     *bufio.Reader
	z      *gzip.Reader
	window []byte // the last bytes unpacked
	at     int64  // offset behind window
	failed error  // of reading the packed bytes
	end    error  // io.EOF, or what is wrong with the file, once at is the end
}

// NewUnpacker reads the open file fd, which stays the caller's to close.
func NewUnpacker(fd int) *Unpacker {
	u := &Unpacker{fd: fd}
	u.in = bufio.NewReaderSize(packed{u}, 32<<10)
	return u
}

// packed reads the packed bytes.
type packed struct{ u *Unpacker }

func (p packed) Read(b []byte) (int, error) {
	n, err := ReadAt(p.u.fd, b, p.u.from)
	p.u.from += int64(n)
	if p.u.failed = err; err == nil && n == 0 {
		err = io.EOF
	}
	return n, err
}

// ReadAt fills b from an offset of the unpacked bytes on and returns how much there
// was; less than len(b) means the end of what can be unpacked, and is no error.
func (u *Unpacker) ReadAt(b []byte, offset int64) (int, error) {
	if offset < u.at-int64(len(u.window)) || u.z == nil && u.end == nil {
		if err := u.rewind(); err != nil {
			return 0, err
		}
	}
	for u.at < offset && u.end == nil { // skip what was read by an earlier run
		u.window = u.window[:0]
		n, err := u.fill(b[:min(int64(len(b)), offset-u.at)])
		if err != nil || n == 0 && u.end == nil {
			return 0, err
		}
	}
	n := 0
	if back := u.at - offset; back > 0 {
		n = copy(b, u.window[int64(len(u.window))-back:])
	}
	if u.at >= offset && n < len(b) && u.end == nil {
		m, err := u.fill(b[n:])
		if err != nil {
			return 0, err
		}
		n += m
	}
	if u.at == offset+int64(n) {
		u.window = append(u.window[:0], b[:n]...)
	}
	return n, nil
}

// rewind begins at the start of the file.
func (u *Unpacker) rewind() error {
	u.from, u.at, u.window, u.end = 0, 0, u.window[:0], nil
	u.in.Reset(packed{u})
	var err error
	if u.z == nil {
		u.z, err = gzip.NewReader(u.in)
	} else {
		err = u.z.Reset(u.in)
	}
	if err != nil {
		u.z = nil
		return u.ended(err)
	}
	return nil
}

// fill unpacks into all of b.
func (u *Unpacker) fill(b []byte) (n int, err error) {
	for n < len(b) && u.end == nil {
		m, err := u.z.Read(b[n:])
		n += m
		u.at += int64(m)
		if err != nil {
			if err = u.ended(err); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// ended notes that there are no more bytes, unless they could not be read from disk.
func (u *Unpacker) ended(err error) error {
	if u.failed != nil {
		err, u.failed, u.z = u.failed, nil, nil
		return err
	}
	if err == io.EOF && u.at == 0 && u.z == nil {
		err = io.ErrUnexpectedEOF // there is not even a header
	}
	u.end = err
	return nil
}

// Ended tells whether the end has been seen, how many bytes are before it, and, where
// the file is damaged, how.
func (u *Unpacker) Ended() (size int64, damage error, ended bool) {
	if u.end == nil {
		return 0, nil, false
	}
	if u.end != io.EOF {
		damage = u.end
	}
	return u.at, damage, true
}

// PackedSize is what the trailer of a gzip file says of the size of its contents:
// the size of the last member of it, modulo 4 GiB. 0 means that it says nothing.
func PackedSize(fd int, size int64) int64 {
	var b [4]byte
	if size < 18 {
		return 0
	}
	if n, err := ReadAt(fd, b[:], size-4); err != nil || n < 4 {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(b[:]))
}
