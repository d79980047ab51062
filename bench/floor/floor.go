// Package floor does the least that an agent has to do: it reads files, splits
// them into lines, encodes the same push bodies as the agent (same entries, same
// metadata) and compresses them. It parses nothing, keeps no positions and sends
// nothing: what an agent costs beyond it is the price of knowing and of safety.
//
// Its encoder is its own, so that the yardstick does not move when the agent's
// gets better or worse.
package floor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/bench/receive"
	"github.com/remora-ray/remora/internal/loki"
)

// As the agent's: bytes read at once, entries of one part, body of one push.
const (
	chunkBytes = 320 << 10
	partBytes  = 512 << 10
	bodyBytes  = 1 << 20
)

// Result is what was read and encoded.
type Result struct {
	Lines, Read, Bodies, Bytes, Compressed int64
}

type floor struct {
	Result
	buf, entries, body, packed []byte
}

// Run reads every file of the plan below dir.
func Run(dir string, plan *receive.Plan) (Result, error) {
	f := &floor{buf: make([]byte, chunkBytes)}
	for i := range plan.Files {
		if err := f.file(dir, &plan.Files[i]); err != nil {
			return f.Result, err
		}
	}
	f.send()
	return f.Result, nil
}

func (f *floor) file(dir string, p *receive.FilePlan) error {
	file, err := os.Open(filepath.Join(dir, p.Path))
	if err != nil {
		return err
	}
	defer file.Close()
	step := (p.Last - p.First) / int64(max(1, len(p.Lines)))
	at, ns, templates := int64(0), p.First, p.Lines
	r := p.Range
	for {
		n, err := file.ReadAt(f.buf, at)
		if err != nil && err != io.EOF {
			return err
		}
		if n == 0 {
			return nil
		}
		data, done := f.buf[:n], 0
		r.From = uint64(at)
		for {
			end := bytes.IndexByte(data[done:], '\n')
			if end < 0 {
				break
			}
			if len(templates) == 0 {
				return fmt.Errorf("%s has more lines than the agent sent", p.Path)
			}
			f.entry(ns, data[done:done+end], &p.Templates[templates[0]], at+int64(done))
			ns, templates = ns+step, templates[1:]
			done += end + 1
			f.Lines++
			if len(f.entries) > partBytes {
				break
			}
		}
		if done == 0 {
			return fmt.Errorf("%s: no whole line at byte %d", p.Path, at)
		}
		at += int64(done)
		f.Read += int64(done)
		r.To = uint64(at)
		f.part(p.Labels, &r)
	}
}

// entry appends one entry as a field of a stream.
func (f *floor) entry(ns int64, line []byte, t *receive.Template, at int64) {
	var digits [20]byte
	offset := strconv.AppendInt(digits[:0], at, 10)
	sec, nsec := uint64(ns/1e9), uint64(ns%1e9)
	label := 10 + len(offset)
	stamp := 2 + size(sec) + size(nsec)
	total := 2 + stamp + 1 + size(uint64(len(line))) + len(line) + len(t.Before) + 2 + label + len(t.Behind)
	b := append(f.entries, 2<<3|2)
	b = binary.AppendUvarint(b, uint64(total))
	b = append(b, 1<<3|2, byte(stamp), 1<<3)
	b = binary.AppendUvarint(b, sec)
	b = append(b, 2<<3)
	b = binary.AppendUvarint(b, nsec)
	b = append(b, 2<<3|2)
	b = binary.AppendUvarint(b, uint64(len(line)))
	b = append(b, line...)
	b = append(b, t.Before...)
	b = append(b, 3<<3|2, byte(label), 1<<3|2, 6, 'o', 'f', 'f', 's', 'e', 't', 2<<3|2, byte(len(offset)))
	b = append(b, offset...)
	f.entries = append(b, t.Behind...)
}

func size(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// part puts the entries into the body as one stream.
func (f *floor) part(labels string, r *loki.FileRange) {
	if len(f.body)+len(f.entries) > bodyBytes {
		f.send()
	}
	f.body = loki.AppendStream(f.body, labels, f.entries, r)
	f.entries = f.entries[:0]
}

// send compresses a body and forgets it.
func (f *floor) send() {
	if len(f.body) == 0 {
		return
	}
	f.packed = s2.EncodeSnappy(f.packed[:cap(f.packed)], f.body)
	f.Bodies++
	f.Bytes += int64(len(f.body))
	f.Compressed += int64(len(f.packed))
	f.body = f.body[:0]
}
