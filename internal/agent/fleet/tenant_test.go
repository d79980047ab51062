package fleet

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/agent/kube"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// ledgers is a server that judges the ranges of each tenant by themselves. fail says
// of each push whether to fail before it is taken, or behind that.
type ledgers struct {
	*httptest.Server
	t    *testing.T
	fail func() (before, behind bool)

	mu      sync.Mutex
	tenants map[string]*ledger
}

type ledger struct {
	files map[loki.FileID]*loki.FileOffsets
	lines []string
	meta  []logs.Labels // of lines, with the labels of their streams
}

func newLedgers(t *testing.T) *ledgers {
	l := &ledgers{t: t, tenants: map[string]*ledger{}, fail: func() (bool, bool) { return false, false }}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /loki/api/v1/push", l.push)
	mux.HandleFunc("POST "+loki.PathOffsets, l.offsets)
	l.Server = httptest.NewServer(mux)
	t.Cleanup(l.Close)
	return l
}

func (l *ledgers) of(r *http.Request) *ledger {
	name := r.Header.Get("X-Scope-OrgID")
	x := l.tenants[name]
	if x == nil {
		x = &ledger{files: map[loki.FileID]*loki.FileOffsets{}}
		l.tenants[name] = x
	}
	return x
}

func (l *ledgers) push(w http.ResponseWriter, r *http.Request) {
	packed, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before, behind := l.fail()
	body, err := s2.Decode(nil, packed)
	if err != nil {
		l.t.Error(err)
		return
	}
	p, err := loki.DecodePush(body)
	if err != nil {
		l.t.Error(err)
		return
	}
	if before {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	if refused := l.of(r).take(p); len(refused) > 0 {
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(loki.Refused{Files: refused})
		return
	}
	if behind {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (x *ledger) take(p *loki.Push) (refused []loki.FileOffset) {
	to := map[loki.FileID]uint64{}
	for _, s := range p.Streams {
		f := x.files[s.Range.File]
		if f == nil {
			f = &loki.FileOffsets{File: s.Range.File}
			x.files[s.Range.File] = f
		}
		if s.Range.From > f.Committed && s.Range.Gap == "" {
			refused = append(refused, loki.FileOffset{File: f.File, Committed: f.Committed})
			continue
		}
		if g := s.Range.Generation; len(f.Generations) == 0 && len(g) > 0 {
			f.Generations = append(f.Generations, loki.Generation{Fingerprint: g, Base: s.Range.From})
		}
		for _, e := range s.Entries {
			meta := logs.Normalize(slices.Concat(s.Labels, s.Range.Metadata, e.Metadata))
			if at, err := strconv.ParseUint(meta.Get("offset"), 10, 64); err == nil && at >= f.Committed {
				x.lines, x.meta = append(x.lines, e.Line), append(x.meta, meta)
			}
		}
		to[f.File] = s.Range.To
	}
	for id, n := range to {
		x.files[id].Committed = max(x.files[id].Committed, n)
	}
	return refused
}

func (l *ledgers) offsets(w http.ResponseWriter, r *http.Request) {
	var q loki.OffsetsRequest
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		l.t.Error(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.of(r)
	a := loki.OffsetsResponse{Files: []loki.FileOffsets{}}
	for _, id := range q.Files {
		if f := x.files[id]; f != nil {
			a.Files = append(a.Files, *f)
		} else {
			a.Files = append(a.Files, loki.FileOffsets{File: id})
		}
	}
	_ = json.NewEncoder(w).Encode(a)
}

// lines are those of a tenant, in the order in which they came.
func (l *ledgers) lines(tenant string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.tenants[tenant]; x != nil {
		return slices.Clone(x.lines)
	}
	return nil
}

func (l *ledgers) count() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.tenants {
		n += len(x.lines)
	}
	return n
}

// Each line arrives at its tenant once, whatever fails and whenever the agent begins
// again, with its state or without.
func TestEachTenantGetsItsLinesOnce(t *testing.T) {
	for seed := range uint64(3) {
		w := newWorld(t)
		l := newLedgers(t)
		r := rand.New(rand.NewPCG(seed, 1))
		l.fail = func() (bool, bool) { n := r.IntN(6); return n == 0, n == 1 }
		w.write(fmt.Sprintf(`state: %[1]s/state
listen: ""
scan_interval: 100ms
batch_wait: 5ms
drain_timeout: 30s
sources: [{ray: {root: %[1]s/ray}}]
pipeline:
- regex: {expression: "team=(?P<team>\\S+)"}
- metadata: {fields: [team]}
- drop: {regex: nobody}
outputs: [{remora: {url: %[2]q, tenant: main, tenant_from: team, backoff: {min: 1ms, max: 5ms}}}]
`, w.dir, l.URL))
		teams := []string{"red", "blue", "nobody", ""}
		want := map[string][]string{}
		for round := range 8 {
			for i := range 200 {
				team := teams[(r.IntN(4)+round)%4]
				line := fmt.Sprintf("[2026-11-21 05:06:01,604 I 22 22] (raylet) main.cc:1: %d.%d", round, i)
				tenant := "main"
				if team != "" {
					line, tenant = line+" team="+team, team
				}
				w.append("raylet.out", line+"\n")
				if team != "nobody" {
					want[tenant] = append(want[tenant], line)
				}
			}
			if round%3 == 2 {
				if err := os.RemoveAll(filepath.Join(w.dir, "state")); err != nil {
					t.Fatal(err)
				}
			}
			conf, err := w.o.Load()
			if err != nil {
				t.Fatal(err)
			}
			o := w.o
			o.Once, o.Registry = true, nil
			ctx, cancel := context.WithCancel(t.Context())
			if err := Run(ctx, conf, o); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
		for _, tenant := range []string{"main", "red", "blue"} {
			if d := cmp.Diff(want[tenant], l.lines(tenant)); d != "" {
				t.Errorf("seed %d, tenant %s (-want +got):\n%.2000s", seed, tenant, d)
			}
		}
		if got := l.lines("nobody"); len(got) > 0 {
			t.Errorf("a tenant has %d lines that were dropped", len(got))
		}
	}
}

// api is an API server that tells of these pods.
func (w *world) api(items func() string) {
	w.t.Helper()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		text := items()
		if text == "" {
			http.Error(rw, "not now", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(rw, `{"items":[`+text+`]}`)
	}))
	w.t.Cleanup(srv.Close)
	token := filepath.Join(w.t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("t"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.o.inCluster = func(_ func(string) string, _ string) (*kube.API, error) {
		return kube.NewAPI(srv.URL, "n1", token, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	}
}

func podOf(name, uid, tenant, hostPath, expr string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"team","uid":%q,"creationTimestamp":"2020-01-01T00:00:00Z","annotations":{"remora.dev/tenant":%q},
 "labels":{"ray.io/cluster":"rc","ray.io/node-type":"worker","ray.io/group":"g"}},
 "spec":{"volumes":[{"name":"r","hostPath":{"path":%q}}],"containers":[{"name":"ray-worker","env":[{"name":"N","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],
  "volumeMounts":[{"name":"r","mountPath":"/tmp/ray","subPathExpr":%q}]}]},"status":{"podIP":"10.0.0.7"}}`, name, uid, tenant, hostPath, expr)
}

const session = "session_2026-11-21_05-06-01_604983_1"

func (w *world) put(rel, text string) {
	w.t.Helper()
	w.mkdir(filepath.Dir(rel))
	if err := os.WriteFile(filepath.Join(w.dir, rel), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// meta is what came with a line of a tenant.
func (l *ledgers) metaOf(tenant, line string) logs.Labels {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.tenants[tenant]; x != nil {
		if i := slices.Index(x.lines, line); i >= 0 {
			return x.meta[i]
		}
	}
	return nil
}

func has(t *testing.T, got logs.Labels, want ...string) {
	t.Helper()
	for i := 0; i < len(want); i += 2 {
		if got.Get(want[i]) != want[i+1] {
			t.Errorf("%s is %q, want %q in %v", want[i], got.Get(want[i]), want[i+1], got)
		}
	}
}

// One directory of the node for each pod, by subPathExpr, and one that pods share.
func TestDirectoriesThatPodsMount(t *testing.T) {
	w := newWorld(t)
	l := newLedgers(t)
	var mu sync.Mutex
	items := ""
	w.api(func() string { mu.Lock(); defer mu.Unlock(); return items })
	w.put("own/w1/"+session+"/logs/raylet.out", "of w1\n")
	w.put("own/w2/"+session+"/logs/raylet.out", "of w2\n")
	w.put("own/w3/"+session+"/logs/raylet.out", "of nobody known\n")
	w.put("shared/"+session+"/logs/gcs_server.out", "of whom\n")
	w.put("containers/team_w1_u1/ray-worker/0.log", "2026-11-21T05:06:01.123456789Z stdout F container\n")
	w.o.podLogs = filepath.Join(w.dir, "containers")
	w.write(fmt.Sprintf(`state: %[1]s/state
listen: 127.0.0.1:0
cluster: c
scan_interval: 100ms
batch_wait: 5ms
sources:
- name: own
  ray: {root: %[1]s/own, dirs: "*", pod_tenants: true}
- name: shared
  ray: {root: %[1]s/shared, pods: true}
- name: containers
  containers: {root: %[1]s/containers, pod_tenants: true}
outputs: [{remora: {url: %[2]q, tenant: main}}]
`, w.dir, l.URL))
	w.start()
	w.until("the server is asked", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.tenants) > 0 })
	if n := len(l.lines("main")); n > 0 {
		t.Errorf("%d lines went to a tenant before it was known whose they are", n)
	}
	mu.Lock()
	items = podOf("w1", "u1", "red", w.dir+"/own", "$(N)") + "," + podOf("w2", "u2", "", w.dir+"/own", "$(N)") + "," +
		podOf("h1", "u4", "", w.dir+"/shared", "") + "," + podOf("h2", "u5", "", w.dir+"/shared", "")
	mu.Unlock()
	w.until("all arrived", func() bool { return l.count() == 5 })
	has(t, l.metaOf("red", "of w1"), "pod", "w1", "RayCluster", "rc", "namespace", "team", "group", "g", "node_type", "worker", "container", "ray-worker", "node_ip", "10.0.0.7")
	has(t, l.metaOf("red", "container"), "pod", "w1", "RayCluster", "rc", "namespace", "team", "group", "g", "node_type", "worker", "container", "ray-worker", "component", "container")
	has(t, l.metaOf("main", "of w2"), "pod", "w2", "RayCluster", "rc")
	has(t, l.metaOf("main", "of nobody known"), "pod", "", "RayCluster", "c", "namespace", "")
	has(t, l.metaOf("main", "of whom"), "pod", "", "RayCluster", "rc", "namespace", "team", "group", "", "node_type", "")
}

func TestTenantsOfPodsNeedTheAPIServer(t *testing.T) {
	w := newWorld(t)
	w.write(fmt.Sprintf("state: %[1]s/state\nlisten: \"\"\nsources: [{containers: {pod_tenants: true}}]\noutputs: [{stdout: {}}]\n", w.dir))
	conf, err := w.o.Load()
	if err != nil {
		t.Fatal(err)
	}
	w.o.Env = func(string) string { return "" }
	if err := Run(t.Context(), conf, w.o); err == nil || !strings.Contains(err.Error(), "pod_tenants needs the API server: set NODE_NAME") {
		t.Errorf("error is %v", err)
	}
}
