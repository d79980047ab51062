package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"

	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// The real programs are asked by make e2e-stores; here stands what they do when
// they do not do as they are told.

func TestParseOutgrown(t *testing.T) {
	for text, want := range map[string]string{
		"victorialogs://v:9428":                                  "http://v:9428 http://v:9428 []",
		"victorialogs+https://v:9428":                            "https://v:9428 https://v:9428 []",
		"victorialogs://s:1?insert=i:2&node=n1:3&node=n2:4":      "http://s:1 http://i:2 [http://n1:3 http://n2:4]",
		"loki://l:3100":                                          "http://l:3100 http://l:3100 []",
		"loki://l:3100/prefix":                                   "error: more than host and port",
		"loki://l:3100?insert=i:2":                               "error: makes no sense",
		"victorialogs://v:9428?insert=nothing":                   "error: makes no sense",
		"victorialogs://v:9428?other=i:2":                        `error: no part "other"`,
		"http://v:9428":                                          "error: no kind",
		"victorialogs+ftp://v:9428":                              "error: no kind",
		"victorialogs://":                                        "error: no address",
		"v:9428":                                                 "error: no address",
		"loki://user:secret@l:3100":                              "error: more than host and port",
		"victorialogs://v:9428#":                                 "http://v:9428 http://v:9428 []",
		"victorialogs://v:9428?node=n1:3":                        "http://v:9428 http://v:9428 [http://n1:3]",
		"victorialogs+https://s:1?insert=i:2":                    "https://s:1 https://i:2 []",
		"victorialogs://" + strings.Repeat("x", 10) + ":1?a=%zz": "http://xxxxxxxxxx:1 http://xxxxxxxxxx:1 []",
	} {
		o, err := ParseOutgrown(text)
		if part, bad := strings.CutPrefix(want, "error: "); bad {
			if err == nil || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), "want victorialogs://HOST:PORT") {
				t.Errorf("%s: error %v, want %q and the forms", text, err, part)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the error tells the password", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := fmt.Sprint(o.Query, " ", o.Insert, " ", o.Nodes); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestADirectoryOfAnotherKindOfStore(t *testing.T) {
	remote, err := ParseOutgrown("victorialogs://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	inside := t.TempDir()
	e := openAt(t, inside, nil)
	appendPush(t, e, filePush(1, 0, "", "one"))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: inside, Outgrown: remote}); err == nil || !strings.Contains(err.Error(), "holds lines itself") {
		t.Errorf("a directory with lines was taken for another store: %v", err)
	}
	wantLines(t, openAt(t, inside, nil), "one")
	outside := t.TempDir()
	if err := openAt(t, outside, func(c *Config) { c.Outgrown = remote }).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: outside}); err == nil || !strings.Contains(err.Error(), "give --store victorialogs://") {
		t.Errorf("a directory of another store was opened without it: %v", err)
	}
	if _, err := Open(Config{Dir: t.TempDir(), Outgrown: remote, Retention: 48 * time.Hour}); err == nil || !strings.Contains(err.Error(), "is set in victorialogs") {
		t.Errorf("retention was taken for a store that has its own: %v", err)
	}
}

// openLoki opens a store in front of a Loki that answers with what answer says.
func openLoki(t *testing.T, dir string, answer http.HandlerFunc) *Engine {
	t.Helper()
	l := httptest.NewServer(answer)
	t.Cleanup(l.Close)
	o, err := ParseOutgrown("loki://" + strings.TrimPrefix(l.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return openAt(t, dir, func(c *Config) { c.Outgrown = o })
}

// A push is acknowledged when Loki has it, with the file's metadata on each line
// and nothing of ours that no query shows.
func TestAPushIsAcknowledgedWhenLokiHasIt(t *testing.T) {
	var mu sync.Mutex
	var got []string
	failures := 2
	e := openLoki(t, t.TempDir(), func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if failures--; failures >= 0 {
			http.Error(w, "busy", http.StatusTooManyRequests)
			return
		}
		got = append(got, linesOfPush(t, r)...)
		w.WriteHeader(http.StatusNoContent)
	})
	for range 2 { // the second is a repeat
		appendPush(t, e, filePush(1, 0, "", "one", "two"))
	}
	want := []string{
		`fake {component="raylet", job="ray/logs"} one {filename="raylet1.out", offset="0", session="s1"}`,
		`fake {component="raylet", job="ray/logs"} two {filename="raylet1.out", offset="10", session="s1"}`,
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what Loki got (-want +got):\n%s", diff)
	}
}

func linesOfPush(t *testing.T, r *http.Request) (lines []string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	if body, err = snappy.Decode(nil, body); err != nil {
		t.Error(err)
	}
	p, err := loki.DecodePush(body)
	if err != nil {
		t.Error(err)
		return nil
	}
	for _, s := range p.Streams {
		if s.Range != nil {
			t.Error("Loki got a file's range")
		}
		for _, e := range s.Entries {
			lines = append(lines, fmt.Sprintf("%s %s %s %s", r.Header.Get("X-Scope-OrgID"), s.Labels, e.Line, e.Metadata))
		}
	}
	return lines
}

// What Loki will not have its sender is told, and it is not sent again.
func TestWhatLokiRefusesIsTold(t *testing.T) {
	e := openLoki(t, t.TempDir(), func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "entry too far behind", http.StatusBadRequest)
	})
	_, err := e.Append(context.Background(), store.Batch{Tenant: "fake", Received: base, Push: filePush(1, 0, "", "one")})
	var invalid *store.InvalidError
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "entry too far behind") {
		t.Errorf("error %v", err)
	}
	if err := e.Select(context.Background(), []string{"fake"}, everything(), nil); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "LogQL") {
		t.Errorf("a question that is not passed on: %v", err)
	}
}

// What a Loki that is away has not taken is in the journal: it gets it after the
// next start.
func TestLinesForAStoreThatIsAwayAreKept(t *testing.T) {
	dir := t.TempDir()
	e := openLoki(t, dir, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) })
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, err := e.Append(ctx, store.Batch{Tenant: "fake", Received: base, Push: filePush(1, 0, "", "one")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a push that nobody has was answered with %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 10)
	e = openLoki(t, dir, func(w http.ResponseWriter, r *http.Request) {
		for _, l := range linesOfPush(t, r) {
			got <- l
		}
		w.WriteHeader(http.StatusNoContent)
	})
	if l := <-got; !strings.Contains(l, " one ") {
		t.Errorf("Loki got %q", l)
	}
	appendPush(t, e, filePush(1, 0, "", "one")) // it is known as sent
	if len(got) != 0 {
		t.Errorf("Loki got %q again", <-got)
	}
}

func TestReadBlocks(t *testing.T) {
	rows := `{"_time":"2026-11-20T12:00:00Z","_msg":"one","a":"1"}
{"_time":"2026-11-20T12:00:01Z","b":"2"}

{"_time":"2026-11-20T12:00:02Z","_msg":"three","a":"1","b":"\u00e9"}
`
	var got []string
	err := readBlocks(strings.NewReader(rows), func(b *logstorage.DataBlock) {
		for _, c := range b.Columns {
			got = append(got, fmt.Sprintf("%s %q", c.Name, c.Values))
		}
	})
	want := []string{
		`_time ["2026-11-20T12:00:00Z" "2026-11-20T12:00:01Z" "2026-11-20T12:00:02Z"]`,
		`_msg ["one" "" "three"]`, `a ["1" "" "1"]`, `b ["" "2" "é"]`,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, columns (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"{", "[]", `{"a":1}`, `{"a":"b"}` + "\ncannot execute query", strings.Repeat(" ", maxRowText+1)} {
		if err := readBlocks(strings.NewReader(bad), func(*logstorage.DataBlock) {}); err == nil {
			t.Errorf("%.40q was read", bad)
		}
	}
}

// FuzzReadBlocks: whatever a store answers, columns are as long as each other.
func FuzzReadBlocks(f *testing.F) {
	f.Add(`{"_time":"2026-11-20T12:00:00Z","a":"1"}` + "\n" + `{"b":"2","b":"3"}`)
	f.Add(`{"a":"b"`)
	f.Fuzz(func(t *testing.T, text string) {
		_ = readBlocks(strings.NewReader(text), func(b *logstorage.DataBlock) {
			for _, c := range b.Columns {
				if len(c.Values) != b.RowsCount() {
					t.Fatalf("column %q has %d values in a block of %d rows", c.Name, len(c.Values), b.RowsCount())
				}
			}
		})
	})
}
