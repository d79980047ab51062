package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// whose says which tenants a route works for.
type whose int

const (
	nobodys  whose = iota // no tenant and no token
	anybodys              // any known token
	oneTenant
	manyTenants
)

// route is one endpoint. Its name is the label of its metrics and logs.
type route struct {
	name    string
	pattern string
	methods []string
	whose   whose
	handle  func(*Server, http.ResponseWriter, *request) error
}

var (
	get     = []string{http.MethodGet, http.MethodHead}
	post    = []string{http.MethodPost}
	getPost = []string{http.MethodGet, http.MethodHead, http.MethodPost}

	getPostDelete = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}
)

var routeTable = []route{
	{"push", "/loki/api/v1/push", post, oneTenant, (*Server).push},
	{"otlp", "/otlp/v1/logs", post, oneTenant, (*Server).pushOTLP},
	{"offsets", "/api/remora/v1/offsets", post, oneTenant, (*Server).offsets},
	{"lines", "/api/remora/v1/lines", getPost, oneTenant, (*Server).lines},
	{"query_range", "/loki/api/v1/query_range", getPost, manyTenants, (*Server).queryRange},
	{"query", "/loki/api/v1/query", getPost, manyTenants, (*Server).query},
	{"labels", "/loki/api/v1/labels", getPost, manyTenants, (*Server).labelNames},
	{"labels", "/loki/api/v1/label", getPost, manyTenants, (*Server).labelNames},
	{"label_values", "/loki/api/v1/label/{name}/values", getPost, manyTenants, (*Server).labelValues},
	{"series", "/loki/api/v1/series", getPost, manyTenants, (*Server).series},
	{"index_stats", "/loki/api/v1/index/stats", getPost, manyTenants, (*Server).indexStats},
	{"volume", "/loki/api/v1/index/volume", getPost, manyTenants, (*Server).volume},
	{"volume_range", "/loki/api/v1/index/volume_range", getPost, manyTenants, (*Server).volumeRange},
	{"detected_labels", "/loki/api/v1/detected_labels", getPost, manyTenants, (*Server).detectedLabels},
	{"detected_fields", "/loki/api/v1/detected_fields", getPost, manyTenants, (*Server).detectedFields},
	{"detected_field_values", "/loki/api/v1/detected_field/{name}/values", getPost, manyTenants, (*Server).fieldValues},
	{"patterns", "/loki/api/v1/patterns", getPost, manyTenants, (*Server).patterns},
	{"tail", "/loki/api/v1/tail", get, manyTenants, (*Server).tail},
	{"delete", "/loki/api/v1/delete", getPostDelete, oneTenant, (*Server).deletions},
	{"format_query", "/loki/api/v1/format_query", getPost, anybodys, (*Server).formatQuery},
	{"buildinfo", "/loki/api/v1/status/buildinfo", get, anybodys, (*Server).buildInfo},
	{"drilldown_limits", "/loki/api/v1/drilldown-limits", get, anybodys, (*Server).drilldownLimits},
	{"rules", "/prometheus/api/v1/rules", get, anybodys, (*Server).noRules},
	{"alerts", "/prometheus/api/v1/alerts", get, anybodys, (*Server).noAlerts},
	{"config", "/config", get, anybodys, (*Server).config},
	{"services", "/services", get, anybodys, (*Server).services},
	{"metrics", "/metrics", get, anybodys, (*Server).serveMetrics},
	{"ready", "/ready", get, nobodys, (*Server).ready},
	{"page", "/", get, nobodys, (*Server).servePage},
}

func (s *Server) routes() {
	for _, r := range slices.Concat(routeTable, s.missingRoutes()) {
		s.mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { s.serve(&r, w, req) })
	}
}

// request is what a handler works on.
type request struct {
	*http.Request
	tenants []string      // as whose asks; at least one
	several bool          // the answer tells whose what is
	queued  time.Duration // spent waiting for a place
	stall   time.Duration // that a client may take for a piece of its answer
}

// serve does what is the same for every route.
func (s *Server) serve(rt *route, w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		fail(w, &httpError{status: http.StatusServiceUnavailable, msg: errClosing.Error(), retry: time.Second})
		return
	}
	defer s.working.Done()
	began := time.Now()
	// Work ends with the client or with the server.
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	stop := context.AfterFunc(s.closing, func() {
		if rt.name == "tail" {
			cancel(errClosing)
		}
	})
	defer stop()
	req := &request{Request: r.WithContext(ctx), stall: s.limits.AnswerStall}
	rec := &recorder{ResponseWriter: w}
	err := s.guarded(rt, rec, req)
	if err != nil && !rec.hijacked {
		if e := answerOf(ctx, err); rec.status == 0 {
			if rt.name == "otlp" {
				failOTLP(rec, e)
			} else {
				fail(rec, e)
			}
		}
	}
	s.account(rt, rec, req, time.Since(began), err)
}

// guarded runs a handler and turns a panic into an error.
func (s *Server) guarded(rt *route, w http.ResponseWriter, r *request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel that is never wrapped
				panic(p)
			}
			s.log.Error("handler panicked", "route", rt.name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = failf(http.StatusInternalServerError, "internal error: see the server's log")
		}
	}()
	if err := s.admit(rt, r); err != nil {
		if e, ok := err.(*httpError); ok && e.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="remora"`)
		}
		return err
	}
	if !slices.Contains(rt.methods, r.Method) {
		if rt.name == "page" && apiPath(r.URL.Path) {
			return s.unknownPath(r)
		}
		w.Header().Set("Allow", strings.Join(rt.methods, ", "))
		return failf(http.StatusMethodNotAllowed, "%s is not allowed for %s, use %s", r.Method, r.URL.Path, strings.Join(rt.methods, " or "))
	}
	// A page of another site that is open in somebody's browser must not be able
	// to push lines to a server on that somebody's machine.
	if err := sameOrigin.Check(r.Request); err != nil {
		return failf(http.StatusForbidden, "%s to %s from a page of another site: %v", r.Method, r.URL.Path, err)
	}
	if s.loki != nil && passed[rt.name] {
		return s.pass(w, r)
	}
	return rt.handle(s, w, r)
}

var sameOrigin = http.NewCrossOriginProtection()

// account logs and counts a request that is done.
func (s *Server) account(rt *route, rec *recorder, r *request, took time.Duration, err error) {
	status := rec.code()
	s.metrics.request(rt.name, status, took)
	level := slog.LevelDebug
	// 503 asks to come again: the store tells why, once and not for each push.
	if status >= 500 && status != http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	if !s.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("route", rt.name), slog.String("method", r.Method), slog.Int("status", status),
		slog.Duration("took", took), slog.Int64("bytes", rec.written),
	}
	if len(r.tenants) > 0 {
		attrs = append(attrs, slog.String("tenant", strings.Join(r.tenants, "|")))
	}
	if tags := r.Header.Get("X-Query-Tags"); tags != "" {
		attrs = append(attrs, slog.String("tags", cleanTags(tags)))
	}
	if err != nil {
		attrs = append(attrs, slog.String("err", shorten(err.Error(), 1024)))
	}
	s.log.LogAttrs(context.Background(), level, "request", attrs...)
}

// cleanTags keeps of X-Query-Tags what Loki keeps: [a-zA-Z0-9-=.@, ].
func cleanTags(tags string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-=.@, ", r) {
			return r
		}
		return '_'
	}, shorten(tags, 256))
}

// shorten cuts s to n bytes for a log or an error.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status   int
	written  int64
	hijacked bool
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.written += int64(n)
	return n, err
}

// Unwrap gives http.ResponseController what it asks for.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) code() int {
	switch {
	case w.hijacked:
		return http.StatusSwitchingProtocols
	case w.status == 0:
		return http.StatusOK
	}
	return w.status
}
