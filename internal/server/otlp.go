package server

import (
	"encoding/binary"
	"errors"
	"net/http"
	"strings"

	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/otlp"
)

// Names of the attributes that make streams.
var otlpLabels = otlp.LabelAttributes()

// pushOTLP takes lines as OpenTelemetry's exporters send them: POST /otlp/v1/logs.
func (s *Server) pushOTLP(w http.ResponseWriter, r *request) error {
	received := s.now()
	decode := otlp.Decode
	switch kind := r.Header.Get("Content-Type"); kind {
	case "application/x-protobuf":
	case "application/json":
		decode = otlp.DecodeJSON
	default:
		return failf(http.StatusBadRequest, "content type: %s is not supported", shorten(kind, 100))
	}
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	switch encoding {
	case "", "identity", "gzip", "zstd", "lz4":
	default:
		return failf(http.StatusBadRequest, "unsupported content encoding %s: only gzip, lz4 and zstd are supported", shorten(encoding, 64))
	}
	body, err := s.readEncoded(w, r, encoding, func(raw []byte, m *memory) (*pushBody, error) {
		if int64(len(raw)) > s.limits.PushDecoded {
			return nil, s.bomb()
		}
		if !m.grow(int64(len(raw)) * (1 + otlpCost)) {
			return nil, s.outOfMemory()
		}
		s.metrics.pushBytes.WithLabelValues("decompressed").Add(float64(len(raw)))
		p, err := decode(raw, received)
		return &pushBody{push: p}, err
	})
	if err != nil {
		return err
	}
	defer body.release()
	return s.accept(w, r, received, body)
}

// otlpCost is how many times a body's bytes the push made of it takes: its text,
// and a label for each attribute of each line.
const otlpCost = 6

// failOTLP answers an error as OTLP asks: a google.rpc.Status as protobuf. An
// internal error becomes 503, as exporters send again after that only.
func failOTLP(w http.ResponseWriter, e *httpError) {
	if e.status == http.StatusInternalServerError {
		e = &httpError{status: http.StatusServiceUnavailable, msg: e.msg, retry: e.retry}
	}
	const message = 2<<3 | 2
	body := binary.AppendUvarint([]byte{message}, uint64(len(e.msg)))
	body = append(body, e.msg...)
	setRetry(w, e)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(e.status)
	_, _ = w.Write(body)
}

func malformed(err error) bool {
	return errors.Is(err, loki.ErrMalformed) || errors.Is(err, otlp.ErrMalformed)
}
