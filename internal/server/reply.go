package server

import (
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// reply writes a JSON answer, compressed where that pays and the client reads
// it.
func reply(w http.ResponseWriter, r *request, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Encoding")
	if len(body) < minCompressed || !acceptsGzip(r.Header) {
		h.Set("Content-Length", strconv.Itoa(len(body)))
		_, err := w.Write(body)
		return clientGone(err)
	}
	h.Set("Content-Encoding", "gzip")
	z := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(z)
	z.Reset(w)
	if _, err := z.Write(body); err != nil {
		return clientGone(err)
	}
	return clientGone(z.Close())
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
