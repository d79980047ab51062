package server

import (
	"encoding/json"
	"net/http"
	"runtime"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// ready answers /ready: whether lines are taken and queries answered.
func (s *Server) ready(w http.ResponseWriter, _ *request) error {
	if err := s.store.Ready(); err != nil {
		return busyf(0, "not ready: %v", err)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := w.Write([]byte("ready\n"))
	return clientGone(err)
}

// buildInfo answers /loki/api/v1/status/buildinfo.
func (s *Server) buildInfo(w http.ResponseWriter, r *request) error {
	body, err := json.Marshal(struct {
		Version   string `json:"version"`
		Revision  string `json:"revision"`
		Branch    string `json:"branch"`
		BuildUser string `json:"buildUser"`
		BuildDate string `json:"buildDate"`
		GoVersion string `json:"goVersion"`
	}{s.version.Version, s.version.Revision, s.version.Branch, s.version.BuildUser, s.version.BuildDate, runtime.Version()})
	if err != nil {
		return err
	}
	return replyAbout(w, r, body)
}

// serveMetrics answers /metrics.
func (s *Server) serveMetrics(w http.ResponseWriter, r *request) error {
	s.scrape.ServeHTTP(w, r.Request)
	return nil
}

// formatQuery answers /loki/api/v1/format_query: a query as our printer writes
// it.
func (s *Server) formatQuery(w http.ResponseWriter, r *request) error {
	if err := s.form(w, r); err != nil {
		return err
	}
	type answer struct {
		Status string `json:"status"`
		Data   string `json:"data,omitempty"`
		Error  string `json:"error,omitempty"`
	}
	status, a := http.StatusOK, answer{Status: "success"}
	if e, err := syntax.Parse(r.Form.Get("query")); err != nil {
		status, a = http.StatusBadRequest, answer{Status: "invalid-query", Error: err.Error()}
	} else {
		a.Data = syntax.Format(e)
	}
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, err = w.Write(body)
		return clientGone(err)
	}
	return reply(w, r, body)
}
