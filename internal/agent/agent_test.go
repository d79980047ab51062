package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/remora-ray/remora/internal/agent/parse"
)

const testSession = "session_2026-11-21_05-06-01_604983_1"

// world is a Ray root, a server and an agent between them.
type world struct {
	t    *testing.T
	root string
	logs string // of testSession
	srv  *receiver
	conf Config
	stop context.CancelFunc
	kill func()
	done chan error
	a    *agent
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, root: filepath.Join(t.TempDir(), "ray"), srv: newReceiver(t)}
	w.logs = filepath.Join(w.root, testSession, "logs")
	w.conf = Config{
		inFlight: 50 * time.Millisecond,
		RayRoot:  w.root, URL: w.srv.URL, State: filepath.Join(t.TempDir(), "state"),
		Node: parse.Node{Cluster: "test", Type: "head"}, PodUID: "pod-1", Location: time.UTC,
		BatchWait: 20 * time.Millisecond, MinWait: 5 * time.Millisecond, MaxWait: 40 * time.Millisecond,
		ScanEvery: 200 * time.Millisecond, QuietBefore: 100 * time.Millisecond, DrainTimeout: 20 * time.Second,
		Logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	t.Cleanup(func() {
		if w.done != nil {
			w.crash()
		}
		w.a = nil // its buffers go before the other tests are done
	})
	return w
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// start runs an agent.
func (w *world) start() {
	w.t.Helper()
	w.run(w.open())
}

// open makes an agent that does not run yet.
func (w *world) open() *agent {
	w.t.Helper()
	if err := w.conf.validate(); err != nil {
		w.t.Fatal(err)
	}
	a, err := open(w.conf)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) run(a *agent) {
	ctx, stop := context.WithCancel(context.Background())
	hard, kill := context.WithCancel(context.Background())
	w.a, w.stop, w.kill, w.done = a, stop, kill, make(chan error, 1)
	go func() {
		err := a.runUntil(ctx, hard)
		a.close()
		w.done <- err
	}()
}

// crash ends the agent as a kill would: at once, nothing saved.
func (w *world) crash() {
	w.kill()
	<-w.done
	w.stop()
	w.done = nil
}

// drain ends the agent as SIGTERM does and wants everything delivered.
func (w *world) drain() {
	w.t.Helper()
	w.stop()
	select {
	case err := <-w.done:
		if err != nil {
			w.t.Fatalf("drain: %v", err)
		}
	case <-time.After(30 * time.Second):
		w.t.Fatal("the agent does not end")
	}
	w.kill()
	w.done = nil
}

func (w *world) path(name string) string { return filepath.Join(w.logs, name) }

func (w *world) mkdir() {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Join(w.logs, "old"), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(name, text string) {
	w.t.Helper()
	f, err := os.OpenFile(w.path(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) rename(from, to string) {
	w.t.Helper()
	if err := os.Rename(w.path(from), w.path(to)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.Remove(w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

// rotate does what Ray's rotators do: unlink the last, rename the chain, begin anew.
func (w *world) rotate(name string, keep int) {
	w.t.Helper()
	at := func(n int) string {
		if n == 0 {
			return name
		}
		return fmt.Sprintf("%s.%d", name, n)
	}
	_ = os.Remove(w.path(at(keep)))
	for n := keep - 1; n >= 0; n-- {
		if err := os.Rename(w.path(at(n)), w.path(at(n+1))); err != nil && !os.IsNotExist(err) {
			w.t.Fatal(err)
		}
	}
	w.write(name, "")
}

// numbered writes lines "<tag> <n>" and returns them.
func numbered(tag string, from, to int) (text string, lines []string) {
	for n := from; n < to; n++ {
		lines = append(lines, fmt.Sprintf("%s %d", tag, n))
	}
	return strings.Join(lines, "\n") + "\n", lines
}

func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited too long: %s; %d lines arrived, gaps %q", what, w.srv.count(), w.srv.gaps())
		}
		wait := time.NewTimer(5 * time.Millisecond)
		<-wait.C
	}
}

func (w *world) arrived(n int) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d lines", n), func() bool { return w.srv.count() >= n })
}

// want checks that the lines of a file arrived: each, once, in order.
func (w *world) want(filename string, lines []string) {
	w.t.Helper()
	w.wantIn(testSession, filename, lines)
}

func (w *world) wantIn(session, filename string, lines []string) {
	w.t.Helper()
	got := w.srv.lines(session, filename)
	if slices.Equal(got, lines) {
		return
	}
	count := map[string]int{}
	for _, l := range got {
		count[l]++
	}
	lost, twice := 0, 0
	for _, l := range lines {
		switch {
		case count[l] == 0:
			lost++
		case count[l] > 1:
			twice++
		}
	}
	w.t.Errorf("%s: %d lines written, %d arrived, %d lost, %d twice", filename, len(lines), len(got), lost, twice)
	for i := range min(len(got), len(lines)) {
		if got[i] != lines[i] {
			w.t.Errorf("first difference at line %d: %.80q, want %.80q", i, got[i], lines[i])
			break
		}
	}
}

// wantOnce checks that each line arrived once, in whatever files the server has them.
func (w *world) wantOnce(filename string, lines []string) {
	w.t.Helper()
	got, want := w.srv.lines(testSession, filename), slices.Clone(lines)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("%s: %d lines arrived, want %d", filename, len(got), len(want))
	}
}

func (w *world) noGaps() {
	w.t.Helper()
	w.gapsAre()
}

// gapsAre checks what was told of missing bytes: a reason and the logical offsets.
func (w *world) gapsAre(want ...string) {
	w.t.Helper()
	if g := w.srv.gaps(); !slices.Equal(g, want) {
		w.t.Errorf("gaps told: %q, want %q", g, want)
	}
}

func TestFollowsAFileAndGoesOnAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	one, want := numbered("a", 0, 100)
	w.write("raylet.out", one)
	w.start()
	w.arrived(100)
	two, more := numbered("b", 0, 100)
	w.write("raylet.out", two)
	w.arrived(200)
	w.drain()
	three, last := numbered("c", 0, 50)
	w.write("raylet.out", three)
	w.start()
	w.arrived(250)
	w.drain()
	w.want("raylet.out", slices.Concat(want, more, last))
	w.noGaps()
}

func TestLabelsAndMetadataOfALine(t *testing.T) {
	w := newWorld(t)
	w.conf.Node.Type = ""
	w.conf.Node.Namespace, w.conf.Node.Pod = "ml", "head-0"
	w.mkdir()
	w.write("gcs_server.out", "[2026-11-21 05:06:33,161 W 21 21] (gcs_server) x.cc:1: hello\n")
	if err := os.WriteFile(filepath.Join(w.root, testSession, "metrics_agent_port_"+strings.Repeat("ab", 28)), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.arrived(1)
	w.drain()
	e := w.srv.rows(testSession, "gcs_server.out")[0]
	const labels = `{RayCluster="test", component="gcs", job="ray/logs", namespace="ml", node_type="head", service_name="ray-cluster"}`
	if e.labels.String() != labels {
		t.Errorf("labels are %s\nwant %s", e.labels, labels)
	}
	for name, value := range map[string]string{
		"session": testSession, "filename": "gcs_server.out", "stream": "out", "offset": "0", "pod": "head-0",
		"detected_level": "warn", "node_id": strings.Repeat("ab", 28),
	} {
		if got := e.meta.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if got := time.Unix(0, e.time).UTC().Format(time.RFC3339Nano); got != "2026-11-21T05:06:33.161Z" {
		t.Errorf("time is %s", got)
	}
}

func TestOnceReadsToTheEndAndReturns(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("x", 0, 1000)
	w.write("worker-a.out", text+"half")
	w.conf.Once = true
	w.conf.Registerer = prometheus.NewRegistry()
	if err := Run(context.Background(), w.conf); err != nil {
		t.Fatal(err)
	}
	w.want("worker-a.out", append(want, "half"))
}

func TestOnceFailsWhenTheServerIsAway(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.write("raylet.out", "x\n")
	w.srv.on(func(int, bool) int { return 503 })
	w.conf.Once, w.conf.DrainTimeout = true, 300*time.Millisecond
	if err := Run(context.Background(), w.conf); !errors.Is(err, ErrIncomplete) {
		t.Fatalf("error is %v, want ErrIncomplete", err)
	}
}

func TestStatusTellsWhatIsBehind(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.write("raylet.out", "one\ntwo\n")
	w.start()
	w.arrived(2)
	status := func() Status {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s, err := w.a.health.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	w.until("all is acknowledged", func() bool { s := status(); return s.Behind == 0 && s.Acknowledged == 8 })
	if s := status(); s.Target != "remora" || len(s.Files) != 1 || s.Files[0].State != FileIdle || s.Files[0].Name != "raylet.out" || s.OldestUnread != 0 {
		t.Errorf("%+v", s)
	}
	w.srv.on(func(int, bool) int { return 503 })
	w.write("raylet.out", "three\n")
	w.until("the line is behind", func() bool { s := status(); return s.Behind == 6 && s.OldestUnread > 0 })
	if s := status(); s.Files[0].State != FileSending && s.Files[0].State != FileReading {
		t.Errorf("%+v", s)
	}
	w.remove("raylet.out")
	w.until("it is rescued", func() bool { return status().Files[0].State == FileRescued })
	w.srv.on(nil)
	w.arrived(3)
	w.drain()
}
