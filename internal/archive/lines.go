package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// MaxLine is how much of a line Lines gives; the rest of a longer one is passed over.
const MaxLine = 256 << 10

// Lines calls fn for each line of the stream, the oldest first, with the logical
// offset of its first byte and without its end. line is only valid during the
// call. A line does not go on in the next generation, as Ray never cuts one.
func (s *Stream) Lines(fn func(offset int64, line []byte) error) error {
	br := bufio.NewReaderSize(nil, MaxLine)
	var base int64
	for _, g := range s.Generations {
		r, err := g.Open()
		if err != nil {
			return err
		}
		br.Reset(r)
		n, err := lines(br, base, fn)
		if err := errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("read %s: %w", g.File.Path, err)
		}
		base += n
	}
	return nil
}

func lines(br *bufio.Reader, base int64, fn func(int64, []byte) error) (int64, error) {
	var n int64
	for {
		line, err := br.ReadSlice('\n')
		if len(line) == 0 && errors.Is(err, io.EOF) {
			return n, nil
		}
		size := int64(len(line))
		if err == nil {
			line = line[:len(line)-1]
		} else if !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return n, err
		}
		if err := fn(base+n, line); err != nil {
			return n, err
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			var more []byte
			more, err = br.ReadSlice('\n')
			size += int64(len(more))
		}
		n += size
	}
}
