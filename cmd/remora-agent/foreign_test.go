package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/loki"
)

// lokiLike takes pushes as a Loki does: it knows no offsets.
type lokiLike struct {
	*httptest.Server
	mu      sync.Mutex
	lines   []string // with their stream labels
	tenants []string
	users   []string
}

func newLokiLike(t *testing.T) *lokiLike {
	l := &lokiLike{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /loki/api/v1/push", func(w http.ResponseWriter, r *http.Request) {
		packed, _ := io.ReadAll(r.Body)
		body, err := s2.Decode(nil, packed)
		if err != nil {
			t.Error(err)
		}
		p, err := loki.DecodePush(body)
		if err != nil {
			t.Error(err)
			return
		}
		user, password, _ := r.BasicAuth()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.tenants, l.users = append(l.tenants, r.Header.Get("X-Scope-OrgID")), append(l.users, user+":"+password)
		for _, s := range p.Streams {
			for _, e := range s.Entries {
				l.lines = append(l.lines, s.Labels.String()+" "+e.Metadata.Get("filename")+" "+e.Line)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
	l.Server = httptest.NewServer(mux)
	t.Cleanup(l.Close)
	return l
}

func (l *lokiLike) has(t *testing.T, parts ...string) {
	t.Helper()
	if !slices.ContainsFunc(l.lines, func(line string) bool {
		return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) })
	}) {
		t.Errorf("no line with %q among %q", parts, l.lines)
	}
}

// What people have for Fluent Bit and Alloy, as Ray's documentation and others tell
// them, delivers with nothing changed but where Ray and the Loki are.
func TestForeignConfigurationsDeliver(t *testing.T) {
	const info, debug = "[2026-11-21 05:06:01,604 I 22 22] (raylet) main.cc:1: hello", "[2026-11-21 05:06:02,604 D 22 22] (raylet) main.cc:2: DEBUG chatter"
	deliver := func(t *testing.T, name string, change ...string) (*lokiLike, ran) {
		t.Helper()
		l := newLokiLike(t)
		to, err := url.Parse(l.URL)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, "ray/session_2026-11-21_05-06-01_604983_1/logs/raylet.out"), info+"\n"+debug+"\n")
		if err := os.Symlink("session_2026-11-21_05-06-01_604983_1", filepath.Join(dir, "ray/session_latest")); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join("../../internal/agent/convert/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		change = append(change, "/tmp/ray", dir+"/ray", "Host loki-gateway", "Host "+to.Hostname(), "Port 80", "Port "+to.Port(),
			"http://loki-gateway.monitoring", l.URL, "/etc/loki/password", write(t, filepath.Join(dir, "password"), "secret\n"))
		file := write(t, filepath.Join(dir, name), strings.NewReplacer(change...).Replace(string(text)))
		args := []string{"--once", "--config", file}
		if strings.HasSuffix(name, ".conf") { // of an image of Fluent Bit: nothing else is given
			old := fluentBitFile
			fluentBitFile, args = file, args[:1]
			defer func() { fluentBitFile = old }()
		} else {
			args = append(args, "--state", filepath.Join(dir, "state"))
		}
		got := runs(t, "", map[string]string{"POD_LABELS": "rc", "TENANT": "t1", "LOKI_USER": "ann"}, args...)
		if got.exit != exitDone {
			t.Fatalf("exit status %d\n%s", got.exit, got.says())
		}
		return l, got
	}
	t.Run("Fluent Bit to standard output", func(t *testing.T) {
		_, got := deliver(t, "stdout.conf")
		if strings.Count(got.out, "\n") != 2 || !strings.Contains(got.out, `"filename":"raylet.out","line":"`+info+`"`) {
			t.Errorf("%s", got.out)
		}
	})
	t.Run("Fluent Bit to Loki", func(t *testing.T) {
		l, _ := deliver(t, "loki.conf")
		l.has(t, `RayCluster="rc"`, "raylet.out "+info)
		l.has(t, debug)
		if len(l.lines) != 2 || l.tenants[0] != "test" {
			t.Errorf("%q for %q", l.lines, l.tenants)
		}
	})
	t.Run("Alloy", func(t *testing.T) {
		l, _ := deliver(t, "ray.alloy")
		l.has(t, `job="ray/logs"`, `service_name="ray-cluster"`, info)
		if len(l.lines) != 1 || l.tenants[0] != "t1" || l.users[0] != "ann:secret" {
			t.Errorf("%q for %q by %q", l.lines, l.tenants, l.users)
		}
	})
}
