package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"

	"github.com/klauspost/compress/snappy"

	"github.com/remora-ray/remora/bench/receive"
)

// bodySize is the size of a body before compression: what the agent sends.
const bodySize = 1 << 20

// recorder is a receiver that looks like a Loki to the agent, which so spells out
// all metadata on each entry. It keeps every entry as it came.
type recorder struct {
	mu      sync.Mutex
	file    *os.File
	out     *bufio.Writer
	written int64
	labels  []string // of streams, by number
	streams map[string]int
	entries []entryAt
}

// entryAt is where an entry lies.
type entryAt struct {
	time   int64
	at     int64
	size   uint32
	stream uint32
}

// Numbers of fields in push.proto of github.com/grafana/loki/pkg/push (Apache-2.0).
var (
	pushStreams   = []uint64{1}
	streamLabels  = []uint64{1}
	streamEntries = []uint64{2}
	entryTime     = []uint64{1}
)

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path != "/loki/api/v1/push" {
		http.NotFound(w, req)
		return
	}
	packed, err := io.ReadAll(req.Body)
	if err == nil {
		var body []byte
		if body, err = snappy.Decode(nil, packed); err == nil {
			err = r.push(body)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *recorder) push(body []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return receive.Each(body, pushStreams, func(s []byte) error {
		var number int
		if err := receive.Each(s, streamLabels, func(labels []byte) error {
			number = r.stream(string(labels))
			return nil
		}); err != nil {
			return err
		}
		return receive.Each(s, streamEntries, func(e []byte) error { return r.entry(number, e) })
	})
}

func (r *recorder) stream(labels string) int {
	n, ok := r.streams[labels]
	if !ok {
		n = len(r.labels)
		r.labels, r.streams[labels] = append(r.labels, labels), n
	}
	return n
}

func (r *recorder) entry(stream int, e []byte) error {
	at := entryAt{at: r.written, size: uint32(len(e)), stream: uint32(stream)}
	err := receive.Each(e, entryTime, func(t []byte) (err error) {
		at.time, err = timeOf(t)
		return err
	})
	if err != nil {
		return err
	}
	r.entries = append(r.entries, at)
	r.written += int64(len(e))
	_, err = r.out.Write(e)
	return err
}

// timeOf reads a protobuf Timestamp.
func timeOf(t []byte) (int64, error) {
	var parts [3]uint64 // by number of field: seconds, nanoseconds
	for len(t) > 0 {
		tag, n := binary.Uvarint(t)
		if n <= 0 || tag != 1<<3 && tag != 2<<3 {
			return 0, errors.New("no time stamp")
		}
		v, m := binary.Uvarint(t[n:])
		if m <= 0 {
			return 0, errors.New("no time stamp")
		}
		parts[tag>>3], t = v, t[n+m:]
	}
	return int64(parts[1])*1e9 + int64(parts[2]), nil
}

// bodies are push bodies in a file, in order of time.
type bodies struct {
	file  *os.File
	ends  []int64
	lines int64
	plain int64 // bytes before compression
}

// record runs the agent over the logs and makes bodies of what it sends: those
// that it would have sent had it followed the files while they were written. Loki
// refuses lines that come hours late.
func (b *bench) record(ctx context.Context) (*bodies, error) {
	b.say("recording what the agent sends to a Loki")
	file, err := os.Create(b.path("entries"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	defer os.Remove(file.Name())
	r := &recorder{file: file, out: bufio.NewWriterSize(file, 1<<20), streams: map[string]int{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := http.Server{Handler: r}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	if _, err := b.agent(ctx, "http://"+l.Addr().String()); err != nil {
		return nil, err
	}
	if err := r.out.Flush(); err != nil {
		return nil, err
	}
	slices.SortFunc(r.entries, func(a, b entryAt) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.at, b.at))
	})
	return r.bodies(b.path("bodies"))
}

// bodies cuts the entries into bodies, a stream once in each.
func (r *recorder) bodies(path string) (_ *bodies, err error) {
	out := &bodies{lines: int64(len(r.entries))}
	if out.file, err = os.Create(path); err != nil {
		return nil, err
	}
	w := bufio.NewWriterSize(out.file, 1<<20)
	streams := make([][]byte, len(r.labels))
	var body, packed, entry []byte
	size, end := 0, int64(0)
	flush := func() error {
		body = body[:0]
		for i, s := range streams {
			if len(s) > 0 {
				head := field(nil, 1, []byte(r.labels[i]))
				body = binary.AppendUvarint(append(body, 1<<3|2), uint64(len(head)+len(s)))
				body = append(append(body, head...), s...)
				streams[i] = s[:0]
			}
		}
		packed = snappy.Encode(packed[:cap(packed)], body)
		out.plain += int64(len(body))
		end += int64(len(packed))
		out.ends = append(out.ends, end)
		size = 0
		_, err := w.Write(packed)
		return err
	}
	for _, e := range r.entries {
		entry = slices.Grow(entry[:0], int(e.size))[:e.size]
		if _, err := r.file.ReadAt(entry, e.at); err != nil {
			return nil, err
		}
		streams[e.stream] = field(streams[e.stream], 2, entry)
		if size += len(entry); size >= bodySize {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	return out, w.Flush()
}

// field appends a length-delimited field.
func field(dst []byte, number uint64, value []byte) []byte {
	dst = binary.AppendUvarint(dst, number<<3|2)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// read returns body i.
func (b *bodies) read(i int) ([]byte, error) {
	begin := int64(0)
	if i > 0 {
		begin = b.ends[i-1]
	}
	body := make([]byte, b.ends[i]-begin)
	_, err := b.file.ReadAt(body, begin)
	return body, err
}

func (b *bodies) compressed() int64 { return b.ends[len(b.ends)-1] }
