package server

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// passed are the routes that a Loki behind this server answers itself: its LogQL
// and all that is asked of lines. Pushes and offsets are ours also then, as they
// keep each line once.
var passed = map[string]bool{
	"query_range": true, "query": true, "labels": true, "label_values": true, "series": true, "index_stats": true,
	"volume": true, "volume_range": true, "detected_labels": true, "detected_fields": true, "detected_field_values": true,
	"patterns": true, "tail": true, "delete": true, "format_query": true, "drilldown_limits": true,
}

// passTo hands requests to a Loki as they are; the tenant is the one that was
// admitted, and the token stays here.
func passTo(loki *url.URL, log *slog.Logger) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(loki)
			r.Out.Header.Del("Authorization")
			r.Out.Header.Del("Cookie")
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				fail(w, answerOf(r.Context(), r.Context().Err()))
				return
			}
			log.Warn("the Loki behind this server does not answer", "loki", loki.Host, "error", err)
			fail(w, &httpError{status: http.StatusBadGateway, msg: "the Loki behind this server does not answer: " + rootOf(err).Error()})
		},
		FlushInterval: -1, // tails
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func rootOf(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// pass gives a request to the Loki behind this server.
func (s *Server) pass(w http.ResponseWriter, r *request) error {
	r.Header.Set("X-Scope-OrgID", strings.Join(r.tenants, "|"))
	s.loki.ServeHTTP(w, r.Request)
	return nil
}
