package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/remora-ray/remora/web"
)

// page is the built page, read once.
type page struct {
	files map[string]*asset // by path without the leading slash
	built bool
}

// asset is one file of the page.
type asset struct {
	body        []byte
	packed      []byte // body as gzip, nil where that is no smaller
	contentType string
	etag        string // of the content
	immutable   bool   // its name changes with its content
}

// contentSecurity lets the page talk to this server and to nobody else, as the
// page itself asks for in its head.
const contentSecurity = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// builtPage is the page that this program was built with, read and compressed
// once.
var builtPage = sync.OnceValues(func() (*page, error) {
	files, built := web.Files()
	return readPage(files, built)
})

func readPage(files fs.FS, built bool) (*page, error) {
	p := &page{files: map[string]*asset{}, built: built}
	if !built {
		return p, nil
	}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		p.files[name], err = newAsset(name, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	return p, nil
}

// contentTypes of a built page, so that they do not depend on the machine.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2", ".json": "application/json",
	".webmanifest": "application/manifest+json", ".map": "application/json", ".txt": "text/plain; charset=utf-8",
}

func newAsset(name string, body []byte) (*asset, error) {
	sum := sha256.Sum256(body)
	a := &asset{
		body: body, contentType: contentTypes[path.Ext(name)],
		etag:      base64.RawURLEncoding.EncodeToString(sum[:12]),
		immutable: strings.HasPrefix(name, "assets/"), // where Vite puts files named by a hash
	}
	if a.contentType == "" {
		a.contentType = mime.TypeByExtension(path.Ext(name))
	}
	if a.contentType == "" {
		a.contentType = "application/octet-stream"
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if packed.Len() < len(body)*9/10 {
		a.packed = packed.Bytes()
	}
	return a, nil
}

// servePage answers everything that is no endpoint: files of the page, the page
// itself for its own routes, and a sentence for what is not there.
func (s *Server) servePage(w http.ResponseWriter, r *request) error {
	if apiPath(r.URL.Path) {
		return s.unknownPath(r)
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = "index.html"
	}
	if !s.page.built {
		return s.noPage(w, r, name)
	}
	a := s.page.files[name]
	if a == nil && path.Ext(name) == "" && acceptsHTML(r.Header) {
		a = s.page.files["index.html"] // a route of the page's own
	}
	if a == nil {
		return s.unknownPath(r)
	}
	return a.serve(w, r)
}

func (a *asset) serve(w http.ResponseWriter, r *request) error {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", contentSecurity)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache") // ask each time, by ETag
	if a.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body, etag := a.body, `"`+a.etag+`"`
	if a.packed != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header) {
			body, etag = a.packed, `"`+a.etag+`-gz"`
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", etag)
	if matchesETag(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, err := w.Write(body)
	return clientGone(err)
}

func matchesETag(header, etag string) bool {
	for item := range strings.SplitSeq(header, ",") {
		item = strings.TrimPrefix(strings.TrimSpace(item), "W/")
		if item == "*" || item == etag {
			return true
		}
	}
	return false
}

// noPage explains a program that was built without the page.
func (s *Server) noPage(w http.ResponseWriter, r *request, name string) error {
	if name != "index.html" {
		return s.unknownPath(r)
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_, err := w.Write([]byte("Remora is running, but this program was built without its page: build it with \"make build\".\n" +
		"Everything else works: Loki's API under /loki/api/v1/, and the commands remora query and remora tail.\n"))
	return clientGone(err)
}

// apiPath reports whether a path belongs to programs, not to people's browsers.
func apiPath(p string) bool {
	for _, root := range []string{"/loki", "/api", "/otlp", "/prometheus", "/metrics", "/ready", "/config", "/services", "/debug"} {
		if p == root || strings.HasPrefix(p, root+"/") {
			return true
		}
	}
	return false
}

func (s *Server) unknownPath(r *request) error {
	return failf(http.StatusNotFound, "there is nothing at %s: Loki's API is under /loki/api/v1/, the page at /", shorten(r.URL.Path, 200))
}

func acceptsHTML(h http.Header) bool { return strings.Contains(h.Get("Accept"), "text/html") }
