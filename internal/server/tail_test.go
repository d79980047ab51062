package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/server"
)

// frame is one message of a tail.
type frame struct {
	Streams []struct {
		Stream map[string]string   `json:"stream"`
		Values [][]json.RawMessage `json:"values"`
	} `json:"streams"`
	Dropped       []map[string]any `json:"dropped_entries"`
	EncodingFlags []string         `json:"encodingFlags"`
}

func (f frame) lines() (lines []string) {
	for _, s := range f.Streams {
		for _, v := range s.Values {
			var line string
			_ = json.Unmarshal(v[1], &line)
			lines = append(lines, line)
		}
	}
	return lines
}

type tail struct {
	t    *testing.T
	conn *websocket.Conn
}

func (r *rig) tail(header http.Header, params ...string) *tail {
	r.t.Helper()
	conn, resp, err := websocket.Dial(r.t.Context(), r.url+address("/loki/api/v1/tail", params...), &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		r.t.Fatalf("%v: %v", err, resp)
	}
	conn.SetReadLimit(-1)
	r.t.Cleanup(func() { conn.CloseNow() })
	return &tail{r.t, conn}
}

func (l *tail) next() (f frame, err error) {
	l.t.Helper()
	_, body, err := l.conn.Read(l.t.Context())
	if err == nil {
		err = json.Unmarshal(body, &f)
	}
	return f, err
}

// want reads frames until the lines have come, in this order and no others.
func (l *tail) want(lines ...string) {
	l.t.Helper()
	var got []string
	for len(got) < len(lines) {
		f, err := l.next()
		if err != nil {
			l.t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, f.lines()...)
	}
	if d := cmp.Diff(lines, got); d != "" {
		l.t.Fatalf("lines differ (-want +got):\n%s", d)
	}
}

func TestTail(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	app := logs.LabelsOf("app", "x")
	at := func(d time.Duration, line string) { // a line of its own time
		s := stream(app, line)
		s.Entries[0].Time = noon.Add(d).UnixNano()
		r.push(s).want(t, 204)
	}
	at(-30*time.Minute, "old")
	at(-2*time.Minute, "keep 1")
	at(-3*time.Minute, "keep 0")
	at(-2*time.Hour, "keep, but too old")
	l := r.tail(nil, "query", `{app="x"} |= "keep"`)
	l.want("keep 0", "keep 1") // what was there, oldest first
	at(-time.Minute, "let go")
	at(0, "keep 2")
	l.want("keep 2")
	at(time.Minute, "keep 3")
	l.want("keep 3")

	limited := r.tail(nil, "query", `{app="x"}`, "limit", "1")
	limited.want("keep 2") // "keep 3" lies ahead of now

	none := r.tail(nil, "query", `{app="x"}`, "start", nanos(noon.Add(time.Hour)))
	at(2*time.Minute, "fresh")
	none.want("fresh")
}

func TestTailRunsThePipeline(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	l := r.tail(http.Header{"X-Loki-Response-Encoding-Flags": {"categorize-labels"}},
		"query", `{app="x"} | logfmt | level="error" | line_format "{{.msg}}!"`)
	browser := r.tail(nil, "query", `{app="x"}`, "encoding_flags", "categorize-labels")
	s := stream(logs.LabelsOf("app", "x"), "level=info msg=no", "level=error msg=yes")
	s.Entries[1].Metadata = logs.LabelsOf("pid", "7")
	r.push(s).want(t, 204)
	f, err := l.next()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"yes!"}, f.lines()); d != "" || len(f.EncodingFlags) != 1 {
		t.Fatalf("%v (-want +got):\n%s", f, d)
	}
	want := `{"structuredMetadata":{"detected_level":"error","pid":"7"},"parsed":{"level":"error","msg":"yes"}}`
	if got := string(f.Streams[0].Values[0][2]); got != want {
		t.Errorf("labels %s, want %s", got, want)
	}
	if f, err := browser.next(); err != nil || len(f.EncodingFlags) != 1 || len(f.lines()) != 2 {
		t.Errorf("%+v %v", f, err)
	}
}

// A line that is pushed while a tail begins is sent once, and nothing is lost.
func TestTailBegins(t *testing.T) {
	r := start(t, withStore(openStore(t)), withLimits(server.Limits{TailWindow: 10 * time.Millisecond}))
	const n = 60
	started := make(chan struct{})
	go func() {
		for i := range n {
			if i == n/3 {
				close(started)
			}
			s := stream(logs.LabelsOf("app", "x"), fmt.Sprint(i))
			s.Entries[0].Time = noon.Add(time.Duration(i-n) * time.Second).UnixNano()
			r.push(s).want(t, 204)
		}
	}()
	<-started
	l := r.tail(nil, "query", `{app="x"}`, "limit", "1000")
	seen := map[string]int{}
	for len(seen) < n {
		f, err := l.next()
		if err != nil {
			t.Fatalf("after %d lines: %v", len(seen), err)
		}
		for _, line := range f.lines() {
			if seen[line]++; seen[line] > 1 {
				t.Fatalf("line %s came twice", line)
			}
		}
	}
}

func TestTailEnds(t *testing.T) {
	t.Run("after its time", func(t *testing.T) {
		r := start(t, withLimits(server.Limits{TailDuration: 20 * time.Millisecond}))
		_, err := r.tail(nil, "query", `{a="b"}`).next()
		wantClose(t, err, websocket.StatusInternalError, "reached tail max duration limit")
	})
	t.Run("with the server", func(t *testing.T) {
		r := start(t)
		l := r.tail(nil, "query", `{a="b"}`)
		eventually(t, func() bool { return strings.Contains(r.get("/metrics").body, "remora_server_tails 1") })
		go func() { _ = r.server.Close(context.Background()) }()
		_, err := l.next()
		wantClose(t, err, websocket.StatusGoingAway, "server is shutting down")
	})
	t.Run("where there are too many", func(t *testing.T) {
		r := start(t, withLimits(server.Limits{Tails: 1}))
		first := r.tail(nil, "query", `{a="b"}`)
		eventually(t, func() bool { return strings.Contains(r.get("/metrics").body, "remora_server_tails 1") })
		_, err := r.tail(nil, "query", `{a="b"}`).next()
		wantClose(t, err, websocket.StatusInternalError, "max concurrent tail requests limit exceeded, count > limit (2 > 1)")
		_ = first.conn.Close(websocket.StatusNormalClosure, "")
		eventually(t, func() bool { return strings.Contains(r.get("/metrics").body, "remora_server_tails 0") })
	})
	t.Run("with the store's error", func(t *testing.T) {
		r := start(t, withStore(&memoryStore{readErr: errors.New("bad block")}))
		_, err := r.tail(nil, "query", `{a="b"}`).next()
		wantClose(t, err, websocket.StatusInternalError, "bad block")
	})
}

// A page of another site can neither follow nor push.
func TestOtherSites(t *testing.T) {
	r := start(t)
	evil := http.Header{"Origin": {"https://evil.example"}}
	_, resp, err := websocket.Dial(t.Context(), r.url+address("/loki/api/v1/tail", "query", `{a="b"}`), &websocket.DialOptions{HTTPHeader: evil})
	if err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("tail: %v", err)
	}
	r.tail(http.Header{"Origin": {r.url}}, "query", `{a="b"}`)
	body := jsonPush(jsonLine(noon, "x"))
	r.pushJSON(body, "Origin", "https://evil.example").want(t, 403, "from a page of another site")
	r.pushJSON(body, "Sec-Fetch-Site", "cross-site").want(t, 403, "from a page of another site")
	r.pushJSON(body, "Origin", r.url, "Sec-Fetch-Site", "same-origin").want(t, 204)
}

func wantClose(t *testing.T, err error, code websocket.StatusCode, reason string) {
	t.Helper()
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Reason != reason {
		t.Errorf("%v, want code %d %q", err, code, reason)
	}
}

// What the store could not hand on is told as dropped.
func TestTailTellsWhatItDropped(t *testing.T) {
	ms := &memoryStore{}
	ms.follow = func(lost func(int)) <-chan struct{} {
		lost(3)
		done := make(chan struct{})
		close(done)
		return done
	}
	f, err := start(t, withStore(ms)).tail(nil, "query", `{a="b"}`).next()
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Dropped) != 3 || f.Dropped[0]["timestamp"] != nanos(noon) || len(f.Streams) != 0 {
		t.Errorf("%+v", f)
	}
}

// A client that does not read does not hold up pushes; it is told what it
// missed once it reads again. What is pushed is more than the tail, a message that
// is being written and the connection's buffers hold together.
func TestSlowTail(t *testing.T) {
	r := start(t)
	l := r.tail(nil, "query", `{app="x"}`, "start", nanos(noon.Add(time.Second)))
	eventually(t, func() bool {
		ms := r.store.(*memoryStore)
		ms.mu.Lock()
		defer ms.mu.Unlock()
		return len(ms.followers) == 1
	})
	line := strings.Repeat("x", 20_000)
	const n = 3000
	for batch := range n / 100 {
		lines := make([]string, 100)
		for i := range lines {
			lines[i] = strconv.Itoa(batch) + line
		}
		r.push(stream(logs.LabelsOf("app", "x"), lines...)).want(t, 204)
	}
	got, dropped := 0, 0
	for got+dropped < n {
		f, err := l.next()
		if err != nil {
			t.Fatalf("after %d lines and %d dropped: %v", got, dropped, err)
		}
		if len(f.lines()) > 100 {
			t.Errorf("frame of %d lines", len(f.lines()))
		}
		got += len(f.lines())
		dropped += len(f.Dropped)
	}
	if got+dropped != n || dropped == 0 {
		t.Errorf("%d lines and %d dropped", got, dropped)
	}
}
