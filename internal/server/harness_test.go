package server_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/logqltest"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/server"
	"github.com/remora-ray/remora/internal/store"
	"github.com/remora-ray/remora/internal/store/embedded"
)

// noon is the time of the servers under test.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// rig is a server under test, reached over HTTP.
type rig struct {
	t      *testing.T
	url    string
	server *server.Server
	store  store.Store
	log    *logBuffer
	reg    *prometheus.Registry
}

// option changes the configuration of a rig.
type option func(*server.Config)

func withStore(s store.Store) option    { return func(c *server.Config) { c.Store = s } }
func withLimits(l server.Limits) option { return func(c *server.Config) { c.Limits = l } }
func withEngine(e server.Engine) option { return func(c *server.Config) { c.Engine = e } }

func withAuth(t *testing.T, file string) option {
	auth, err := server.ParseAuth(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return func(c *server.Config) { c.Auth = auth }
}

// start runs a server over a store in memory, unless told otherwise.
func start(t *testing.T, opts ...option) *rig {
	t.Helper()
	reg := prometheus.NewRegistry()
	out := &logBuffer{}
	cfg := server.Config{
		Store: &memoryStore{}, Engine: exec.New(plan.Limits{}),
		Logger:     slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Registerer: reg, Gatherer: reg, Now: func() time.Time { return noon },
		Version: server.Version{Version: "v0.0.0-test", Revision: "abc"},
	}
	for _, o := range opts {
		o(&cfg)
	}
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		h.Close()
	})
	return &rig{t: t, url: h.URL, server: s, store: cfg.Store, log: out, reg: reg}
}

// openStore opens the real store in an empty directory.
func openStore(t *testing.T) *embedded.Engine {
	t.Helper()
	s, err := embedded.Open(embedded.Config{Dir: t.TempDir(), Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}

// answer is what a request came back with.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request; header is name, value, name, value…
func (r *rig) do(method, path string, body []byte, header ...string) answer {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	// As asked, and nothing that Go adds by itself.
	resp, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func (r *rig) get(path string, params ...string) answer {
	r.t.Helper()
	return r.do(http.MethodGet, address(path, params...), nil)
}

func address(path string, params ...string) string {
	v := url.Values{}
	for i := 0; i < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// push sends streams as our agent does.
func (r *rig) push(streams ...loki.Stream) answer {
	r.t.Helper()
	return r.do(http.MethodPost, "/loki/api/v1/push", s2.EncodeSnappy(nil, loki.AppendPush(nil, &loki.Push{Streams: streams})),
		"Content-Type", "application/x-protobuf")
}

// pushJSON sends a body as other clients do.
func (r *rig) pushJSON(body string, header ...string) answer {
	r.t.Helper()
	return r.do(http.MethodPost, "/loki/api/v1/push", []byte(body), append([]string{"Content-Type", "application/json"}, header...)...)
}

func (a answer) want(t *testing.T, status int, parts ...string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	for _, p := range parts {
		if !strings.Contains(a.body, p) {
			t.Errorf("answer lacks %q: %s", p, a.body)
		}
	}
}

// stream builds one of plain lines, a millisecond apart, ending at noon.
func stream(labels logs.Labels, lines ...string) loki.Stream {
	s := loki.Stream{Labels: labels}
	for i, l := range lines {
		s.Entries = append(s.Entries, logs.Entry{Time: noon.Add(time.Duration(i-len(lines)) * time.Millisecond).UnixNano(), Line: l})
	}
	return s
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// logBuffer collects what the server logs.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// memoryStore is a store without a disk, for what the real one cannot be made
// to do: fail, block, lose.
type memoryStore struct {
	mu        sync.Mutex
	records   map[string]logqltest.Memory
	batches   []store.Batch
	followers []func(*logs.Record)

	waits     atomic.Int64 // reads that wait for block
	appendErr error
	readErr   error
	notReady  error
	block     chan struct{}                        // Select waits for it
	follow    func(lost func(int)) <-chan struct{} // called when a tail begins
}

func (m *memoryStore) Append(_ context.Context, b store.Batch) (store.AppendResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.appendErr != nil {
		return store.AppendResult{}, m.appendErr
	}
	if m.records == nil {
		m.records = map[string]logqltest.Memory{}
	}
	m.batches = append(m.batches, b)
	n := 0
	for _, s := range b.Push.Streams {
		for _, e := range s.Entries {
			if s.Range != nil {
				e.Metadata = logs.Normalize(append(append([]logs.Label{}, s.Range.Metadata...), e.Metadata...))
			}
			rec := logs.Record{Stream: s.Labels, Entry: e}
			m.records[b.Tenant] = append(m.records[b.Tenant], rec)
			for _, f := range m.followers {
				f(&rec)
			}
			n++
		}
	}
	return store.AppendResult{Stored: n}, nil
}

func (m *memoryStore) of(tenants []string) logqltest.Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all logqltest.Memory
	for _, t := range tenants {
		all = append(all, m.records[t]...)
	}
	return all
}

func (m *memoryStore) wait(ctx context.Context) error {
	if m.block != nil {
		m.waits.Add(1)
		defer m.waits.Add(-1)
		select {
		case <-m.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return m.readErr
}

func (m *memoryStore) waiting() int { return int(m.waits.Load()) }

func (m *memoryStore) Select(ctx context.Context, tenants []string, sel logs.Selection, yield func(*logs.Record) error) error {
	if err := m.wait(ctx); err != nil {
		return err
	}
	return m.of(tenants).Select(ctx, sel, yield)
}

func (m *memoryStore) Buckets(ctx context.Context, tenants []string, q logs.BucketQuery, yield func(logs.Bucket) error) error {
	if err := m.wait(ctx); err != nil {
		return err
	}
	return m.of(tenants).Buckets(ctx, q, yield)
}

func (m *memoryStore) Streams(ctx context.Context, _ []string, _ []logs.Matcher, _, _ int64) ([]logs.Labels, error) {
	return nil, m.wait(ctx)
}

func (m *memoryStore) LabelNames(ctx context.Context, _ []string, _ []logs.Matcher, _, _ int64) ([]string, error) {
	return nil, m.wait(ctx)
}

func (m *memoryStore) LabelValues(ctx context.Context, _ []string, _ string, _ []logs.Matcher, _, _ int64) ([]string, error) {
	return nil, m.wait(ctx)
}

func (m *memoryStore) Stats(ctx context.Context, _ []string, _ []logs.Matcher, _, _ int64) (store.Stats, error) {
	return store.Stats{}, m.wait(ctx)
}

func (m *memoryStore) Offsets(_ context.Context, _ string, files []loki.FileID) ([]loki.FileOffsets, error) {
	out := make([]loki.FileOffsets, len(files))
	for i, f := range files {
		out[i].File = f
	}
	return out, m.readErr
}

func (m *memoryStore) Follow(ctx context.Context, _ []string, sel logs.Selection, to store.Follower) error {
	m.mu.Lock()
	m.followers = append(m.followers, func(r *logs.Record) {
		if logs.MatchesAll(sel.Matchers, r.Stream) {
			_ = to.Record(r)
		}
	})
	m.mu.Unlock()
	to.Begun()
	if m.follow != nil {
		<-m.follow(to.Lost)
	}
	<-ctx.Done()
	return ctx.Err()
}

func (m *memoryStore) Delete(context.Context, string, logs.Selection, string, func(*logs.Record) bool) error {
	return nil
}
func (m *memoryStore) Deletions(string) ([]store.Deletion, error) { return nil, nil }
func (m *memoryStore) Snapshot(context.Context, string) error     { return nil }
func (m *memoryStore) Ready() error                               { return m.notReady }
func (m *memoryStore) Close() error                               { return nil }
