package ship

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/loki"
)

// TestAnEndlessAnswerIsCut: of an answer that does not end a bound is read, the
// connection is dropped, and the next attempt works.
func TestAnEndlessAnswerIsCut(t *testing.T) {
	var sent atomic.Int64
	var connections atomic.Int32
	endless := true
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if !endless {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		junk := bytes.Repeat([]byte("junk "), 10_000)
		for {
			n, err := w.Write(junk)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c := client(t, HTTP{URL: srv.URL})
	for _, ask := range []func() error{
		func() error { return c.Push(t.Context(), []byte("x")).Err },
		func() error { _, _, err := c.Offsets(t.Context(), loki.OffsetsRequest{}); return err },
	} {
		if err := ask(); err == nil || len(err.Error()) > 500 || !strings.Contains(err.Error(), "503") {
			t.Errorf("error is %v", err)
		}
	}
	if n := sent.Load(); n > 64<<20 {
		t.Errorf("%d bytes were taken", n)
	}
	endless = false
	if a := c.Push(t.Context(), []byte("x")); a.Kind != KindDone || connections.Load() != 3 {
		t.Errorf("the next attempt: %v, %d connections, want a new one for each", a.Err, connections.Load())
	}
}

func TestHugeHeadersAreRefused(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Junk", strings.Repeat("x", 1<<20))
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	says(t, client(t, HTTP{URL: srv.URL}).Push(t.Context(), []byte("x")), "header")
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Store(true) }))
	defer other.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/loki/api/v1/push", code)
		}))
		c := client(t, HTTP{URL: srv.URL, BearerToken: "hunter2"})
		says(t, c.Push(t.Context(), []byte("x")), fmt.Sprint(code), "to "+other.URL+"/loki/api/v1/push, which is not followed", "set url")
		if _, _, err := c.Offsets(t.Context(), loki.OffsetsRequest{}); err == nil || !strings.Contains(err.Error(), "which is not followed") {
			t.Errorf("offsets: %v", err)
		}
		srv.Close()
	}
	if followed.Load() {
		t.Error("the token went to another server")
	}
}

func TestNonsenseInsteadOfOffsets(t *testing.T) {
	id := loki.FileID{1}
	for _, c := range []struct {
		code int
		body string
	}{
		{200, ""},
		{200, "OK"},
		{200, "<html>Log in</html>"},
		{200, "null"},
		{200, "{}"},
		{200, "[]"},
		{200, `{"status":"success","data":[]}`},
		{200, `{"files":[]}`},
		{200, `{"files":[{"file":"02000000000000000000000000000000","committed":5}]}`},
		{200, `{"files":[{"file":"01000000000000000000000000000000","committed":-5}]}`},
		{200, `{"files":[{"file":"01000000000000000000000000000000","committed":1e30}]}`},
		{200, `{"files":[{"file":"01000000000000000000000000000000","committed":18446744073709551615}]}`},
		{200, `{"files":[{"file":"01000000000000000000000000000000","committed":5},{"file":"01000000000000000000000000000000","committed":6}]}`},
		{200, `{"files":[{"file":"01","committed":5}]}`},
		{200, `{"files":[{"file":"01000000000000000000000000000000","committed":5,"generations":[{"fingerprint":"AA==","base":18446744073709551615}]}]}`},
		{200, `{"files":[{"file":"01000000000000000000000000000000","committed":5}]} trailing`},
		{200, `{"files":[` + strings.Repeat(" ", offsetsBytes)},
		{204, ""},
		{206, `{"files":[{"file":"01000000000000000000000000000000","committed":5}]}`},
		{500, ""},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.code)
			_, _ = io.WriteString(w, c.body)
		}))
		got, _, err := client(t, HTTP{URL: srv.URL}).Offsets(t.Context(), loki.OffsetsRequest{Files: []loki.FileID{id}})
		if err == nil || got.Files != nil {
			t.Errorf("%d %.80q: %v, files %v", c.code, c.body, err, got.Files)
		}
		srv.Close()
	}
}

func TestAKindThatIsKnownIsNotAskedFor(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.NotFound(w, r)
	}))
	defer srv.Close()
	of := func(kind Server) *Client {
		c, err := NewClient(Config{HTTP: HTTP{URL: srv.URL}, Server: kind})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if _, wire, err := of(LokiServer).Offsets(t.Context(), loki.OffsetsRequest{}); err != nil || wire != parse.Loki || asked.Load() != 0 {
		t.Errorf("a Loki was asked %d times: wire %d, %v", asked.Load(), wire, err)
	}
	if _, _, err := of(RemoraServer).Offsets(t.Context(), loki.OffsetsRequest{}); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a Remora server that is not there is taken for a Loki: %v", err)
	}
}

func TestAServerThatBreaksOff(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	answers := []string{
		"", "HTTP/1.1", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 204 No Content\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nhalf", "HTTP/1.1 409 Conflict\r\nContent-Length: 1000\r\n\r\n{\"files\":[",
		"HTTP/1.1 100 Continue\r\n\r\n",
	}
	go func() {
		for i := 0; ; i++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, answers[min(i, len(answers)-1)])
			c.Close()
		}
	}()
	c := client(t, HTTP{URL: "http://" + l.Addr().String()})
	for i := range answers {
		if a := c.Push(context.Background(), []byte("x")); a.Kind != KindRetry || a.Err == nil {
			t.Errorf("%q: %+v", answers[i], a)
		}
	}
}

func FuzzOffsets(f *testing.F) {
	f.Add([]byte(`{"files":[{"file":"01000000000000000000000000000000","committed":5,"generations":[{"fingerprint":"AA==","base":3}]}],"found":[]}`))
	f.Add([]byte(`{"files":[{"file":"01000000000000000000000000000000","committed":18446744073709551615}]}`))
	ask := &loki.OffsetsRequest{Files: []loki.FileID{{1}}}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := readOffsets(bytes.NewReader(body), ask)
		if err != nil {
			if r.Files != nil || r.Found != nil {
				t.Error("an error and an answer")
			}
			return
		}
		if len(r.Files) != 1 || r.Files[0].File != ask.Files[0] || r.Files[0].Committed > farOffset {
			t.Errorf("%+v", r)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(409, []byte(`{"files":[{"file":"01000000000000000000000000000000","committed":7}]}`), "text/plain", "7", "/x")
	f.Add(302, []byte("x"), "text/html", "Fri, 01 Jan 2100 00:00:00 GMT", "http://u:p@h/?q")
	c, err := NewClient(Config{URL: "http://h"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, code int, body []byte, contentType, after, location string) {
		if code < 100 || code > 999 {
			t.Skip("net/http takes none of those")
		}
		resp := &http.Response{StatusCode: code, Body: io.NopCloser(bytes.NewReader(body)), Header: http.Header{
			"Content-Type": {contentType}, "Retry-After": {after}, "Location": {location},
		}}
		a := c.answer(resp)
		if (a.Kind == KindRetry || a.Kind == KindReject) != (a.Err != nil) || a.RetryAfter < 0 || a.RetryAfter > longestPause {
			t.Errorf("%+v", a)
		}
		if a.Err != nil && len(a.Err.Error()) > 1500 {
			t.Errorf("an error of %d bytes", len(a.Err.Error()))
		}
		if a.Kind == KindDone && (code < 200 || code > 204) {
			t.Errorf("%d is taken for done", code)
		}
		if len(a.StatusLabel()) > 5 {
			t.Errorf("label %q", a.StatusLabel())
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Sat, 21 Nov 2026 15:00:00 GMT")
	f.Fuzz(func(t *testing.T, v string) {
		if d := retryAfter(v, time.Unix(0, math.MaxInt64/2)); d < 0 || d > longestPause {
			t.Errorf("%q: %s", v, d)
		}
	})
}

func FuzzBytes(f *testing.F) {
	f.Add("512KiB")
	f.Fuzz(func(t *testing.T, text string) {
		var b, again Bytes
		if b.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(b.String())); b < 0 || err != nil || again != b {
			t.Errorf("%q is %d, written %s, read as %d: %v", text, b, b, again, err)
		}
	})
}
