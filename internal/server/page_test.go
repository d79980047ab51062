package server

import (
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/prometheus/client_golang/prometheus"
)

// pageServer serves a made-up page and nothing else.
func pageServer(t *testing.T, built bool) http.Handler {
	t.Helper()
	script := strings.Repeat("console.log('remora');\n", 200)
	p, err := readPage(fstest.MapFS{
		"index.html":             {Data: []byte("<!doctype html><title>Remora</title>")},
		"icon.svg":               {Data: []byte("<svg/>")},
		"assets/index-Ab12.js":   {Data: []byte(script)},
		"assets/index-Cd34.css":  {Data: []byte("body{}")},
		"assets/font-Ef56.woff2": {Data: []byte("\x00\x01")},
	}, built)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{page: p, limits: Limits{}.withDefaults(), mux: http.NewServeMux(), log: slog.New(slog.DiscardHandler)}
	s.queries, s.memory = newGate(1, 1), newBudget(1)
	s.closing, s.close = t.Context(), func() {}
	if s.metrics, err = newMetrics(prometheus.NewRegistry(), s); err != nil {
		t.Fatal(err)
	}
	s.routes()
	return s
}

func TestPage(t *testing.T) {
	const html = "text/html; charset=utf-8"
	tests := []struct {
		name, path, accept string
		status             int
		contentType, cache string
	}{
		{"page", "/", "*/*", 200, html, "no-cache"},
		{"page by name", "/index.html", "", 200, html, "no-cache"},
		{"a route of the page", "/sessions/session_1", "text/html,application/xml", 200, html, "no-cache"},
		{"the same for a program", "/sessions/session_1", "*/*", 404, "text/plain; charset=utf-8", "no-store"},
		{"icon", "/icon.svg", "image/*", 200, "image/svg+xml", "no-cache"},
		{"script", "/assets/index-Ab12.js", "*/*", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"style", "/assets/index-Cd34.css", "*/*", 200, "text/css; charset=utf-8", "public, max-age=31536000, immutable"},
		{"font", "/assets/font-Ef56.woff2", "*/*", 200, "font/woff2", "public, max-age=31536000, immutable"},
		{"a file that is not there", "/assets/index-old.js", "text/html", 404, "text/plain; charset=utf-8", "no-store"},
		{"an endpoint that is not there", "/loki/api/v1/x", "text/html", 404, "text/plain; charset=utf-8", "no-store"},
		{"a directory", "/assets", "*/*", 404, "text/plain; charset=utf-8", "no-store"},
	}
	h := pageServer(t, true)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(h, tt.path, "Accept", tt.accept)
			if w.Code != tt.status || w.Header().Get("Content-Type") != tt.contentType || w.Header().Get("Cache-Control") != tt.cache {
				t.Errorf("%d %v: %s", w.Code, w.Header(), w.Body)
			}
			if w.Code != 200 {
				return
			}
			if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "connect-src 'self'") {
				t.Errorf("content security policy %q", csp)
			}
			if again := ask(h, tt.path, "Accept", tt.accept, "If-None-Match", `"x", `+w.Header().Get("ETag")); again.Code != 304 || again.Body.Len() != 0 {
				t.Errorf("with its ETag: %d, %d bytes", again.Code, again.Body.Len())
			}
		})
	}
}

func ask(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPageIsCompressed(t *testing.T) {
	h := pageServer(t, true)
	plain := ask(h, "/assets/index-Ab12.js")
	packed := ask(h, "/assets/index-Ab12.js", "Accept-Encoding", "gzip, br")
	if plain.Header().Get("ETag") == packed.Header().Get("ETag") || packed.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("a cache would mix them up: %v, %v", plain.Header(), packed.Header())
	}
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(z); err != nil || string(body) != plain.Body.String() {
		t.Errorf("%v: %d bytes, want %d", err, len(body), plain.Body.Len())
	}
}

func TestPageNotBuilt(t *testing.T) {
	h := pageServer(t, false)
	if w := ask(h, "/"); w.Code != 200 || !strings.Contains(w.Body.String(), "built without its page") || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	if w := ask(h, "/x", "Accept", "text/html"); w.Code != 404 {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}
