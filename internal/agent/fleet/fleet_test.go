package fleet

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/remora-ray/remora/internal/agent/config"
)

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
