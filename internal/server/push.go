package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// push takes lines: POST /loki/api/v1/push.
func (s *Server) push(w http.ResponseWriter, r *request) error {
	received := s.now()
	body, err := s.readPush(w, r)
	if err != nil {
		return err
	}
	defer body.release()
	return s.accept(w, r, received, body)
}

// accept checks a push that has been read, stores it and answers.
func (s *Server) accept(w http.ResponseWriter, r *request, received time.Time, body *pushBody) error {
	if len(body.push.Streams)+len(body.push.Unreadable) == 0 {
		return failf(http.StatusUnprocessableEntity, "error at least one valid stream is required for ingestion")
	}
	tenant := r.tenants[0]
	if lines, size := sizeOf(body.push); !s.tenants.push(tenant, size) {
		s.metrics.pushLines.WithLabelValues("rejected").Add(float64(lines))
		return &httpError{status: http.StatusTooManyRequests, retry: time.Second, msg: fmt.Sprintf(
			"ingestion rate limit exceeded for user %s (limit: %.0f bytes/sec) while attempting to ingest '%d' lines totaling '%d' bytes, "+
				"reduce log volume or contact your Loki administrator to see if the limit can be increased",
			tenant, s.tenants.limits(tenant).RateMB*(1<<20), lines, size)}
	}
	check := pushCheck{
		limits: &s.limits, tenant: tenant, now: received, tenants: s.tenants, repeats: s.repeats,
		lineBytes: cmp.Or(s.tenants.limits(tenant).LineBytes, s.limits.LineBytes),
	}
	if err := check.run(body.push); err != nil {
		return err
	}
	s.metrics.pushLines.WithLabelValues("rejected").Add(float64(check.rejected))
	s.metrics.pushLines.WithLabelValues("duplicate").Add(float64(check.again))
	batch := store.Batch{Tenant: r.tenants[0], Received: received, Push: body.push, Known: check.marked}
	if !check.changed {
		batch.Body = body.snappy
	}
	if err := s.append(r, batch); err != nil {
		var refused *store.RefusedError
		if errors.As(err, &refused) {
			s.metrics.refused.Add(float64(len(refused.Files)))
			return refuse(w, refused)
		}
		return err
	}
	s.repeats.stored(check.lines)
	if err := check.complaint(); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) append(r *request, b store.Batch) error {
	if !holds(b.Push) {
		return nil
	}
	result, err := s.store.Append(r.Context(), b)
	s.metrics.pushLines.WithLabelValues("stored").Add(float64(result.Stored))
	s.metrics.pushLines.WithLabelValues("duplicate").Add(float64(result.Duplicate))
	return err
}

// holds reports whether there is anything to store: lines, or a range of a file
// of which no line was left.
func holds(p *loki.Push) bool {
	for i := range p.Streams {
		if len(p.Streams[i].Entries) > 0 || p.Streams[i].Range != nil {
			return true
		}
	}
	return false
}

// bodyDeadline gives a client so long to send its body.
func (s *Server) bodyDeadline(w http.ResponseWriter) (clear func()) {
	rc := http.NewResponseController(w)
	// A writer that knows no deadlines, as in tests, has none.
	_ = rc.SetReadDeadline(time.Now().Add(s.limits.BodyTimeout))
	return func() { _ = rc.SetReadDeadline(time.Time{}) }
}
