package versions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/snappy"

	logql "github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/server"
	"github.com/remora-ray/remora/internal/store/embedded"
)

// serve is a server of this version with an empty store.
func serve(t *testing.T) *httptest.Server {
	t.Helper()
	e, err := embedded.Open(embedded.Config{Dir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := server.New(server.Config{Store: e, Engine: logql.New(plan.Limits{})})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(func() {
		s.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// rayLines is what the recorded agent read.
var rayLines = []string{
	"[2026-11-20 12:00:00,001 I 1 1] (raylet) main.cc:1: started",
	"[2026-11-20 12:00:01,002 W 1 1] (raylet) main.cc:2: 漢字 und Umläute",
	"a line without a time",
	"[2026-11-20 12:00:02,003 E 1 1] (raylet) main.cc:3: ended",
}

// recordRequests lets an agent send a small session and keeps its requests.
func recordRequests(t *testing.T, dir string) {
	ray := t.TempDir()
	logsDir := filepath.Join(ray, "session_2026-11-20_12-00-00_000000_1", "logs")
	if err := os.MkdirAll(logsDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(logsDir, "raylet.out"), []byte(strings.Join(rayLines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(serve(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	n := 0
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		mu.Lock()
		defer mu.Unlock()
		text, err := httputil.DumpRequest(r.In, true)
		if err == nil {
			n++
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.http", n)), text, 0o644)
		}
		if err != nil {
			t.Error(err)
		}
		r.Out.Body = r.In.Body // the dump has read it and put another in its place
		r.SetURL(to)
	}}
	front := httptest.NewServer(proxy)
	defer front.Close()
	cmd := exec.Command(*agent, "--ray-root", ray, "--url", front.URL, "--state", t.TempDir(), "--cluster", "recorded", "--tenant", "team-a", "--once")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("agent: %v\n%s", err, out)
	}
}

// What agents of earlier versions send is taken, and taken for the same when it
// comes again.
func TestRequests(t *testing.T) {
	if strings.HasPrefix(*write, "wire-") {
		recordRequests(t, filepath.Join("testdata", *write))
	}
	recordings, err := filepath.Glob("testdata/wire-*")
	if err != nil || len(recordings) == 0 {
		t.Fatalf("no recordings of requests: %v", err)
	}
	for _, dir := range recordings {
		t.Run(filepath.Base(dir), func(t *testing.T) { replayRequests(t, dir, func(body []byte, _ string) []byte { return body }) })
	}
}

// What an agent of a later version sends has fields that this one does not know:
// they are passed over.
func TestRequestsWithMoreInThem(t *testing.T) {
	recordings, err := filepath.Glob("testdata/wire-*")
	if err != nil || len(recordings) == 0 {
		t.Fatalf("no recordings of requests: %v", err)
	}
	replayRequests(t, recordings[len(recordings)-1], func(body []byte, path string) []byte {
		if path == loki.PathOffsets {
			var all map[string]any
			if err := json.Unmarshal(body, &all); err != nil {
				t.Fatal(err)
			}
			all["not_known_yet"] = map[string]any{"a": []int{1}}
			body, err = json.Marshal(all)
			if err != nil {
				t.Fatal(err)
			}
			return body
		}
		plain, err := snappy.Decode(nil, body)
		if err != nil {
			t.Fatal(err)
		}
		// Field 2000 of the push, a text, and field 2001, a number.
		plain = append(plain, 0x82, 0x7d, 3, 'n', 'e', 'w', 0x88, 0x7d, 7)
		return snappy.Encode(nil, plain)
	})
}

func replayRequests(t *testing.T, dir string, change func(body []byte, path string) []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.http"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no requests in %s: %v", dir, err)
	}
	s := serve(t)
	pushes := 0
	for range 2 {
		for _, path := range files {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			body, err := io.ReadAll(in.Body)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			out, err := http.NewRequest(in.Method, s.URL+in.URL.RequestURI(), bytes.NewReader(change(body, in.URL.Path)))
			if err != nil {
				t.Fatal(err)
			}
			out.Header = in.Header
			out.Header.Del("Content-Length")
			response, err := http.DefaultClient.Do(out)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode/100 != 2 {
				t.Errorf("%s %s is answered %s: %s", path, in.URL.Path, response.Status, text)
			}
			if in.URL.Path == "/loki/api/v1/push" {
				pushes++
			}
		}
	}
	if pushes == 0 {
		t.Error("no push was recorded")
	}
	wantAnswer(t, s.URL)
}

// wantAnswer asks for the recorded lines.
func wantAnswer(t *testing.T, base string) {
	t.Helper()
	form := url.Values{"query": {`{RayCluster="recorded", component="raylet"}`}, "start": {"2026-11-20T00:00:00Z"}, "end": {"2026-11-21T00:00:00Z"}, "direction": {"forward"}}
	request, err := http.NewRequest(http.MethodGet, base+"/loki/api/v1/query_range?"+form.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Scope-OrgID", "team-a")
	request.Header.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Data struct{ Result []struct{ Values [][3]any } }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range answer.Data.Result {
		for _, v := range r.Values {
			got = append(got, fmt.Sprint(v[1]))
		}
	}
	if strings.Join(got, "\n") != strings.Join(rayLines, "\n") {
		t.Errorf("lines\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(rayLines, "\n"))
	}
}
