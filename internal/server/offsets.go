package server

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/remora-ray/remora/internal/loki"
)

// offsets tells an agent how far the server has its files:
// POST /api/remora/v1/offsets.
func (s *Server) offsets(w http.ResponseWriter, r *request) error {
	defer s.bodyDeadline(w)()
	var req loki.OffsetsRequest
	// An identity takes 35 bytes of JSON; twice that leaves room for spaces.
	body := http.MaxBytesReader(w, r.Body, int64(s.limits.OffsetFiles)*70+1024)
	if err := json.NewDecoder(body).Decode(&req); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return err
		}
		return failf(http.StatusBadRequest, `read request: %v: want {"files": ["32 hex digits", …]}`, err)
	}
	if len(req.Files) > s.limits.OffsetFiles {
		return failf(http.StatusRequestEntityTooLarge, "asked about %d files, at most %d are allowed at once", len(req.Files), s.limits.OffsetFiles)
	}
	files, err := s.store.Offsets(r.Context(), r.tenants[0], req.Files)
	if err != nil {
		return err
	}
	if files == nil {
		files = []loki.FileOffsets{}
	}
	answer, err := json.Marshal(loki.OffsetsResponse{Files: files})
	if err != nil {
		return err
	}
	return reply(w, r, answer)
}
