package receive

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

func lines(texts ...string) (l Lines) {
	for _, t := range texts {
		l.Add([]byte(t))
	}
	return l
}

// message wraps a text as a length-delimited field of protobuf.
func message(field byte, text []byte) []byte {
	return append([]byte{field<<3 | 2, byte(len(text))}, text...)
}

// otlpBody is a request with one record for each line.
func otlpBody(texts ...string) []byte {
	var scope []byte
	for _, t := range texts {
		record := []byte{1<<3 | 1, 1, 2, 3, 4, 5, 6, 7, 8, 2 << 3, 9} // time_unix_nano, severity_number
		record = append(record, message(5, message(1, []byte(t)))...)
		scope = append(scope, message(2, record)...)
	}
	return message(1, append(message(1, nil), message(2, scope)...)) // a resource before the scope
}

func push(t *testing.T, s *Server, path, encoding string, body []byte) int {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Encoding", encoding)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

func counted(t *testing.T, s *Server) (c Counts) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/counts", nil))
	if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryFormCountsTheSameLines(t *testing.T) {
	want := lines("one", "", "three")
	p := &loki.Push{Streams: []loki.Stream{
		{Labels: logs.Labels{{Name: "a", Value: "b"}}, Entries: []logs.Entry{{Time: 1, Line: "three"}, {Time: 2}}},
		{Labels: logs.Labels{{Name: "a", Value: "c"}}, Entries: []logs.Entry{{Time: 3, Line: "one", Metadata: logs.Labels{{Name: "x", Value: "y"}}}}, Range: &loki.FileRange{To: 4}},
	}}
	otlp := otlpBody("one", "", "three")
	var zipped, framed bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(otlp)
	_ = z.Close()
	f := s2.NewWriter(&framed, s2.WriterSnappyCompat())
	_, _ = f.Write(otlp)
	_ = f.Close()
	for _, c := range []struct {
		name, path, encoding string
		body                 []byte
	}{
		{"loki", "/loki/api/v1/push", "", s2.EncodeSnappy(nil, loki.AppendPush(nil, p))},
		{"otlp", "/v1/logs", "", otlp},
		{"otlp, gzip", "/v1/logs", "gzip", zipped.Bytes()},
		{"otlp, snappy", "/otlp/v1/logs", "snappy", s2.EncodeSnappy(nil, otlp)},
		{"otlp, snappy in frames", "/v1/logs", "snappy", framed.Bytes()},
	} {
		s := New(false)
		if code := push(t, s, c.path, c.encoding, c.body); code/100 != 2 {
			t.Errorf("%s: status %d", c.name, code)
		}
		if got := counted(t, s); got.Lines != want || got.Pushes != 1 {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}

func TestBrokenBodiesAreRefusedAndNotCounted(t *testing.T) {
	s := New(false)
	whole := otlpBody("a line")
	for n := 1; n < len(whole); n++ {
		if code := push(t, s, "/v1/logs", "", whole[:n]); code != http.StatusBadRequest {
			t.Errorf("the first %d bytes are answered with %d", n, code)
		}
	}
	if code := push(t, s, "/v1/logs", "br", whole); code != http.StatusBadRequest {
		t.Errorf("an unknown compression is answered with %d", code)
	}
	if c := counted(t, s); c != (Counts{}) {
		t.Errorf("counted %+v", c)
	}
}

func TestLinesTellsALostADoubledAndAChangedLine(t *testing.T) {
	all := lines("one", "two", "three")
	for name, other := range map[string]Lines{
		"lost": lines("one", "two"), "doubled": lines("one", "two", "two"), "changed": lines("one", "owt", "three"),
	} {
		if other == all {
			t.Errorf("a %s line is not seen", name)
		}
	}
	if all != lines("three", "one", "two") {
		t.Error("order matters")
	}
	if lines("one", "", "two").WithoutEmpty() != lines("one", "two") {
		t.Error("an empty line counts as one that holds something")
	}
}

func FuzzLines(f *testing.F) {
	f.Add(otlpBody("one", "two"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, count := range []func(*Lines, []byte) error{(*Lines).otlp, (*Lines).loki} {
			var l Lines
			if err := count(&l, body); err == nil && l.Bytes > int64(len(body)) {
				t.Errorf("%d bytes of lines in a body of %d", l.Bytes, len(body))
			}
		}
	})
}
