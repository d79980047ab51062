package server

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/remora-ray/remora/internal/loki"
)

// pushBody is a push read into memory, as long as it is needed.
type pushBody struct {
	push    *loki.Push
	snappy  []byte // the push as the store keeps it, where it came so
	release func()
}

// A decoded push costs about this many times its bytes: the copy its strings
// point into, and its entries, which of short lines are as large again.
const decodedCost = 3

// readPush reads, decompresses and decodes a body within the limits.
func (s *Server) readPush(w http.ResponseWriter, r *request) (*pushBody, error) {
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	switch encoding {
	case "", "identity", "snappy", "gzip", "deflate":
	default:
		return nil, failf(http.StatusBadRequest, "Content-Encoding %q is not supported: use none, snappy, gzip or deflate", shorten(encoding, 64))
	}
	contentType := r.Header.Get("Content-Type")
	return s.readEncoded(w, r, encoding, func(raw []byte, m *memory) (*pushBody, error) {
		if kind, _, err := mime.ParseMediaType(contentType); err == nil && kind == "application/json" {
			return s.decodeJSON(raw, m)
		}
		return s.decodeProtobuf(raw, contentType, m)
	})
}

// readEncoded reads a body, decompresses it and hands it to decode. What is kept
// in memory is counted.
func (s *Server) readEncoded(w http.ResponseWriter, r *request, encoding string, decode func([]byte, *memory) (*pushBody, error)) (*pushBody, error) {
	if r.ContentLength > s.limits.PushBytes {
		return nil, s.tooLarge(w, r)
	}
	m, err := s.reserve(r)
	if err != nil {
		return nil, err
	}
	raw, err := s.readBody(w, r, encoding, m)
	if err != nil {
		m.release()
		return nil, err
	}
	body, err := decode(raw, m)
	if err != nil {
		m.release()
		return nil, err
	}
	body.release = m.release
	return body, nil
}

// readBody reads and decompresses; what it keeps in memory is counted in m.
func (s *Server) readBody(w http.ResponseWriter, r *request, encoding string, m *memory) ([]byte, error) {
	clearDeadline := s.bodyDeadline(w)
	raw, err := s.readRaw(w, r, m)
	if err != nil {
		return nil, err
	}
	clearDeadline()
	s.metrics.pushBytes.WithLabelValues("sent").Add(float64(len(raw)))
	switch encoding {
	case "", "identity", "snappy": // snappy's block format is decoded as a whole
		return raw, nil
	}
	return s.inflate(encoding, raw, m)
}

// reserve waits for room for the body as sent.
func (s *Server) reserve(r *request) (*memory, error) {
	n := r.ContentLength
	if n < 0 {
		n = 1 << 20 // not told; what comes beyond it is asked for on the way
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.limits.PushWait)
	defer cancel()
	if err := s.memory.take(ctx, n); err != nil {
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		return nil, s.outOfMemory()
	}
	return &memory{budget: s.memory, held: n}, nil
}

func (s *Server) outOfMemory() error {
	return busyf(2*time.Second, "too many pushes at once hold the %d bytes of memory set aside for them: nothing of this one was stored, send it again", s.limits.PushMemory)
}

// tooLarge also reads on for a while, as most clients see an answer only once
// they have sent everything.
func (s *Server) tooLarge(w http.ResponseWriter, r *request) error {
	s.bodyDeadline(w)
	_, _ = io.CopyN(io.Discard, r.Body, 4*s.limits.PushBytes)
	return failf(http.StatusRequestEntityTooLarge, "push is larger than the %d bytes allowed: send less at a time", s.limits.PushBytes)
}

func (s *Server) bomb() error {
	return failf(http.StatusRequestEntityTooLarge, "push is larger than the %d bytes allowed once decompressed: send less at a time", s.limits.PushDecoded)
}

// memory is what one push holds of the budget.
type memory struct {
	budget *budget
	held   int64
}

// grow makes sure that n bytes are held.
func (m *memory) grow(n int64) bool {
	if n <= m.held {
		return true
	}
	if !m.budget.grow(n - m.held) {
		return false
	}
	m.held = n
	return true
}

func (m *memory) release() {
	m.budget.give(m.held)
	m.held = 0
}

// readRaw reads the body as sent.
func (s *Server) readRaw(w http.ResponseWriter, r *request, m *memory) ([]byte, error) {
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	body := http.MaxBytesReader(w, r.Body, s.limits.PushBytes)
	for {
		n, err := io.CopyN(&buf, body, 1<<20)
		if !m.grow(int64(buf.Len())) {
			return nil, s.outOfMemory()
		}
		var large *http.MaxBytesError
		switch {
		case errors.Is(err, io.EOF) && n < 1<<20:
			return buf.Bytes(), nil
		case errors.As(err, &large):
			return nil, failf(http.StatusRequestEntityTooLarge, "push is larger than the %d bytes allowed: send less at a time", s.limits.PushBytes)
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded):
			// Not 400: clients give up on that, and these bytes may well come whole.
			return nil, &httpError{
				status: http.StatusRequestTimeout, retry: time.Second,
				msg: fmt.Sprintf("push was cut off after %d bytes: nothing of it was stored, send it again", buf.Len()),
			}
		case err != nil && r.Context().Err() != nil:
			return nil, r.Context().Err()
		case err != nil:
			return nil, failf(http.StatusBadRequest, "read push after %d bytes: %v", buf.Len(), err)
		}
	}
}

var gzipReaders sync.Pool

// ratioFree is how much a body may hold whatever it was compressed to.
const ratioFree = 8 << 20

// inflate decompresses gzip, zstd, lz4, or deflate with or without zlib's header.
func (s *Server) inflate(encoding string, raw []byte, m *memory) ([]byte, error) {
	var in io.Reader
	switch encoding {
	case "gzip":
		z, _ := gzipReaders.Get().(*gzip.Reader)
		if z == nil {
			z = new(gzip.Reader)
		}
		defer gzipReaders.Put(z)
		if err := z.Reset(bytes.NewReader(raw)); err != nil {
			return nil, failf(http.StatusBadRequest, "push is not gzip, as its Content-Encoding says: %v", err)
		}
		in = z
	case "zstd":
		z, err := zstd.NewReader(bytes.NewReader(raw), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(s.limits.PushDecoded)))
		if err != nil {
			return nil, failf(http.StatusBadRequest, "push is not zstd, as its Content-Encoding says: %v", err)
		}
		defer z.Close()
		in = z
	case "lz4":
		in = lz4.NewReader(bytes.NewReader(raw))
	default:
		in = deflateReader(raw)
	}
	var buf bytes.Buffer
	for {
		n, err := io.CopyN(&buf, in, 1<<20)
		if int64(buf.Len()) > s.limits.PushDecoded {
			return nil, s.bomb()
		}
		if size := int64(buf.Len()); size > ratioFree && size/int64(len(raw)) > s.limits.PushRatio {
			return nil, failf(http.StatusRequestEntityTooLarge, "push is more than %d times its size once decompressed: send it less compressed", s.limits.PushRatio)
		}
		if !m.grow(int64(len(raw) + buf.Len())) {
			return nil, s.outOfMemory()
		}
		switch {
		case errors.Is(err, io.EOF) && n < 1<<20:
			return buf.Bytes(), nil
		case err != nil:
			return nil, failf(http.StatusBadRequest, "decompress push (%s) after %d bytes: %v", encoding, buf.Len(), err)
		}
	}
}

func deflateReader(raw []byte) io.Reader {
	// RFC 9110 means zlib by deflate, many clients send it bare.
	if len(raw) >= 2 && raw[0]&0x0f == 8 && (uint(raw[0])<<8|uint(raw[1]))%31 == 0 {
		if z, err := zlib.NewReader(bytes.NewReader(raw)); err == nil {
			return z
		}
	}
	return flate.NewReader(bufio.NewReader(bytes.NewReader(raw)))
}

func (s *Server) decodeJSON(raw []byte, m *memory) (*pushBody, error) {
	if int64(len(raw)) > s.limits.PushDecoded {
		return nil, s.bomb()
	}
	if !m.grow(int64(len(raw)) * (1 + decodedCost)) {
		return nil, s.outOfMemory()
	}
	s.metrics.pushBytes.WithLabelValues("decompressed").Add(float64(len(raw)))
	p, err := loki.DecodePushJSON(raw)
	return &pushBody{push: p}, err
}

func (s *Server) decodeProtobuf(raw []byte, contentType string, m *memory) (*pushBody, error) {
	size, err := s2.DecodedLen(raw)
	if err != nil {
		return nil, notSnappy(contentType, err)
	}
	if int64(size) > s.limits.PushDecoded {
		return nil, s.bomb()
	}
	if !m.grow(int64(len(raw)) + int64(size)*(1+decodedCost)) {
		return nil, s.outOfMemory()
	}
	plain, err := s2.Decode(make([]byte, size), raw)
	if err != nil {
		return nil, notSnappy(contentType, err)
	}
	s.metrics.pushBytes.WithLabelValues("decompressed").Add(float64(len(plain)))
	p, err := loki.DecodePushIn(plain)
	return &pushBody{push: p, snappy: raw}, err
}

func notSnappy(contentType string, err error) error {
	if contentType == "" {
		contentType = "none"
	}
	return fmt.Errorf("%w: body is not protobuf compressed with snappy's block format (Content-Type %s; JSON must come as application/json): %w",
		loki.ErrMalformed, shorten(contentType, 64), err)
}
