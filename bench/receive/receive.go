// Package receive is a server that takes pushes and keeps nothing: it
// acknowledges at once, counts bytes, and may write down how the entries were
// encoded so that the floor can encode the same.
package receive

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"

	"github.com/klauspost/compress/snappy"

	"github.com/remora-ray/remora/internal/loki"
)

// Counts is what has arrived; GET /counts answers it.
type Counts struct {
	Pushes     int64
	Entries    int64 // counted only where a plan is made
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

// New makes a server; with plan it decodes what arrives and GET /plan answers how
// it was encoded.
func New(plan bool) *Server {
	s := &Server{}
	if plan {
		s.plan = newPlanner()
	}
	s.buffers.New = func() any { return new([]byte) }
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/loki/api/v1/push":
		if err := s.push(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
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

func (s *Server) push(r *http.Request) error {
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	body, err := readAll(r.Body, (*buf)[:0])
	*buf = body
	if err != nil {
		return err
	}
	size, err := snappy.DecodedLen(body)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Pushes++
	s.counts.Bytes += int64(size)
	s.counts.Compressed += int64(len(body))
	if s.plan == nil {
		return nil
	}
	text, err := snappy.Decode(nil, body)
	if err != nil {
		return err
	}
	p, err := loki.DecodePush(text)
	if err != nil {
		return err
	}
	for i := range p.Streams {
		s.counts.Entries += int64(len(p.Streams[i].Entries))
		s.plan.note(&p.Streams[i])
	}
	return nil
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
