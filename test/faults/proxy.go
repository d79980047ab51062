package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// proxy stands between the agent and the server and does what networks and
// overloaded servers do.
type proxy struct {
	target string // URL
	addr   string
	mu     sync.Mutex
	server *http.Server
	client *http.Client
	mode   atomic.Pointer[mode]
}

// mode is how the proxy deals with a request.
type mode struct {
	name  string
	code  int           // answered without asking the server
	retry string        // Retry-After with it
	hang  chan struct{} // no answer before it is closed
	every int64         // for one request in so many; 0 means all
	after bool          // the server is asked first, then the connection breaks
	count atomic.Int64
}

func newProxy(listen, target string) (*proxy, error) {
	p := &proxy{target: target, client: &http.Client{Timeout: 35 * time.Second}}
	p.mode.Store(&mode{})
	return p, p.listen(listen)
}

func (p *proxy) listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	p.addr = l.Addr().String()
	s := &http.Server{Handler: p, ReadHeaderTimeout: 30 * time.Second}
	p.mu.Lock()
	p.server = s
	p.mu.Unlock()
	go func() { _ = s.Serve(l) }()
	return nil
}

// away breaks every connection and refuses new ones until back.
func (p *proxy) away() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.server.Close()
}

func (p *proxy) back() error { return p.listen(p.addr) }

func (p *proxy) set(m *mode) {
	if old := p.mode.Swap(m); old.hang != nil {
		close(old.hang)
	}
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := p.mode.Load()
	hit := m.every == 0 || m.count.Add(1)%m.every == 0
	switch {
	case hit && m.hang != nil:
		select {
		case <-m.hang:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case hit && m.code != 0:
		if m.retry != "" {
			w.Header().Set("Retry-After", m.retry)
		}
		http.Error(w, m.name, m.code)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	// What has arrived is passed on even if the agent dies meanwhile.
	req, err := http.NewRequest(r.Method, p.target+r.URL.RequestURI(), bytes.NewReader(body)) //nolint:noctx // see above
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req.Header = r.Header.Clone()
	resp, err := p.client.Do(req)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	if hit && m.after {
		panic(http.ErrAbortHandler)
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}
