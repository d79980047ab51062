package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/remora-ray/remora/internal/agent"
)

// server answers on one address, which a reload may change.
type server struct {
	log  *slog.Logger
	told func(addr string)

	mu   sync.Mutex
	addr string
	http *http.Server
}

// listen answers at addr from now on; "" ends that. If it cannot, nothing changes.
func (s *server) listen(addr string, h http.Handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if addr == s.addr {
		return nil
	}
	var next *http.Server
	if addr != "" {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("listen for metrics and probes: %w (choose another address with --listen or listen, or an empty one for none)", err)
		}
		next = &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute}
		go func() { _ = next.Serve(l) }()
		s.log.Info("listening", "addr", l.Addr().String(), "paths", "/metrics /healthz /readyz /status /-/reload")
		if s.told != nil {
			s.told(l.Addr().String())
		}
	}
	s.end()
	s.addr, s.http = addr, next
	return nil
}

// end lets requests that are being answered come to their end.
func (s *server) end() {
	if old := s.http; old != nil {
		go func() {
			ctx, cancel := timeout(answerWithin)
			defer cancel()
			_ = old.Shutdown(ctx)
			_ = old.Close()
		}()
	}
}

func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		_ = s.http.Close()
	}
}

func (f *fleet) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(f.o.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", f.answer((*agent.Health).Live, nil))
	mux.HandleFunc("GET /readyz", f.answer((*agent.Health).Ready, errStarting))
	mux.HandleFunc("GET /status", local(f.serveStatus))
	mux.HandleFunc("POST /-/reload", local(f.serveReload))
	return mux
}

// local refuses who is not on this machine (or in this pod).
func local(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !peer.Addr().Unmap().IsLoopback() {
			http.Error(w, "only for who asks from the same machine or pod, by a loopback address", http.StatusForbidden)
			return
		}
		h(w, r)
	}
}

var errStarting = errors.New("starting")

// answer asks every engine; absent is the answer of one that does not run.
func (f *fleet) answer(ask func(*agent.Health) error, absent error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		var errs []error
		for _, e := range f.all() {
			err := absent
			if h := e.health.Load(); h != nil {
				err = ask(h)
			}
			if err != nil && !e.spec.alone {
				err = fmt.Errorf("%s: %w", e.spec.name(), err)
			}
			errs = append(errs, err)
		}
		if err := errors.Join(errs...); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	}
}

func (f *fleet) serveReload(w http.ResponseWriter, r *http.Request) {
	switch err := f.ask(r.Context(), "POST /-/reload"); {
	case errors.Is(err, errEnding):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		_, _ = w.Write([]byte("reloaded\n"))
	}
}

func (f *fleet) serveStatus(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(f.status(r.Context()))
}
