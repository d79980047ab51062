// Package receive is a server that takes pushes and keeps nothing: it counts the
// lines, and may write down how the entries were encoded so that the floor can
// encode the same. It takes Loki's push API, with our additions or without, and
// OTLP over HTTP.
package receive

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/loki"
)

// Counts is what has arrived; GET /counts answers it.
type Counts struct {
	Pushes     int64
	Lines      Lines
	Bytes      int64 // of bodies, not compressed
	Compressed int64
}

// Server takes pushes and answers that nothing is stored of any file.
type Server struct {
	mu      sync.Mutex
	counts  Counts
	plan    *planner // nil where none is made
	buffers sync.Pool
}

// buffer is what one push is read into.
type buffer struct{ packed, body []byte }

// New makes a server; with plan GET /plan answers how what arrives was encoded.
func New(plan bool) *Server {
	s := &Server{}
	if plan {
		s.plan = newPlanner()
	}
	s.buffers.New = func() any { return new(buffer) }
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/loki/api/v1/push":
		s.answer(w, http.StatusNoContent, s.push(r, (*Lines).loki))
	case "/v1/logs", "/otlp/v1/logs":
		s.answer(w, http.StatusOK, s.push(r, (*Lines).otlp))
	case loki.PathOffsets:
		offsets(w, r)
	case "/counts":
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(s.counts)
	case "/plan":
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = s.plan.write(w)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) answer(w http.ResponseWriter, code int, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(code)
}

func (s *Server) push(r *http.Request, count func(*Lines, []byte) error) (err error) {
	b := s.buffers.Get().(*buffer)
	defer s.buffers.Put(b)
	if b.packed, err = readAll(r.Body, b.packed[:0]); err != nil {
		return err
	}
	encoding := r.Header.Get("Content-Encoding")
	if encoding == "" && r.URL.Path == "/loki/api/v1/push" {
		encoding = "snappy" // Loki's clients do not say it
	}
	body, err := b.unpack(encoding)
	if err != nil {
		return fmt.Errorf("unpack %d bytes of %q: %w", len(b.packed), encoding, err)
	}
	var lines Lines
	if err := count(&lines, body); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Pushes++
	s.counts.Bytes += int64(len(body))
	s.counts.Compressed += int64(len(b.packed))
	s.counts.Lines.join(lines)
	if s.plan == nil {
		return nil
	}
	p, err := loki.DecodePush(body)
	if err != nil {
		return err
	}
	for i := range p.Streams {
		s.plan.note(&p.Streams[i])
	}
	return nil
}

// framed is how snappy's stream format begins.
var framed = []byte("\xff\x06\x00\x00sNaPpY")

// unpack undoes the compression of packed. The result is good until the next use.
func (b *buffer) unpack(encoding string) (body []byte, err error) {
	switch {
	case encoding == "":
		return b.packed, nil
	case encoding == "gzip":
		r, err := gzip.NewReader(bytes.NewReader(b.packed))
		if err != nil {
			return nil, err
		}
		b.body, err = readAll(r, b.body[:0])
		return b.body, err
	case encoding == "snappy" && bytes.HasPrefix(b.packed, framed):
		b.body, err = readAll(s2.NewReader(bytes.NewReader(b.packed)), b.body[:0])
		return b.body, err
	case encoding == "snappy":
		b.body, err = s2.Decode(b.body[:cap(b.body)], b.packed)
		return b.body, err
	default:
		return nil, fmt.Errorf("%q is not known here", encoding)
	}
}

func readAll(r io.Reader, buf []byte) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

func offsets(w http.ResponseWriter, r *http.Request) {
	var q loki.OffsetsRequest
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a := loki.OffsetsResponse{Files: make([]loki.FileOffsets, len(q.Files))}
	for i, f := range q.Files {
		a.Files[i].File = f
	}
	_ = json.NewEncoder(w).Encode(a)
}
