package server

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// reply writes a JSON answer, compressed where that pays and the client reads
// it.
func reply(w http.ResponseWriter, r *request, body []byte) error {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	return replyTyped(w, r, body)
}

// replyAbout is reply for what is asked about the server and its deletions, where
// Loki names no charset.
func replyAbout(w http.ResponseWriter, r *request, body []byte) error {
	w.Header().Set("Content-Type", "application/json")
	return replyTyped(w, r, body)
}

func replyTyped(w http.ResponseWriter, r *request, body []byte) error {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Encoding")
	out := &patient{w: w, control: http.NewResponseController(w), stall: r.stall}
	if len(body) < minCompressed || !acceptsGzip(r.Header) {
		h.Set("Content-Length", strconv.Itoa(len(body)))
		_, err := out.Write(body)
		return clientGone(err)
	}
	h.Set("Content-Encoding", "gzip")
	z := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(z)
	z.Reset(out)
	if _, err := z.Write(body); err != nil {
		return clientGone(err)
	}
	return clientGone(z.Close())
}

// patient writes an answer in pieces and gives the client so long to take each:
// one that takes none holds its answer in memory no longer.
type patient struct {
	w       http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

const answerPiece = 256 << 10

func (p *patient) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		if p.stall > 0 {
			// A writer that knows no deadlines, as in tests, has none.
			_ = p.control.SetWriteDeadline(time.Now().Add(p.stall))
		}
		m, err := p.w.Write(b[:min(len(b), answerPiece)])
		n += m
		if err != nil {
			return n, err
		}
		b = b[m:]
	}
	return n, nil
}

// Less than this is not worth compressing.
const minCompressed = 1400

var gzipWriters = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return z
}}

func acceptsGzip(h http.Header) bool {
	for item := range strings.SplitSeq(h.Get("Accept-Encoding"), ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(item), ";")
		if coding != "gzip" && coding != "*" {
			continue
		}
		q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !ok || err == nil && weight > 0
	}
	return false
}

// clientGone is the error of an answer that could not be written: there is
// nobody left to tell.
func clientGone(err error) error {
	if err == nil {
		return nil
	}
	return &httpError{status: statusClientGone, msg: "write answer: " + err.Error()}
}
