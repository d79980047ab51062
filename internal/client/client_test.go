package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// serve returns a client of a server that answers with h.
func serve(t *testing.T, cfg Config, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	cfg.Addr = srv.URL
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestQueryRangeStreams(t *testing.T) {
	c := serve(t, Config{Tenant: "team-a", Token: "secret", UserAgent: "remora/1"}, func(w http.ResponseWriter, r *http.Request) {
		for name, want := range map[string]string{
			"X-Scope-OrgID": "team-a", "Authorization": "Bearer secret", "User-Agent": "remora/1",
			"X-Loki-Response-Encoding-Flags": "categorize-labels",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("header %s is %q, want %q", name, got, want)
			}
		}
		if got := r.URL.String(); got != "/loki/api/v1/query_range?direction=forward&end=2000000000000000000&limit=7&query=%7Ba%3D%22b%22%7D&start=1000000000000000000" {
			t.Errorf("asked %s", got)
		}
		io.WriteString(w, `{"status":"success","data":{"resultType":"streams","encodingFlags":["categorize-labels"],"result":[
			{"stream":{"b":"2","a":"1"},"values":[["3","third",{}],["5","fifth",{"structuredMetadata":{"pid":"7"},"parsed":{"x":"y"}}]]},
			{"stream":{"a":"0"},"values":[["4","fourth \u003c"],["5","fifth too"]]}]},"warnings":["slow"]}`)
	})
	got, err := c.QueryRange(t.Context(), RangeQuery{Query: `{a="b"}`, Start: time.Unix(1e9, 0), End: time.Unix(2e9, 0), Limit: 7, Direction: logs.Forward})
	if err != nil {
		t.Fatal(err)
	}
	want := &Result{Type: "streams", Warnings: []string{"slow"}, Lines: []Line{
		{Time: 3, Line: "third", Stream: logs.LabelsOf("a", "1", "b", "2")},
		{Time: 4, Line: "fourth <", Stream: logs.LabelsOf("a", "0")},
		{Time: 5, Line: "fifth", Stream: logs.LabelsOf("a", "1", "b", "2"), Metadata: logs.LabelsOf("pid", "7"), Parsed: logs.LabelsOf("x", "y")},
		{Time: 5, Line: "fifth too", Stream: logs.LabelsOf("a", "0")},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestQueryKinds(t *testing.T) {
	for _, tc := range []struct {
		name, data string
		want       []Series
	}{
		{"vector", `{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1700000000.123,"12"]}]}`, []Series{{logs.LabelsOf("a", "b"), []Point{{1700000000123, "12"}}}}},
		{"matrix", `{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"NaN"]]}]}`, []Series{{nil, []Point{{1000, "1"}, {2000, "NaN"}}}}},
		{"scalar", `{"resultType":"scalar","result":[5,"2"]}`, []Series{{nil, []Point{{5000, "2"}}}}},
	} {
		c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"status":"success","data":%s}`, tc.data)
		})
		got, err := c.Query(t.Context(), "1", time.Unix(5, 0))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if diff := cmp.Diff(tc.want, got.Series); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

// A query that no request line holds goes as a form.
func TestLongQueryIsPosted(t *testing.T) {
	query := `{a="` + strings.Repeat("x", 100_000) + `"}`
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.FormValue("query") != query {
			t.Errorf("%s with a query of %d bytes", r.Method, len(r.FormValue("query")))
		}
		io.WriteString(w, `{"data":{"resultType":"streams","result":[]}}`)
	})
	if _, err := c.QueryRange(t.Context(), RangeQuery{Query: query}); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	answer := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if name, value, ok := strings.Cut(header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"the server's words", answer(400, "", "parse error at line 1, col 2: what\n"), "parse error at line 1, col 2: what"},
		{"no words", answer(503, "", ""), "server answered 503 Service Unavailable to /loki/api/v1/query"},
		{"a proxy's page", answer(502, "Content-Type: text/html; charset=utf-8", "<html>oops"), "Bad Gateway"},
		{"not JSON", answer(200, "", "<html>"), "makes no sense (is it a Remora or Loki server?)"},
		{"unknown result", answer(200, "", `{"data":{"resultType":"x","result":[]}}`), `unknown type "x"`},
		{"too large", answer(200, "", strings.Repeat("x", 2<<20)), "answer is larger than 1 MiB"},
	} {
		c := serve(t, Config{MaxResponse: 1 << 20}, tc.handler)
		_, err := c.Query(t.Context(), "1", time.Now())
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}
	var status *StatusError
	c := serve(t, Config{}, answer(429, "Retry-After: 7", "slow down"))
	_, err := c.Query(t.Context(), "1", time.Now())
	if !errors.As(err, &status) || !status.Temporary() || status.RetryAfter != 7*time.Second {
		t.Errorf("429: %#v", err)
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c, err := New(Config{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.LabelNames(t.Context(), time.Now(), time.Now())
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), "no answer from http://"+addr) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = c.LabelNames(ctx, time.Now(), time.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestParseAddr(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "http://127.0.0.1:3100",
		"localhost:3100":         "http://localhost:3100",
		"https://logs.x/remora/": "https://logs.x/remora",
	} {
		u, err := ParseAddr(in)
		if err != nil || u.String() != want {
			t.Errorf("%q: %s, %v", in, u, err)
		}
	}
	for _, in := range []string{"ftp://x", "http://", "http://x?y=1", "http://[", "http://x/#a"} {
		if u, err := ParseAddr(in); err == nil {
			t.Errorf("%q is taken as %s", in, u)
		}
	}
}

func TestPushAndOffsets(t *testing.T) {
	id := loki.FileID{1, 2, 3}
	push := &loki.Push{Streams: []loki.Stream{{
		Labels: logs.LabelsOf("a", "b"), Entries: []logs.Entry{{Time: 5, Line: "x"}},
		Range: &loki.FileRange{File: id, Generation: []byte{7}, From: 10, To: 12},
	}}}
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/loki/api/v1/push":
			body, _ := io.ReadAll(r.Body)
			raw, err := s2.Decode(nil, body)
			if err != nil {
				t.Fatal(err)
			}
			got, err := loki.DecodePush(raw)
			if diff := cmp.Diff(push, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
			w.WriteHeader(http.StatusConflict)
			fmt.Fprintf(w, `{"files":[{"file":"%s","committed":4}]}`, id)
		case loki.PathOffsets:
			fmt.Fprintf(w, `{"files":[{"file":"%s","committed":4}]}`, id)
		}
	})
	var refused *RefusedError
	err := c.Push(t.Context(), loki.AppendPush(nil, push))
	if !errors.As(err, &refused) || refused.Files[0] != (loki.FileOffset{File: id, Committed: 4}) {
		t.Errorf("push: %v", err)
	}
	got, err := c.Offsets(t.Context(), []loki.FileID{id})
	if err != nil || len(got) != 1 || got[0].Committed != 4 {
		t.Errorf("offsets: %v %v", got, err)
	}
	if _, err := c.Offsets(t.Context(), []loki.FileID{id, {9}}); err == nil {
		t.Error("an answer that is too short is taken")
	}
}

func TestTail(t *testing.T) {
	c := serve(t, Config{Tenant: "team-a"}, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("query") == "bad" {
			http.Error(w, "parse error : bad", http.StatusBadRequest)
			return
		}
		if r.Header.Get("X-Scope-OrgID") != "team-a" || r.FormValue("limit") != "3" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		conn.Write(r.Context(), websocket.MessageText, []byte(`{"streams":[{"stream":{"a":"b"},"values":[["5","x"]]}],"dropped_entries":[{"timestamp":"4","labels":{}}]}`))
		conn.Close(websocket.StatusInternalError, "max concurrent tail requests limit exceeded")
	})
	var got []TailBatch
	err := c.Tail(t.Context(), TailQuery{Query: `{a="b"}`, Start: time.Now(), Limit: 3}, func(b TailBatch) error {
		got = append(got, b)
		return nil
	})
	want := []TailBatch{{}, {Lines: []Line{{Time: 5, Line: "x", Stream: logs.LabelsOf("a", "b")}}, Dropped: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var closed *ClosedError
	if !errors.As(err, &closed) || !closed.Failed {
		t.Errorf("end of the tail: %v", err)
	}
	var status *StatusError
	err = c.Tail(t.Context(), TailQuery{Query: "bad"}, func(TailBatch) error { return nil })
	if !errors.As(err, &status) || status.Status != 400 || status.Message != "parse error : bad" {
		t.Errorf("bad query: %v", err)
	}
}
