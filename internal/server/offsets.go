package server

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/remora-ray/remora/internal/loki"
)

// offsets tells an agent how far the server has its files, and which file one of
// its generations belongs to:
// POST /api/remora/v1/offsets.
func (s *Server) offsets(w http.ResponseWriter, r *request) error {
	defer s.bodyDeadline(w)()
	var req loki.OffsetsRequest
	// An identity takes 35 bytes of JSON, a fingerprint 39; twice that leaves room
	// for spaces.
	body := http.MaxBytesReader(w, r.Body, int64(s.limits.OffsetFiles)*70+int64(s.limits.OffsetGenerations)*80+1024)
	if err := json.NewDecoder(body).Decode(&req); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return err
		}
		return failf(http.StatusBadRequest, `read request: %v: want {"files": ["32 hex digits", …], "generations": ["base64", …]}`, err)
	}
	if len(req.Files) > s.limits.OffsetFiles {
		return failf(http.StatusRequestEntityTooLarge, "asked about %d files, at most %d are allowed at once", len(req.Files), s.limits.OffsetFiles)
	}
	if n, most := len(req.Generations), s.limits.OffsetGenerations; n > most {
		return failf(http.StatusRequestEntityTooLarge, "asked about %d generations, at most %d are allowed at once", n, most)
	}
	resp := loki.OffsetsResponse{Files: []loki.FileOffsets{}}
	if len(req.Files) > 0 {
		var err error
		if resp.Files, err = s.store.Offsets(r.Context(), r.tenants[0], req.Files); err != nil {
			return err
		}
	}
	if len(req.Generations) > 0 {
		var err error
		if resp.Found, err = s.store.Holding(r.Context(), r.tenants[0], req.Generations); err != nil {
			return err
		}
	}
	answer, err := json.Marshal(resp)
	if err != nil {
		return err
	}
	return reply(w, r, answer)
}
