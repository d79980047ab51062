package kube

import (
	"context"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const twoPods = `{"kind":"PodList","items":[
 {"metadata":{"name":"rc-head-abc","namespace":"team","uid":"u-1","labels":{"ray.io/cluster":"rc","ray.io/node-type":"head","ray.io/group":"headgroup",
   "ray.io/originated-from-crd":"RayJob","ray.io/originated-from-cr-name":"train"}},
  "spec":{"containers":[{"name":"ray-head"},{"name":"other"}]},"status":{"podIP":"10.0.0.7"}},
 {"metadata":{"name":"nginx","namespace":"web","uid":"u-2"},"spec":{"containers":[{"name":"nginx"}]}}]}`

func apiServer(t *testing.T, answer http.HandlerFunc) *API {
	t.Helper()
	srv := httptest.NewTLSServer(answer)
	t.Cleanup(srv.Close)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := NewAPI(srv.URL, "node-1", token, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPodsOfANode(t *testing.T) {
	a := apiServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" || r.FormValue("fieldSelector") != "spec.nodeName=node-1" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, twoPods)
	})
	pods, err := a.Pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []Pod{
		{UID: "u-1", Namespace: "team", Name: "rc-head-abc", Cluster: "rc", Type: "head", Owner: "RayJob/train", Container: "ray-head", IP: "10.0.0.7", Known: true},
		{UID: "u-2", Namespace: "web", Name: "nginx", Container: "nginx", Known: true},
	}
	if d := cmp.Diff(want, pods); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestWhatIsWrongWithTheAPIServerIsSaid(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"forbidden", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusForbidden) }, "must be allowed to list pods"},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere/", http.StatusFound)
		}, "302"},
		{"nonsense", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "read the list of pods"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := apiServer(t, tc.answer).Pods(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// A pod that nobody knows yet is asked for; until then its directory of logs says
// what it is called.
func TestAPodIsKnownByItsDirectoryThenByTheServer(t *testing.T) {
	logs := t.TempDir()
	if err := os.Mkdir(filepath.Join(logs, "team_rc-head-abc_u-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	var ready atomic.Bool
	api := apiServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(w, "", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, twoPods)
	})
	p := New(logs, "", api, slog.New(slog.DiscardHandler))
	if d := cmp.Diff(Pod{UID: "u-1", Namespace: "team", Name: "rc-head-abc"}, p.Of("u-1")); d != "" {
		t.Errorf("by its directory (-want +got):\n%s", d)
	}
	if d := cmp.Diff(Pod{UID: "u-9"}, p.Of("u-9")); d != "" {
		t.Errorf("unknown (-want +got):\n%s", d)
	}
	ready.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.Of("u-1").Cluster != "rc" {
		select {
		case <-deadline:
			t.Fatal("the server was not asked")
		case <-tick.C:
		}
	}
	cancel()
	<-done
	p.set(nil, time.Now())
	if p.Of("u-1").Cluster != "rc" {
		t.Error("a pod that is gone is forgotten while its directory may be there")
	}
}

func TestNamesOfDirectories(t *testing.T) {
	if got, want := ParseLogDir("ns_pod-1_0a1b"), (Pod{Namespace: "ns", Name: "pod-1", UID: "0a1b"}); !cmp.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	for _, name := range []string{"", "a_b", "a_b_c_d", "__", "ns__uid"} {
		if got := ParseLogDir(name); !cmp.Equal(got, Pod{}) {
			t.Errorf("%q: %+v", name, got)
		}
	}
	for dir, want := range map[string]string{"u-1/volumes/kubernetes.io~empty-dir/ray": "u-1", ".": "", "u": "u"} {
		if got := UIDOf(dir); got != want {
			t.Errorf("%q: %q", dir, got)
		}
	}
}

// A pod that ends while the agent is down is known to the next one.
func TestWhatIsKnownOutlivesTheAgent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pods.json")
	api := apiServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, twoPods) })
	pods, err := api.Pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	New("", file, api, slog.New(slog.DiscardHandler)).set(pods, now)
	p := New("", file, api, slog.New(slog.DiscardHandler))
	p.set(pods[1:], now.Add(time.Minute))
	if x := p.Of("u-1"); x.Cluster != "rc" || !x.Known {
		t.Errorf("%+v", x)
	}
	p.set(nil, now.Add(keepFor))
	if x := p.Of("u-1"); x.Cluster != "" {
		t.Errorf("it is remembered for ever: %+v", x)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if x := New("", file, api, slog.New(slog.DiscardHandler)).Of("u-1"); x.Known {
		t.Errorf("of nonsense: %+v", x)
	}
}
