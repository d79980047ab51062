package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// fakeServer answers range queries and tails from lines in memory, the way the
// API is documented.
type fakeServer struct {
	*httptest.Server
	mu    sync.Mutex
	lines []fakeLine
	asked int
	most  int // lines in an answer; 0 for 5000
	// tails are the running tails; cut ends them.
	tails map[chan fakeLine]bool
}

type fakeLine struct {
	time int64
	line string
}

func newFakeServer(t *testing.T) *fakeServer {
	f := &fakeServer{tails: map[chan fakeLine]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/loki/api/v1/query_range", f.queryRange)
	mux.HandleFunc("/loki/api/v1/tail", f.tail)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(func() { f.cut(); f.Close() })
	return f
}

func (f *fakeServer) selected(start, end int64, limit int, forward bool) []fakeLine {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	var out []fakeLine
	for _, l := range f.lines {
		if start <= l.time && l.time < end {
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b fakeLine) int {
		if forward {
			return cmp.Compare(a.time, b.time)
		}
		return cmp.Compare(b.time, a.time)
	})
	return out[:min(limit, len(out))]
}

func (f *fakeServer) queryRange(w http.ResponseWriter, r *http.Request) {
	start, _ := strconv.ParseInt(r.FormValue("start"), 10, 64)
	end, _ := strconv.ParseInt(r.FormValue("end"), 10, 64)
	limit, _ := strconv.Atoi(r.FormValue("limit"))
	if end-start > int64(30*24*time.Hour) || limit > 5000 {
		http.Error(w, "too much at once", http.StatusBadRequest)
		return
	}
	if f.most > 0 && limit > f.most {
		http.Error(w, "the first lines of the answer have more bytes than allowed; use a lower limit", http.StatusBadRequest)
		return
	}
	lines := f.selected(start, end, limit, r.FormValue("direction") == "forward")
	w.Write([]byte(`{"status":"success","data":{"resultType":"streams","result":` + encodeLines(lines) + `}}`))
}

func encodeLines(lines []fakeLine) string {
	values := [][]string{}
	for _, l := range lines {
		values = append(values, []string{strconv.FormatInt(l.time, 10), l.line})
	}
	b, _ := json.Marshal([]any{map[string]any{"stream": map[string]string{"job": "x"}, "values": values}})
	return string(b)
}

func (f *fakeServer) tail(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	start, _ := strconv.ParseInt(r.FormValue("start"), 10, 64)
	limit, _ := strconv.Atoi(r.FormValue("limit"))
	ch := make(chan fakeLine, 100)
	past := f.selected(start, 1<<62, limit, false)
	slices.Reverse(past)
	f.mu.Lock()
	f.tails[ch] = true
	f.mu.Unlock()
	send := func(lines []fakeLine) error {
		return conn.Write(r.Context(), websocket.MessageText, []byte(`{"streams":`+encodeLines(lines)+`}`))
	}
	if len(past) > 0 && send(past) != nil {
		return
	}
	for l := range ch {
		if send([]fakeLine{l}) != nil {
			return
		}
	}
}

// add stores a line and sends it to the running tails.
func (f *fakeServer) add(l fakeLine) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, l)
	for ch := range f.tails {
		ch <- l
	}
}

// cut breaks the connection of each running tail, and says how many there were.
func (f *fakeServer) cut() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.tails)
	for ch := range f.tails {
		close(ch)
		delete(f.tails, ch)
	}
	return n
}

func (f *fakeServer) tailing() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.tails)
}

// testApp returns an app whose output a test can read.
func testApp(env map[string]string) (a *app, stdout, stderr *syncBuffer) {
	stdout, stderr = &syncBuffer{}, &syncBuffer{}
	return &app{
		build: Build{Version: "test", Commit: "none"}, stdin: strings.NewReader(""), stdout: stdout, stderr: stderr,
		getenv: func(name string) string { return env[name] },
		now:    func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) },
	}, stdout, stderr
}

// syncBuffer may be read while a command writes to it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// eventually polls ok until it is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
