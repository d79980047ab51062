package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

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

func TestEachOutputGetsEachLineAndWaitsForNobody(t *testing.T) {
	w := newWorld(t)
	a, b := newReceiver(t), newReceiver(t)
	b.setAway(true)
	w.configure("", "a", a.URL, "b", b.URL)
	w.append("raylet.out", "one\ntwo\n")
	w.start()
	w.arrived(a, "one", "two")
	w.until("it is not ready", func() bool { code, _ := w.get("/readyz"); return code == 503 })
	if _, text := w.get("/readyz"); !strings.Contains(text, "ray.b: the server has not taken lines") || strings.Contains(text, "ray.a") {
		t.Errorf("readyz says %q", text)
	}
	if code, _ := w.get("/healthz"); code != 200 {
		t.Errorf("healthz answers %d", code)
	}
	b.setAway(false)
	w.arrived(b, "one", "two")
	w.until("it is ready", func() bool { code, _ := w.get("/readyz"); return code == 200 })
	for _, output := range []string{"a", "b"} {
		if _, err := os.Stat(filepath.Join(w.dir, "state/ray."+output, "positions")); err != nil {
			t.Error(err)
		}
		if got := w.metric("remora_agent_lines_total", `{output="`+output+`",source="ray"}`); got != "2" {
			t.Errorf("output %s has read %q lines", output, got)
		}
	}
}

func TestAFileThatChangesIsReadAgain(t *testing.T) {
	w := newWorld(t)
	a, b := newReceiver(t), newReceiver(t)
	w.configure("labels: {stage: before}", "a", a.URL)
	w.append("raylet.out", "one\n")
	w.start()
	w.arrived(a, "one")

	w.configure("# another comment\nlabels: {stage: before}", "a", a.URL, "b", b.URL)
	w.until("it is read", w.reloads("success"))
	w.arrived(b, "one")
	if got := w.metric("remora_agent_lines_total", `{output="a",source="ray"}`); got != "1" {
		t.Errorf("the engine that stays the same has read %q lines: it was disturbed", got)
	}

	w.configure("labels: {stage: after}", "b", b.URL)
	w.until("it is read", func() bool { return strings.Contains(w.said(), "an engine has ended") })
	w.until("the other is replaced", func() bool {
		return w.metric("remora_agent_lines_total", `{output="b",source="ray"}`) == "0"
	})
	w.append("raylet.out", "two\n")
	w.arrived(b, "one", "two")
	w.arrived(a, "one")
	rows := b.stored()
	if rows[0].labels.Get("stage") != "before" || rows[1].labels.Get("stage") != "after" {
		t.Errorf("%v", rows)
	}
	if got := w.metric("remora_agent_config_last_reload_successful", ""); got != "1" {
		t.Errorf("last reload successful is %q", got)
	}
}

func TestABadFileChangesNothing(t *testing.T) {
	w := newWorld(t)
	a := newReceiver(t)
	w.configure("", "a", a.URL)
	w.append("raylet.out", "one\n")
	w.start()
	w.arrived(a, "one")
	t.Setenv("PASSWORD", "hunter2")

	w.configure("clustr: x\nreaders: ${PASSWORD}", "b", a.URL)
	w.until("it is refused", w.reloads("failure"))
	code, text := w.post("/-/reload")
	if code != 400 || !strings.Contains(text, "agent.yaml:8:1: clustr: unknown key, did you mean cluster?") {
		t.Errorf("%d %s", code, text)
	}
	if got := w.metric("remora_agent_config_last_reload_successful", ""); got != "0" {
		t.Errorf("last reload successful is %q", got)
	}
	w.append("raylet.out", "two\n")
	w.arrived(a, "one", "two")
	_, status := w.get("/status")
	var s Status
	if err := json.Unmarshal([]byte(status), &s); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.Config.Error, "clustr") || len(s.Engines) != 1 || s.Engines[0].Output != "a" {
		t.Errorf("%+v", s)
	}
	if all := status + text + w.said(); strings.Contains(all, "hunter2") {
		t.Errorf("a secret is told:\n%s", all)
	}

	w.configure("", "a", a.URL)
	if code, text := w.post("/-/reload"); code != 200 || text != "reloaded\n" {
		t.Errorf("%d %s", code, text)
	}
	if got := w.metric("remora_agent_lines_total", `{output="a",source="ray"}`); got != "2" {
		t.Errorf("%q lines: it was disturbed", got)
	}
}

func TestHangupReads(t *testing.T) {
	w := newWorld(t)
	a, b := newReceiver(t), newReceiver(t)
	hangup := make(chan os.Signal)
	w.o.Hangup, w.o.Poll = hangup, time.Hour
	w.configure("", "a", a.URL)
	w.append("raylet.out", "one\n")
	w.start()
	w.configure("", "b", b.URL)
	hangup <- syscall.SIGHUP
	w.arrived(b, "one")
}

// Kubernetes changes a ConfigMap by a link to another directory.
func TestAConfigMapIsReadAgain(t *testing.T) {
	w := newWorld(t)
	a := newReceiver(t)
	w.configure("labels: {v: one}", "a", a.URL)
	w.mkdir("map/..1")
	w.mkdir("map/..2")
	move := func(to string) {
		t.Helper()
		if err := os.Rename(w.dir+"/agent.yaml", w.dir+"/map/"+to+"/agent.yaml"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, w.dir+"/map/..new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(w.dir+"/map/..new", w.dir+"/map/..data"); err != nil {
			t.Fatal(err)
		}
	}
	move("..1")
	if err := os.Symlink("..data/agent.yaml", w.dir+"/map/agent.yaml"); err != nil {
		t.Fatal(err)
	}
	w.o.Load = func() (*config.Config, error) { return config.Load(w.dir+"/map/agent.yaml", os.LookupEnv) }
	w.append("raylet.out", "one\n")
	w.start()
	w.arrived(a, "one")
	w.configure("labels: {v: two}", "a", a.URL)
	move("..2")
	w.until("it is read", w.reloads("success"))
	w.until("the engine is replaced", func() bool { return w.metric("remora_agent_lines_total", `{output="a",source="ray"}`) == "0" })
	w.append("raylet.out", "two\n")
	w.arrived(a, "one", "two")
	if got := a.stored()[1].labels.Get("v"); got != "two" {
		t.Errorf("the label is %q", got)
	}
}

func TestAnEngineThatCannotStartAfterAReloadIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	a, b := newReceiver(t), newReceiver(t)
	w.configure("", "a", a.URL)
	w.append("raylet.out", "one\n")
	w.start()
	w.arrived(a, "one")
	blocked := filepath.Join(w.dir, "state/ray.b")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.configure("", "a", a.URL, "b", b.URL)
	w.until("it is told", func() bool { return strings.Contains(w.said(), "an engine cannot start, trying again") })
	w.append("raylet.out", "two\n")
	w.arrived(a, "one", "two")
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	w.arrived(b, "one", "two")
}

func TestAnEngineThatCannotStartAtFirstEndsTheProgram(t *testing.T) {
	w := newWorld(t)
	a := newReceiver(t)
	w.configure("", "a", a.URL, "b", a.URL)
	w.mkdir("state")
	if err := os.WriteFile(filepath.Join(w.dir, "state/ray.b"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := w.o.Load()
	if err != nil {
		t.Fatal(err)
	}
	if err := Run(context.Background(), conf, w.o); err == nil || !strings.Contains(err.Error(), "ray.b: make state directory") {
		t.Errorf("%v", err)
	}
}

func TestTheAddressMayChange(t *testing.T) {
	w := newWorld(t)
	a := newReceiver(t)
	w.configure("", "a", a.URL)
	w.start()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	listen := func(addr string) string {
		return strings.Replace(string(text), "listen: 127.0.0.1:0", "listen: "+addr, 1)
	}
	w.write(listen(taken.Addr().String()))
	w.until("it is refused", w.reloads("failure"))
	w.write(listen("localhost:0"))
	w.url = "http://" + <-w.addrs
	if code, _ := w.get("/healthz"); code != 200 {
		t.Errorf("healthz answers %d", code)
	}
}

func TestOnceWithSeveralOutputs(t *testing.T) {
	w := newWorld(t)
	a, b := newReceiver(t), newReceiver(t)
	w.configure("", "a", a.URL, "b", b.URL)
	text, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	w.write(strings.Replace(string(text), "drain_timeout: 10s", "drain_timeout: 2s", 1))
	w.append("raylet.out", "one\ntwo\n")
	conf, err := w.o.Load()
	if err != nil {
		t.Fatal(err)
	}
	w.o.Once = true
	if err := Run(context.Background(), conf, w.o); err != nil {
		t.Fatal(err)
	}
	w.arrived(a, "one", "two")
	w.arrived(b, "one", "two")
	b.setAway(true)
	w.append("raylet.out", "three\n")
	if err := Run(context.Background(), conf, w.o); err == nil || !strings.Contains(err.Error(), "ray.b: ") || strings.Contains(err.Error(), "ray.a") {
		t.Errorf("with one output away: %v", err)
	}
	w.arrived(a, "one", "two", "three")
}

func TestStatusAndReloadAreForThisMachineAlone(t *testing.T) {
	f, err := open(&config.Config{}, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	close(f.drained) // no loop: a reload that gets through is told that the agent stops
	for _, c := range []struct {
		peer string
		code int
	}{
		{"127.0.0.1:1", 200},
		{"127.1.2.3:1", 200},
		{"[::1]:1", 200},
		{"[::ffff:127.0.0.1]:1", 200},
		{"10.0.0.1:1", 403},
		{"[2001:db8::1]:1", 403},
		{"nonsense", 403},
	} {
		r := httptest.NewRequest("GET", "/status", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("X-Forwarded-For", "127.0.0.1")
		w := httptest.NewRecorder()
		f.handler().ServeHTTP(w, r)
		if w.Code != c.code {
			t.Errorf("status for %s: %d, want %d", c.peer, w.Code, c.code)
		}
		r = httptest.NewRequest("POST", "/-/reload", nil)
		r.RemoteAddr = c.peer
		w = httptest.NewRecorder()
		f.handler().ServeHTTP(w, r)
		if (w.Code == 403) != (c.code == 403) {
			t.Errorf("reload for %s: %d", c.peer, w.Code)
		}
	}
}

func TestProgress(t *testing.T) {
	var p progress
	at := func(s int) time.Time { return time.Unix(1000+int64(s), 0) }
	p.note(sample{at(0), 5 << 20, 0})
	p.note(sample{at(10), 25 << 20, 80 << 20})
	if c := p.at(sample{at(10), 5 << 20, 100}); c != nil {
		t.Errorf("level, yet %+v", c)
	}
	p.note(sample{at(20), 45 << 20, 60 << 20})
	for range maxSamples {
		p.note(sample{at(20), 45 << 20, 60 << 20})
	}
	got := p.at(sample{at(30), 65 << 20, 40 << 20})
	want := &CatchUp{Percent: 60, Rate: 2 << 20, Remaining: 20 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if c := p.at(sample{at(30), 65 << 20, 90 << 20}); !c.Growing || c.Remaining != 0 {
		t.Errorf("falls behind, yet %+v", c)
	}
}

func TestHoldBytesAreShared(t *testing.T) {
	c := &config.Config{
		HoldBytes: 900, Sources: []config.Source{{Name: "s", Ray: &config.Ray{}}},
		Outputs: []config.Output{{Name: "a"}, {Name: "b"}, {Name: "c"}},
	}
	for _, s := range plan(c) {
		if s.hold != 300 {
			t.Errorf("%s may hold %d bytes", s.name(), s.hold)
		}
	}
}

func TestMetricsAreWellFormed(t *testing.T) {
	m := newMetrics(prometheus.NewRegistry())
	if err := m.register(); err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
