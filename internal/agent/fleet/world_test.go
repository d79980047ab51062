package fleet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/remora-ray/remora/internal/agent/config"
)

// world is a Ray root, a configuration file and the fleet that runs on them.
type world struct {
	t        *testing.T
	dir      string
	file     string // of the configuration
	o        Options
	addrs    chan string
	log      bytes.Buffer
	logMu    sync.Mutex
	stop     context.CancelFunc
	done     chan error
	url      string
	registry *prometheus.Registry
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), addrs: make(chan string, 4), done: make(chan error, 1), registry: prometheus.NewRegistry()}
	w.file = filepath.Join(w.dir, "agent.yaml")
	w.mkdir("ray/session_2026-11-21_05-06-01_604983_1/logs")
	w.o = Options{
		Load:     func() (*config.Config, error) { return config.Load(w.file, os.LookupEnv) },
		Logger:   slog.New(slog.NewTextHandler(w, nil)),
		Registry: w.registry, Output: io.Discard, Poll: 10 * time.Millisecond, Retry: 20 * time.Millisecond,
		listening: func(addr string) { w.addrs <- addr },
	}
	return w
}

// Write takes the fleet's own log.
func (w *world) Write(b []byte) (int, error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.Write(b)
}

func (w *world) said() string {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.String()
}

func (w *world) mkdir(rel string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Join(w.dir, rel), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// append writes lines to a log file.
func (w *world) append(name, text string) {
	w.t.Helper()
	f, err := os.OpenFile(filepath.Join(w.dir, "ray/session_2026-11-21_05-06-01_604983_1/logs", name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		w.t.Fatal(err)
	}
}

// configure writes the configuration file: settings, and outputs by name and URL.
func (w *world) configure(settings string, outputs ...string) {
	w.t.Helper()
	text := fmt.Sprintf("state: %s/state\nlisten: 127.0.0.1:0\ncluster: c\nscan_interval: 100ms\nbatch_wait: 20ms\ndrain_timeout: 10s\nsources: [{ray: {root: %s/ray}}]\n%s\noutputs:\n", w.dir, w.dir, settings)
	for i := 0; i < len(outputs); i += 2 {
		text += fmt.Sprintf("- name: %s\n  remora: {url: %q}\n", outputs[i], outputs[i+1])
	}
	w.write(text)
}

// write replaces the configuration by rename, as editors do.
func (w *world) write(text string) {
	w.t.Helper()
	if err := os.WriteFile(w.file+".new", []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(w.file+".new", w.file); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) start() {
	w.t.Helper()
	conf, err := w.o.Load()
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	go func() { w.done <- Run(ctx, conf, w.o) }()
	select {
	case addr := <-w.addrs:
		w.url = "http://" + addr
	case err := <-w.done:
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		cancel()
		if err := <-w.done; err != nil {
			w.t.Errorf("the end: %v", err)
		}
	})
}

func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			w.t.Fatalf("never came true: %s\n%s", what, w.said())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (w *world) arrived(r *receiver, want ...string) {
	w.t.Helper()
	w.until(fmt.Sprintf("%q arrived", want), func() bool { return len(r.lines()) >= len(want) })
	if diff := cmp.Diff(want, r.lines()); diff != "" {
		w.t.Fatalf("lines (-want +got):\n%s", diff)
	}
}

func (w *world) metric(name, labels string) string {
	w.t.Helper()
	resp, err := http.Get(w.url + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, name+labels+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (w *world) reloads(result string) func() bool {
	return func() bool {
		return w.metric("remora_agent_config_reloads_total", `{result="`+result+`"}`) != "0"
	}
}

func (w *world) get(path string) (int, string) {
	w.t.Helper()
	resp, err := http.Get(w.url + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (w *world) post(path string) (int, string) {
	w.t.Helper()
	resp, err := http.Post(w.url+path, "", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
