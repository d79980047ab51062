package server_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/server"
	"github.com/remora-ray/remora/internal/store"
)

const pushPath = "/loki/api/v1/push"

func packed(p *loki.Push) []byte { return s2.EncodeSnappy(nil, loki.AppendPush(nil, p)) }

func gzipped(b []byte) []byte {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	z.Write(b)
	z.Close()
	return buf.Bytes()
}

func deflated(t *testing.T, b []byte, header bool) []byte {
	var buf bytes.Buffer
	var z io.WriteCloser = zlib.NewWriter(&buf)
	if !header {
		var err error
		if z, err = flate.NewWriter(&buf, 5); err != nil {
			t.Fatal(err)
		}
	}
	z.Write(b)
	z.Close()
	return buf.Bytes()
}

// jsonPush is a body of one stream with the values, each a JSON array.
func jsonPush(values ...string) string {
	return `{"streams":[{"stream":{"app":"x"},"values":[` + strings.Join(values, ",") + `]}]}`
}

func jsonLine(at time.Time, line string) string {
	text, _ := json.Marshal(line)
	return fmt.Sprintf(`["%d",%s]`, at.UnixNano(), text)
}

// Every way of sending the same two lines stores them.
func TestPushForms(t *testing.T) {
	plain := &loki.Push{Streams: []loki.Stream{stream(logs.LabelsOf("app", "x"), "one", "two")}}
	text := []byte(jsonPush(jsonLine(noon.Add(-2*time.Millisecond), "one"), jsonLine(noon.Add(-time.Millisecond), "two")))
	tests := []struct {
		name     string
		kind     string
		encoding string
		body     []byte
	}{
		{"protobuf", "application/x-protobuf", "", packed(plain)},
		{"protobuf without a type", "", "", packed(plain)},
		{"protobuf said to be snappy", "application/x-protobuf", "snappy", packed(plain)},
		{"protobuf of an odd type", "text/plain", "", packed(plain)},
		{"protobuf in gzip", "application/x-protobuf", "gzip", gzipped(packed(plain))},
		{"JSON", "application/json", "", text},
		{"JSON with a charset", "Application/JSON; charset=utf-8", "identity", text},
		{"JSON in gzip", "application/json", "gzip", gzipped(text)},
		{"JSON in deflate", "application/json", "deflate", deflated(t, text, false)},
		{"JSON in deflate with zlib's header", "application/json", "deflate", deflated(t, text, true)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t)
			got := r.do("POST", pushPath, tt.body, "Content-Type", tt.kind, "Content-Encoding", tt.encoding)
			got.want(t, 204)
			if got.body != "" {
				t.Errorf("204 with a body: %q", got.body)
			}
			batch := r.store.(*memoryStore).batches[0]
			want := stream(logs.LabelsOf("app", "x", "service_name", "x"), "one", "two")
			for i := range want.Entries {
				want.Entries[i].Metadata = logs.LabelsOf("detected_level", "unknown")
			}
			if d := cmp.Diff(&loki.Push{Streams: []loki.Stream{want}}, batch.Push); d != "" {
				t.Errorf("stored differs (-want +got):\n%s", d)
			}
			if batch.Tenant != "fake" || !batch.Received.Equal(noon) {
				t.Errorf("tenant %s, received %s", batch.Tenant, batch.Received)
			}
			if batch.Body != nil && !bytes.Equal(batch.Body, packed(plain)) {
				t.Error("the body handed to the store is not the push")
			}
		})
	}
}

func TestBadPushes(t *testing.T) {
	limits := server.Limits{PushBytes: 100_000, PushDecoded: 200_000}
	ok := jsonPush(jsonLine(noon, "x"))
	proto := packed(&loki.Push{Streams: []loki.Stream{stream(logs.LabelsOf("app", "x"), strings.Repeat("line ", 50))}})
	tests := []struct {
		name   string
		body   []byte
		header []string
		status int
		want   string
	}{
		{"no streams", []byte(`{"streams":[]}`), nil, 422, "error at least one valid stream is required for ingestion"},
		{"empty JSON object", []byte(`{}`), nil, 422, "at least one valid stream"},
		{"empty protobuf", s2.EncodeSnappy(nil, nil), []string{"Content-Type", ""}, 422, "at least one valid stream"},
		{"empty body", nil, nil, 400, "JSON ends after 0 bytes"},
		{"empty body as protobuf", nil, []string{"Content-Type", "application/x-protobuf"}, 400, "not protobuf compressed with snappy"},
		{"JSON sent as protobuf", []byte(ok), []string{"Content-Type", "text/json"}, 400, "JSON must come as application/json"},
		{"protobuf sent as JSON", proto, nil, 400, "malformed push: expected an object at byte 0"},
		{"protobuf cut short", proto[:len(proto)-3], []string{"Content-Type", ""}, 400, "malformed push"},
		{"protobuf of random bytes", s2.EncodeSnappy(nil, []byte("\x0a\xff\xff\xff\x0fxx")), []string{"Content-Type", ""}, 400, "claims more bytes than are left"},
		{"JSON cut short", []byte(ok[:len(ok)-4]), nil, 400, "JSON ends after"},
		{"something after the JSON", []byte(ok + "{}"), nil, 400, "expected nothing after the push"},
		{"number as a time", []byte(jsonPush(`[1,"x"]`)), nil, 400, "time stamp is not a string of nanoseconds"},
		{"text as a time", []byte(jsonPush(`["now","x"]`)), nil, 400, `time stamp "now" is not a number of nanoseconds`},
		{"number as a line", []byte(jsonPush(`["1",2]`)), nil, 400, "log line is not a string"},
		{"no time", []byte(jsonPush(`[]`)), nil, 400, "time stamp"},
		{"number as metadata", []byte(jsonPush(`["1","x",{"a":1}]`)), nil, 400, `value of structured metadata "a" is not a string`},
		{"list as metadata", []byte(jsonPush(`["1","x",[]]`)), nil, 400, "structured metadata is not an object"},
		{"label a.b", []byte(`{"streams":[{"stream":{"a.b":"c"},"values":[]}]}`), nil, 400, `couldn't parse labels: label name "a.b" does not match`},
		{"label a.b in protobuf", rawPush(`{a.b="c"}`), []string{"Content-Type", ""}, 400, `couldn't parse labels: label name "a.b"`},
		{"unknown encoding", []byte(ok), []string{"Content-Encoding", "br"}, 400, `Content-Encoding "br" is not supported`},
		{"not gzip", []byte(ok), []string{"Content-Encoding", "gzip"}, 400, "push is not gzip"},
		{"gzip cut short", gzipped([]byte(ok))[:40], []string{"Content-Encoding", "gzip"}, 400, "decompress push (gzip)"},
		{"not deflate", []byte(ok), []string{"Content-Encoding", "deflate"}, 400, "decompress push (deflate)"},
		{"too large as sent", bytes.Repeat([]byte(" "), 390_000), nil, 413, "push is larger than the 100000 bytes allowed"},
		{"gzip bomb", gzipped(make([]byte, 50<<20)), []string{"Content-Encoding", "gzip"}, 413, "200000 bytes allowed once decompressed"},
		{"snappy bomb", s2.EncodeSnappy(nil, make([]byte, 300_000)), []string{"Content-Type", ""}, 413, "200000 bytes allowed once decompressed"},
		{"snappy that lies about its size", []byte("\xff\xff\xff\xff\x0f"), []string{"Content-Type", ""}, 413, "200000 bytes allowed"},
		{"tenant ..", []byte(ok), []string{"X-Scope-OrgID", ".."}, 400, "tenant ID is '.' or '..'"},
		{"tenant with a slash", []byte(ok), []string{"X-Scope-OrgID", "a/b"}, 400, "tenant ID 'a/b' contains unsupported character '/'"},
		{"two tenants", []byte(ok), []string{"X-Scope-OrgID", "a|b"}, 400, "multiple org IDs present"},
		{"tenant too long", []byte(ok), []string{"X-Scope-OrgID", strings.Repeat("a", 151)}, 400, "tenant ID is too long: max 150 characters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, withLimits(limits))
			got := r.do("POST", pushPath, tt.body, append([]string{"Content-Type", "application/json"}, tt.header...)...)
			got.want(t, tt.status, tt.want)
			if ct := got.header.Get("Content-Type"); ct != "text/plain; charset=utf-8" || got.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("content type %q, headers %v", ct, got.header)
			}
			if n := len(r.store.(*memoryStore).batches); n != 0 {
				t.Errorf("%d batches were stored", n)
			}
			r.pushJSON(ok).want(t, 204) // and the server goes on
		})
	}
}

// rawPush is a push of one line with labels as they are given.
func rawPush(labels string) []byte {
	one := loki.AppendPush(nil, &loki.Push{Streams: []loki.Stream{stream(logs.LabelsOf("abc", "c"), "x")}})
	return s2.EncodeSnappy(nil, bytes.Replace(one, []byte(`{abc="c"}`), []byte(labels), 1))
}

// What a foreign client sends wrong is left out and told; the rest is stored.
func TestPartialSuccess(t *testing.T) {
	many := make([]string, 16)
	for i := range many {
		many[i] = fmt.Sprintf(`"l%d":"v"`, i)
	}
	manyMeta := make([]string, 129)
	for i := range manyMeta {
		manyMeta[i] = fmt.Sprintf(`"m%d":"v"`, i)
	}
	good := jsonLine(noon, "good")
	at := func(d time.Duration) string { return nanos(noon.Add(d)) }
	tests := []struct {
		name, body string
		want       []string
	}{
		{
			"too old", jsonPush(jsonLine(noon.Add(-8*24*time.Hour), "old"), good),
			[]string{`entry for stream '{app="x", service_name="x"}' has timestamp too old: 2026-11-13T12:00:00Z, oldest acceptable timestamp is: 2026-11-14T12:00:00Z`},
		},
		{
			"in the future", jsonPush(good, jsonLine(noon.Add(11*time.Minute), "new"), jsonLine(time.Unix(0, 1<<63-1), "far")),
			[]string{`1 errors like: entry for stream '{app="x", service_name="x"}' has timestamp too new: 2026-11-21T12:11:00Z; 1 errors like: `},
		},
		{"before 1970", jsonPush(`["-1","x"]`, good), []string{"has timestamp too old: 1969-12-31T23:59:59Z"}},
		{"line too long", jsonPush(jsonLine(noon, strings.Repeat("x", 256<<10+1)), good), []string{`max entry size '262144' bytes exceeded for stream '{app="x", service_name="x"}' while adding an entry with length '262145' bytes`}},
		{"too many labels", `{"streams":[{"stream":{` + strings.Join(many, ",") + `},"values":[` + good + `]},{"stream":{"app":"x"},"values":[` + good + `]}]}`, []string{"has 16 label names; limit 15"}},
		{"label value too long", `{"streams":[{"stream":{"a":"` + strings.Repeat("v", 2049) + `"},"values":[` + good + `]},{"stream":{"app":"x"},"values":[` + good + `]}]}`, []string{"has label value too long: 'vvv"}},
		{"label name too long", `{"streams":[{"stream":{"` + strings.Repeat("n", 1025) + `":"v"},"values":[` + good + `]},{"stream":{"app":"x"},"values":[` + good + `]}]}`, []string{"has label name too long: 'nnn"}},
		{"too much metadata", jsonPush(`["`+at(0)+`","x",{"a":"`+strings.Repeat("m", 64<<10)+`"}]`, good), []string{"has structured metadata too large: '65537' bytes, limit: '65536' bytes"}},
		{"too many metadata labels", jsonPush(`["`+at(0)+`","x",{`+strings.Join(manyMeta, ",")+`}]`, good), []string{"has too many structured metadata labels: '129', limit: '128'"}},
		{"label a.b", `{"streams":[{"stream":{"a.b":"c"},"values":[` + good + `]},{"stream":{"app":"x"},"values":[` + good + `]}]}`, []string{`couldn't parse labels: label name "a.b" does not match`}},
		{"hostile times", jsonPush(`["9223372036854775807","x"]`, `["-9223372036854775808","y"]`, good), []string{"has timestamp too new: 2262-04-11T23:47:16Z; 1 errors like", "has timestamp too old: 1677-09-21T00:12:43Z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, withStore(openStore(t)))
			r.pushJSON(tt.body).want(t, 400, tt.want...)
			r.get("/loki/api/v1/query_range", "query", `{app="x"}`, "end", nanos(noon.Add(time.Second))).want(t, 200, `"totalEntriesReturned":1,`, `"good"]`)
		})
	}
}

// A thousand bad lines are told in an answer of a decent size.
func TestComplaintIsBounded(t *testing.T) {
	values := make([]string, 5000)
	for i := range values {
		values[i] = `["1","old"]`
	}
	got := start(t).pushJSON(jsonPush(values...))
	got.want(t, 400, "5000 errors like: entry for stream")
	if len(got.body) > 4096 {
		t.Errorf("answer has %d bytes", len(got.body))
	}
}

func TestMetadataNamesAreCleaned(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	r.pushJSON(jsonPush(`["`+nanos(noon)+`","x",{"trace.id":"1","0day":"2","größe":"3","ok":"4"}]`)).want(t, 204)
	r.get("/loki/api/v1/query_range", "query", `{app="x"}`, "end", nanos(noon.Add(1))).want(t, 200,
		`"key_0day":"2"`, `"trace_id":"1"`, `"gr_e":"3"`, `"ok":"4"`)
}

// Our agent's lines may be of any age, for the range says that they belong.
func TestAgentsPushesHaveNoWindow(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	s := loki.Stream{Labels: logs.LabelsOf("job", "ray/logs"), Range: &loki.FileRange{File: loki.FileID{9}, To: 100}}
	for i, at := range []time.Time{noon.AddDate(-3, 0, 0), noon, noon.AddDate(2, 0, 0)} {
		s.Entries = append(s.Entries, logs.Entry{Time: at.UnixNano(), Line: "x", Metadata: logs.LabelsOf("offset", fmt.Sprint(i))})
	}
	s.Entries[1].Metadata = logs.LabelsOf("offset", "1", "big", strings.Repeat("m", 100<<10))
	r.push(s).want(t, 204)
	r.get("/loki/api/v1/index/stats", "query", `{job="ray/logs"}`, "start", "1000000000", "end", "4000000000").want(t, 200, `"entries":3`)
	// A line without a place in the range is a fault of the agent: all or nothing.
	s.Range = &loki.FileRange{File: loki.FileID{10}, To: 100}
	s.Entries[0].Metadata = nil
	r.push(s).want(t, 400, "offset")
}

func TestRefusedFiles(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	part := func(file byte, from, to uint64, line string) loki.Stream {
		s := stream(logs.LabelsOf("job", "ray/logs"), line)
		s.Entries[0].Metadata = logs.LabelsOf("offset", fmt.Sprint(from))
		s.Range = &loki.FileRange{File: loki.FileID{file}, From: from, To: to}
		return s
	}
	r.push(part(1, 0, 10, "a")).want(t, 204)
	got := r.push(part(1, 20, 30, "lost"), part(2, 0, 10, "b"))
	got.want(t, 409)
	var refused loki.Refused
	if err := json.Unmarshal([]byte(got.body), &refused); err != nil {
		t.Fatal(err)
	}
	want := loki.Refused{Files: []loki.FileOffset{{File: loki.FileID{1}, Committed: 10}}}
	if d := cmp.Diff(want, refused); d != "" {
		t.Errorf("refused differs (-want +got):\n%s", d)
	}
	r.get("/loki/api/v1/query_range", "query", `{job="ray/logs"}`).want(t, 200, `"a"]`, `"b"]`, `"totalEntriesReturned":2,`)
	r.get("/metrics").want(t, 200, "remora_server_push_refused_files_total 1", `remora_server_requests_total{route="push",status="409"} 1`)
}

// A range of which no line was left still moves the file on.
func TestRangeWithoutLines(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	r.push(loki.Stream{Labels: logs.LabelsOf("job", "ray/logs"), Range: &loki.FileRange{File: loki.FileID{3}, To: 50}}).want(t, 204)
	r.do("POST", loki.PathOffsets, []byte(`{"files":["03000000000000000000000000000000"]}`)).want(t, 200, `"committed":50`)
}

func TestStoreErrors(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		want   string
		retry  bool
	}{
		{"disk full", fmt.Errorf("append: %w", store.ErrDiskFull), 503, "the disk is too full to take more lines: nothing of this push was stored", true},
		{"read only", store.ErrReadOnly, 503, "the store is read-only", true},
		{"too large", &store.TooLargeError{What: "line", Size: 5, Limit: 4}, 400, "line has 5 bytes, at most 4 are kept", false},
		{"invalid", &store.InvalidError{Reason: "no such day"}, 400, "no such day", false},
		{"unknown", errors.New("write journal: oh no"), 500, "write journal: oh no", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, withStore(&memoryStore{appendErr: tt.err}))
			got := r.pushJSON(jsonPush(jsonLine(noon, "x")))
			got.want(t, tt.status, tt.want)
			if has := got.header.Get("Retry-After") != ""; has != tt.retry {
				t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
			}
		})
	}
}

// A push that does not come whole, or not in time, leaves nothing behind and may
// be sent again.
func TestPushCutOff(t *testing.T) {
	for name, hangUp := range map[string]bool{"client goes away": true, "client stalls": false} {
		t.Run(name, func(t *testing.T) {
			limits := server.Limits{}
			if !hangUp {
				limits.BodyTimeout = 30 * time.Millisecond
			}
			r := start(t, withLimits(limits))
			conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"streams\":", pushPath)
			if hangUp {
				conn.(*net.TCPConn).CloseWrite()
			}
			reply, err := io.ReadAll(conn)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(reply), "408 Request Timeout") || !strings.Contains(string(reply), "push was cut off after 11 bytes") {
				t.Errorf("answer: %s", reply)
			}
			r.get("/metrics").want(t, 200, "remora_server_push_memory_bytes 0")
		})
	}
}

// Pushes beyond the memory set aside wait, then get 503, and the memory comes
// back.
func TestPushMemoryIsBounded(t *testing.T) {
	r := start(t, withLimits(server.Limits{PushMemory: 1000, PushWait: 50 * time.Millisecond}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", pushPath)
	eventually(t, func() bool { return strings.Contains(r.get("/metrics").body, "remora_server_push_memory_bytes 1000") })
	small := jsonPush(jsonLine(noon, "x"))
	got := r.pushJSON(small)
	got.want(t, 503, "too many pushes at once")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	conn.Close()
	eventually(t, func() bool { return strings.Contains(r.get("/metrics").body, "remora_server_push_memory_bytes 0") })
	r.pushJSON(small).want(t, 204)
	// One that needs more than there is when decoded is refused, not killed by.
	r.pushJSON(jsonPush(jsonLine(noon, strings.Repeat("x", 900)))).want(t, 503, "set aside")
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
	}
}

// A body of Fluent Bit's as it was recorded, shortened to three lines, with its
// time moved.
func TestFluentBit(t *testing.T) {
	body, err := os.ReadFile("testdata/fluent-bit.json")
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, withStore(openStore(t)), func(c *server.Config) {
		c.Now = func() time.Time { return time.Unix(0, 1795243708327317290).Add(time.Minute) }
	})
	header := []string{"User-Agent", "Fluent-Bit", "Content-Type", "application/json", "X-Scope-OrgID", "test"}
	r.do(http.MethodPost, pushPath, body, header...).want(t, 204)
	r.do(http.MethodPost, pushPath, gzipped(body), append(header, "Content-Encoding", "gzip")...).want(t, 204)
	got := r.do("GET", address("/loki/api/v1/query_range", "query", `sum by (file) (count_over_time({RayCluster=~"raycluster-.*"} | json file="true" [1h]))`,
		"start", "1795243768", "end", "1795243768", "step", "60"), nil, "X-Scope-OrgID", "test")
	got.want(t, 200, `{"file":"/tmp/ray/session_latest/logs/dashboard.log"}`, `"3"]`)
}

// A foreign stream gets a service and its lines a level; our agent's are kept as
// they are.
func TestServiceAndLevelAreAdded(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	body := `{"streams":[{"stream":{},"values":[` + jsonLine(noon.Add(-3), `{"level":"wrn"}`) + `]},
		{"stream":{"job":"a/b","service_name":""},"values":[["` + nanos(noon.Add(-2)) + `","x",{"level":"ERROR"}]]},
		{"stream":{"service_name":"mine","app":"other"},"values":[["` + nanos(noon.Add(-1)) + `","x",{"detected_level":"warning"}]]}]}`
	r.pushJSON(body).want(t, 204)
	ours := stream(logs.LabelsOf("job", "ray/logs"), "error: not looked at")
	ours.Entries[0].Metadata = logs.LabelsOf("offset", "0")
	ours.Range = &loki.FileRange{File: loki.FileID{1}, To: 10}
	r.push(ours).want(t, 204)
	got := r.get("/loki/api/v1/query_range", "query", `{service_name=~".+"}`)
	got.want(t, 200, `"stream":{"detected_level":"warn","service_name":"unknown_service"}`,
		`"stream":{"detected_level":"error","job":"a/b","level":"ERROR","service_name":"a/b"}`,
		`"stream":{"app":"other","detected_level":"warn","service_name":"mine"}`)
	r.get("/loki/api/v1/query_range", "query", `{job="ray/logs"}`).want(t, 200, `"stream":{"job":"ray/logs","offset":"0"}`)
}
