// Package server answers Loki's HTTP API, Remora's few additions to it and the
// page, over a store and a LogQL engine. Each handler lies in a file of its own
// and does three things: parse, call, encode.
//
//	request ─▶ route (limits, log, metrics, panic) ─▶ auth, tenant ─▶ handler ─▶ store or engine
//	                       ▲                                            │
//	                       └────────────── fail: error → status ◀───────┘
//
// Invariant: a push is answered with 2xx only after Store.Append returned nil
// for everything of it, and every other answer says in a sentence what was not
// done and why.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/store"
)

// Engine runs a query; *exec.Engine is one.
type Engine interface {
	Prepare(query string) (*exec.Prepared, error)
	Run(ctx context.Context, src exec.Source, p exec.Params) (*exec.Result, error)
}

// Version is what status/buildinfo answers.
type Version struct {
	Version, Revision, Branch, BuildUser, BuildDate string
}

// Config of a server. Store and Engine are needed, everything else has a
// default.
type Config struct {
	Store      store.Store
	Engine     Engine
	Logger     *slog.Logger
	Registerer prometheus.Registerer // of the server's own metrics
	Gatherer   prometheus.Gatherer   // of what /metrics shows; nil: the default one
	Auth       *Auth                 // nil: no token is asked for
	Version    Version
	Limits     Limits
	Tenants    *LimitsFile // limits of single tenants; nil: the server's
	Loki       *url.URL    // of a Loki that answers what is asked of lines; nil: the store does
	Now        func() time.Time
}

// Server is an http.Handler. Close it before its store.
type Server struct {
	store   store.Store
	engine  Engine
	wide    Engine // with more series; may be nil
	log     *slog.Logger
	auth    *Auth
	version Version
	limits  Limits
	now     func() time.Time
	metrics *metrics
	mux     *http.ServeMux
	scrape  http.Handler
	page    *page
	loki    http.Handler // answers what is passed on; nil: nothing is

	queries *gate   // bounds queries at work
	memory  *budget // bounds the bytes of pushes at work
	tails   tailCount
	tenants *limiter
	repeats *repeats

	closing context.Context // done when Close was called
	close   context.CancelFunc
	mu      sync.Mutex // orders begin and Close
	working sync.WaitGroup
}

// New returns a server that is ready for requests; Serve listens for them.
func New(cfg Config) (*Server, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("server needs a store")
	case cfg.Engine == nil:
		return nil, errors.New("server needs a query engine")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Registerer == nil {
		cfg.Registerer = prometheus.NewRegistry()
	}
	if cfg.Gatherer == nil {
		cfg.Gatherer = prometheus.DefaultGatherer
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	limits := cfg.Limits.withDefaults()
	s := &Server{
		store: cfg.Store, engine: cfg.Engine, wide: wideEngine(cfg.Engine), log: cfg.Logger, auth: cfg.Auth, version: cfg.Version,
		limits: limits, now: cfg.Now,
		mux:     http.NewServeMux(),
		queries: newGate(limits.Queries, limits.QueuedQueries),
		memory:  newBudget(limits.PushMemory),
		tenants: newLimiter(cfg.Tenants, cfg.Now),
		repeats: newRepeats(),
	}
	s.closing, s.close = context.WithCancel(context.Background())
	var err error
	if s.page, err = builtPage(); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(cfg.Registerer, s); err != nil {
		return nil, err
	}
	s.scrape = promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{ErrorLog: promLog{s.log}})
	if cfg.Loki != nil {
		s.loki = passTo(cfg.Loki, cfg.Logger)
	}
	s.routes()
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close ends tails, refuses new requests and returns when those at work are
// done or ctx ends.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.close()
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.working.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("requests are still at work")
	}
}

// begin counts a request in, unless the server is closing.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Err() != nil {
		return false
	}
	s.working.Add(1)
	return true
}

// promLog passes errors of the metrics page on.
type promLog struct{ log *slog.Logger }

func (l promLog) Println(v ...any) { l.log.Warn("gather metrics", "err", v) }
