package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
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

	"github.com/remora-ray/remora/internal/loki"
)

// fakeStore keeps pushed lines by file and offset, by the rules of the wire.
type fakeStore struct {
	*httptest.Server
	mu        sync.Mutex
	committed map[loki.FileID]uint64
	lines     map[loki.FileID]map[uint64]string
	filenames map[loki.FileID]string
	answers   []int // statuses to answer pushes with first
	shipped   bool  // an agent's lines of the session are there
	pushes    int
	onPush    func()
}

func newFakeStore(t *testing.T) *fakeStore {
	f := &fakeStore{committed: map[loki.FileID]uint64{}, lines: map[loki.FileID]map[uint64]string{}, filenames: map[loki.FileID]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+loki.PathOffsets, f.offsets)
	mux.HandleFunc("POST /loki/api/v1/push", f.push)
	mux.HandleFunc("/loki/api/v1/query_range", func(w http.ResponseWriter, r *http.Request) {
		result := "[]"
		if f.shipped {
			result = encodeLines([]fakeLine{{1, "x"}})
		}
		fmt.Fprintf(w, `{"data":{"resultType":"streams","result":%s}}`, result)
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeStore) offsets(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var req loki.OffsetsRequest
	json.NewDecoder(r.Body).Decode(&req)
	var resp loki.OffsetsResponse
	for _, id := range req.Files {
		resp.Files = append(resp.Files, loki.FileOffsets{File: id, Committed: f.committed[id]})
	}
	json.NewEncoder(w).Encode(resp)
}

func (f *fakeStore) push(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onPush != nil {
		f.onPush()
	}
	f.pushes++
	if len(f.answers) > 0 {
		status := f.answers[0]
		f.answers = f.answers[1:]
		if status != http.StatusNoContent {
			http.Error(w, "not now", status)
			return
		}
	}
	body, _ := io.ReadAll(r.Body)
	raw, err := s2.Decode(nil, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p, err := loki.DecodePush(raw)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var refused loki.Refused
	for _, s := range p.Streams {
		id, c := s.Range.File, f.committed[s.Range.File]
		if s.Range.From > c {
			refused.Files = append(refused.Files, loki.FileOffset{File: id, Committed: c})
			continue
		}
		if f.lines[id] == nil {
			f.lines[id] = map[uint64]string{}
		}
		f.filenames[id] = s.Range.Metadata.Get("filename")
		for _, e := range s.Entries {
			offset, _ := strconv.ParseUint(e.Metadata.Get("offset"), 10, 64)
			if offset >= c {
				f.lines[id][offset] = e.Line
			}
		}
		f.committed[id] = max(c, s.Range.To)
	}
	if len(refused.Files) > 0 {
		w.WriteHeader(http.StatusConflict)
		json.NewEncoder(w).Encode(refused)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// text joins what is there of each file.
func (f *fakeStore) text() map[string]string {
	out := map[string]string{}
	for id, lines := range f.lines {
		var b strings.Builder
		for _, offset := range slices.Sorted(maps.Keys(lines)) {
			if uint64(b.Len()) != offset {
				fmt.Fprintf(&b, "<offset %d>", offset)
			}
			b.WriteString(lines[offset] + "\n")
		}
		out[f.filenames[id]] = b.String()
	}
	return out
}

// aSession makes a session with a rotated file, an empty one and a large one.
func aSession(t *testing.T) (dir string, want map[string]string) {
	dir = filepath.Join(t.TempDir(), "prod")
	want = map[string]string{}
	write := func(name, content string) {
		path := filepath.Join(dir, "session_2026-11-21_05-20-22_957657_1", "logs", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	numbered := func(from, to int) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, "[2026-11-21 05:20:23,%03d I 22 22] (raylet) main.cc:1: line %d\n", i%1000, i)
		}
		return b.String()
	}
	write("raylet.out.2", numbered(0, 10))
	write("raylet.out.1", numbered(10, 20))
	write("raylet.out", numbered(20, 30))
	write("raylet.err", "")
	want["raylet.out"] = numbered(0, 30)
	large := strings.Repeat(numbered(0, 1000), 60) // 3.5 MiB: several pushes
	write("gcs_server.out", large)
	want["gcs_server.out"] = large
	return dir, want
}

func runImport(t *testing.T, f *fakeStore, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	a, out, err := testApp(map[string]string{"REMORA_ADDR": f.URL})
	status = a.run(t.Context(), append([]string{"import"}, args...))
	return status, out.String(), err.String()
}

func TestImport(t *testing.T) {
	for _, tc := range []struct {
		name    string
		prepare func(f *fakeStore)
	}{
		{"all at once", func(f *fakeStore) {}},
		{"server busy", func(f *fakeStore) { f.answers = []int{429, 503, 204, 500} }},
		// The server was put back to an older backup in the middle.
		{"server forgets", func(f *fakeStore) {
			f.onPush = func() {
				if f.pushes == 2 {
					clear(f.committed)
					clear(f.lines)
				}
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFakeStore(t)
			tc.prepare(f)
			dir, want := aSession(t)
			if status, _, stderr := runImport(t, f, dir); status != 0 {
				t.Fatalf("status %d: %s", status, stderr)
			}
			if diff := cmp.Diff(want, f.text()); diff != "" {
				t.Errorf("%.3000s", diff)
			}
		})
	}
}

// An import that failed in the middle goes on where it stopped, although the
// session's lines are there by then.
func TestImportGoesOn(t *testing.T) {
	f := newFakeStore(t)
	f.answers = []int{204, 400}
	dir, want := aSession(t)
	status, _, stderr := runImport(t, f, dir)
	if status == 0 || !strings.Contains(stderr, "lines imported so far; the same command goes on from there") {
		t.Fatalf("status %d: %s", status, stderr)
	}
	f.shipped = true
	status, stdout, stderr := runImport(t, f, dir)
	if status != 0 || !strings.Contains(stdout, "were there before") {
		t.Fatalf("status %d: %s%s", status, stdout, stderr)
	}
	if diff := cmp.Diff(want, f.text()); diff != "" {
		t.Errorf("%.3000s", diff)
	}
	pushes := f.pushes
	if _, stdout, _ := runImport(t, f, dir); f.pushes != pushes || !strings.Contains(stdout, "imported 0 lines") {
		t.Errorf("%d pushes for nothing: %s", f.pushes-pushes, stdout)
	}
}

func TestImportRefusesWhatWasShipped(t *testing.T) {
	f := newFakeStore(t)
	f.shipped = true
	dir, want := aSession(t)
	status, _, stderr := runImport(t, f, dir)
	if status != 1 || !strings.Contains(stderr, "shipped by an agent") || len(f.lines) > 0 {
		t.Errorf("status %d, %d files: %s", status, len(f.lines), stderr)
	}
	if status, _, stderr := runImport(t, f, dir, "--force"); status != 0 {
		t.Errorf("forced: status %d: %s", status, stderr)
	}
	if diff := cmp.Diff(want, f.text()); diff != "" {
		t.Errorf("%.3000s", diff)
	}
}

// A Loki does not say what it has.
func TestImportNeedsRemora(t *testing.T) {
	f := newFakeStore(t)
	loki := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(loki.Close)
	dir, _ := aSession(t)
	status, _, stderr := runImport(t, f, dir, "--addr", loki.URL)
	if status != 1 || !strings.Contains(stderr, "is not a Remora server") {
		t.Errorf("status %d: %s", status, stderr)
	}
}
