package loki

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
)

// PathLines is where all lines of a log query are answered, however many there
// are: GET with query, start and end. The answer is frames: a byte that tells the
// kind, a length of four bytes, and so many bytes.
const (
	PathLines    = "/api/remora/v1/lines"
	ContentLines = "application/x-remora-lines"
)

const (
	frameLines = 'l' // a push, block-snappy
	frameError = 'e' // why the answer ends here
	frameEnd   = 'z' // nothing; an answer without it was cut
	// maxFrame bounds what a reader takes for a frame.
	maxFrame = 64 << 20
)

// AppendLinesFrame appends lines as a frame, any bytes of them as they are.
func AppendLinesFrame(dst []byte, p *Push) []byte {
	return appendFrame(dst, frameLines, snappy.Encode(nil, AppendPush(nil, p)))
}

// AppendErrorFrame appends the frame that ends an answer which failed.
func AppendErrorFrame(dst []byte, text string) []byte {
	return appendFrame(dst, frameError, []byte(text))
}

// AppendEndFrame appends the frame that ends a whole answer.
func AppendEndFrame(dst []byte) []byte { return appendFrame(dst, frameEnd, nil) }

func appendFrame(dst []byte, kind byte, payload []byte) []byte {
	dst = append(dst, kind)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	return append(dst, payload...)
}

// ReadLines calls f with the lines of each frame. Times are in order from frame to
// frame; within one they are in order for each stream.
func ReadLines(r io.Reader, f func(*Push) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var head [5]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return cutShort(err)
		}
		size := binary.BigEndian.Uint32(head[1:])
		if size > maxFrame {
			return fmt.Errorf("%w: a frame of %d bytes", ErrMalformed, size)
		}
		payload := make([]byte, size)
		if _, err := io.ReadFull(in, payload); err != nil {
			return cutShort(err)
		}
		switch head[0] {
		case frameEnd:
			return nil
		case frameError:
			return errors.New(string(payload))
		case frameLines:
			p, err := decodeLinesFrame(payload)
			if err != nil {
				return err
			}
			if err := f(p); err != nil {
				return err
			}
		}
		// Frames of other kinds are of later versions.
	}
}

func decodeLinesFrame(payload []byte) (*Push, error) {
	if n, err := snappy.DecodedLen(payload); err != nil || n > maxFrame {
		return nil, fmt.Errorf("%w: a frame that is not compressed as it should be", ErrMalformed)
	}
	body, err := snappy.Decode(nil, payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return DecodePush(body)
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the answer was cut short")
	}
	return err
}
