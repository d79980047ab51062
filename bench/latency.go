package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/test/loopback"
)

// latencyFigures are the times from a line's write to its file until our server
// has acknowledged it, which it does once it is durable.
type latencyFigures struct {
	half, p99, most time.Duration
	first           time.Duration // of the first lines of a session that the agent meets as it starts
}

// gate stands between agent and server and notes when which bytes of a file are
// acknowledged.
type gate struct {
	server string

	mu      sync.Mutex
	pending map[string][]write // by file name, in order
	waiting int                // lines
	times   []time.Duration    // of each line
}

// write is what was written to a file at once.
type write struct {
	end   int64 // offset behind it
	at    time.Time
	lines int
}

func (g *gate) wrote(name string, end int64, lines int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending[name] = append(g.pending[name], write{end, time.Now(), lines})
	g.waiting += lines
}

func (g *gate) acknowledged(p *loki.Push) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range p.Streams {
		r := p.Streams[i].Range
		if r == nil {
			continue
		}
		name := r.Metadata.Get("filename")
		for w := g.pending[name]; len(w) > 0 && w[0].end <= int64(r.To); w = g.pending[name] {
			g.times = append(g.times, slices.Repeat([]time.Duration{time.Since(w[0].at)}, w[0].lines)...)
			g.waiting -= w[0].lines
			g.pending[name] = w[1:]
		}
	}
}

// ServeHTTP passes a request on.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	code, body, err := g.pass(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

func (g *gate) pass(r *http.Request) (code int, answer []byte, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, g.server+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header = r.Header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		return 0, nil, err
	}
	if r.URL.Path != "/loki/api/v1/push" || resp.StatusCode/100 != 2 {
		return resp.StatusCode, answer, nil
	}
	text, err := s2.Decode(nil, body)
	if err != nil {
		return 0, nil, err
	}
	p, err := loki.DecodePush(text)
	if err != nil {
		return 0, nil, err
	}
	g.acknowledged(p)
	return resp.StatusCode, answer, nil
}

// durable writes at the pace with our server behind the agent.
func (b *agentBench) durable(ctx context.Context) error {
	b.say("from write to durable at our server, for %v", b.latencySpan)
	c, server, err := b.server(ctx, b.path("data"))
	if err != nil {
		return err
	}
	defer c.kill()
	g := &gate{server: server, pending: map[string][]write{}}
	front := httptest.NewServer(g)
	defer front.Close()
	root := b.path("durable")
	w, err := newWriter(b.seed, root, paceFiles)
	if err != nil {
		return err
	}
	defer w.close()
	w.note = g.wrote
	d, err := b.launch(b.ours(), root, front.URL)
	if err != nil {
		return err
	}
	defer d.kill()
	// The agent starts, and waits for the names that tell what node this is: that is told apart.
	for range w.files {
		if err := w.write(paceLines); err != nil {
			return err
		}
	}
	first, err := g.taken(ctx)
	if err != nil {
		return err
	}
	if err := w.pace(ctx, b.latencySpan); err != nil {
		return err
	}
	times, err := g.taken(ctx)
	if err != nil {
		return err
	}
	n := len(times)
	b.latency = latencyFigures{half: times[n/2], p99: times[n*99/100], most: times[n-1], first: first[len(first)-1]}
	return stored(ctx, server, w.lines.Number)
}

// server starts ours, with its store in data.
func (b *bench) server(ctx context.Context, data string, more ...string) (*child, string, error) {
	addr, err := loopback.Address()
	if err != nil {
		return nil, "", err
	}
	c, err := serving(ctx, addr, "/ready", func() (*child, error) {
		args := []string{filepath.Join(b.bin, "remora"), "server", "--data", data, "--listen", addr, "--log-level", "warn"}
		return start("remora server", append(args, more...)...)
	})
	return c, "http://" + addr, err
}

// taken waits until every line is acknowledged, and returns how long that took of each
// since the last call, in order.
func (g *gate) taken(ctx context.Context) ([]time.Duration, error) {
	for range 300 {
		g.mu.Lock()
		waiting, times := g.waiting, g.times
		if waiting == 0 {
			g.times = nil
		}
		g.mu.Unlock()
		if waiting == 0 {
			slices.Sort(times)
			return times, nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("lines are not acknowledged half a minute after the last write")
}

// stored asks a server whether it holds exactly n lines.
func stored(ctx context.Context, server string, n int64) error {
	q := url.Values{"query": {"sum(count_over_time({job=~\".+\"}[1h]))"}, "time": {strconv.FormatInt(time.Now().Add(time.Minute).UnixNano(), 10)}}
	var a answer
	if err := getJSON(ctx, server+"/loki/api/v1/query?"+q.Encode(), &a); err != nil {
		return err
	}
	if got := a.total(); got != n {
		return fmt.Errorf("the server holds %d lines, %d were written", got, n)
	}
	return nil
}
