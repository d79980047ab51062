package ship

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/loki"
)

func TestAnswersOfAServer(t *testing.T) {
	refused := `{"files":[{"file":"01000000000000000000000000000000","committed":7}]}`
	for _, c := range []struct {
		code   int
		header string
		body   string
		kind   Kind
		after  time.Duration
		says   string
	}{
		{204, "", "", KindDone, 0, ""},
		{200, "", "ok", KindDone, 0, ""},
		{200, "", "<!doctype html><title>Log in</title>", KindRetry, 0, "with a web page"},
		{206, "", "", KindRetry, 0, "206"},
		{260, "", "blocked", KindRetry, 0, "the tenant is blocked"},
		{400, "", "Client sent an HTTP request to an HTTPS server.\n", KindRetry, 0, "use https://"},
		{400, "", "<html>400 The plain HTTP request was sent to HTTPS port</html>", KindRetry, 0, "use https://"},
		{400, "", "<html>request header too large</html>", KindRetry, 0, "with a web page"},
		{413, "", "<html>413 Request Entity Too Large</html>", KindReject, 0, "413"},
		{409, "", `{"files":[{"file":"01000000000000000000000000000000","committed":18446744073709551615}]}`, KindRetry, 0, "409"},
		{409, "", refused, KindRefused, 0, ""},
		{409, "", "conflict of another kind", KindRetry, 0, "409"},
		{400, "", "bad line\nmore", KindReject, 0, "the server answered 400 Bad Request: bad line"},
		{413, "", "", KindReject, 0, "413"},
		{429, "7", "slow down", KindRetry, 7 * time.Second, "slow down"},
		{503, "", "disk full", KindRetry, 0, "disk full"},
		{500, "", "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (20004957 vs. 4194304)", KindReject, 0, "larger than max"},
		{500, "soon", "", KindRetry, 0, "500"},
		{503, "-5", "", KindRetry, 0, "503"},
		{503, "86400", "", KindRetry, 10 * time.Minute, "503"},
		{503, "99999999999999999999999999", "", KindRetry, 10 * time.Minute, "503"},
		{503, "Fri, 01 Jan 2100 00:00:00 GMT", "", KindRetry, 10 * time.Minute, "503"},
		{503, "Fri, 01 Jan 2010 00:00:00 GMT", "", KindRetry, 0, "503"},
		{401, "", "", KindRetry, 0, "check the credentials and the tenant"},
		{404, "", "", KindRetry, 0, "check url"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.header != "" {
				w.Header().Set("Retry-After", c.header)
			}
			w.WriteHeader(c.code)
			fmt.Fprint(w, c.body)
		}))
		client, err := NewClient(Config{URL: srv.URL})
		if err != nil {
			t.Fatal(err)
		}
		a := client.Push(context.Background(), []byte("body"))
		if a.Kind != c.kind || a.RetryAfter != c.after || (c.says != "" && !strings.Contains(fmt.Sprint(a.Err), c.says)) {
			t.Errorf("%d: %+v", c.code, a)
		}
		if c.kind == KindRefused && (len(a.Refused) != 1 || a.Refused[0].Committed != 7) {
			t.Errorf("refused %v", a.Refused)
		}
		srv.Close()
	}
}

func TestARetrySendsTheSameBytes(t *testing.T) {
	var bodies [][]byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, b)
		if got := r.Header.Get("Content-Type"); got != "application/x-protobuf" {
			t.Errorf("content type %q", got)
		}
		if got := r.Header.Get("X-Scope-OrgID"); got != "team" {
			t.Errorf("tenant %q", got)
		}
		if got := r.Header.Get("Authorization"); got != "Bearer s3cret" {
			t.Errorf("authorization %q", got)
		}
	}))
	defer srv.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(Config{URL: srv.URL + "/loki/api/v1/push", Tenant: "team", TokenFile: token})
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("line "), 1000)
	client.Push(context.Background(), body)
	client.Push(context.Background(), body)
	client.Forget()
	copy(body, "other") // the same buffer holds another body now
	client.Push(context.Background(), body)
	if !bytes.Equal(bodies[0], bodies[1]) {
		t.Error("a retry sent other bytes")
	}
	if got, err := s2.Decode(nil, bodies[2]); err != nil || !bytes.Equal(got, body) {
		t.Errorf("the next body is not what was given: %v", err)
	}
}

func TestErrorsSayNoSecrets(t *testing.T) {
	client, err := NewClient(Config{URL: "http://user:hunter2@127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	a := client.Push(context.Background(), []byte("x"))
	if a.Kind != KindRetry || strings.Contains(a.Err.Error(), "hunter2") {
		t.Errorf("%v", a.Err)
	}
	for _, bad := range []string{"", "ftp://user:hunter2@x", "host:3100", "http://", "http://x?y=z"} {
		if _, err := NewClient(Config{URL: bad}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("url %q: %v", bad, err)
		}
	}
}

func TestOffsetsTellAServerFromALoki(t *testing.T) {
	var asked int
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q loki.OffsetsRequest
		_ = json.NewDecoder(r.Body).Decode(&q)
		asked++
		var a loki.OffsetsResponse
		for _, g := range q.Generations {
			a.Found = append(a.Found, loki.FileOffsets{Generations: []loki.Generation{{Fingerprint: g}}})
		}
		for _, f := range q.Files {
			a.Files = append(a.Files, loki.FileOffsets{File: f, Committed: uint64(f[0])})
		}
		_ = json.NewEncoder(w).Encode(a)
	}))
	defer srv.Close()
	client, _ := NewClient(Config{URL: srv.URL})
	files := make([]loki.FileID, 2500)
	for i := range files {
		files[i][0] = byte(i)
	}
	got, wire, err := client.Offsets(context.Background(), loki.OffsetsRequest{Files: files, Generations: make([][]byte, 3100)})
	if err != nil || wire != parse.Remora || len(got.Files) != len(files) || got.Files[2499].Committed != 2499%256 || len(got.Found) != 3100 || asked != 4 {
		t.Errorf("%d files, %d found, wire %d, %d requests, %v", len(got.Files), len(got.Found), wire, asked, err)
	}
	none := httptest.NewServer(http.NotFoundHandler())
	defer none.Close()
	client, _ = NewClient(Config{URL: none.URL})
	if _, wire, err := client.Offsets(context.Background(), loki.OffsetsRequest{}); err != nil || wire != parse.Loki {
		t.Errorf("wire %d, %v", wire, err)
	}
}
