package otlp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/easyproto"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/remora-ray/remora/internal/logs"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// The push has what a Loki 3.7.8 stored of the same body, and the event's name.
func TestDecode(t *testing.T) {
	const body = `{"resourceLogs":[{"resource":{"attributes":[
		{"key":"service.name","value":{"stringValue":"svc"}},{"key":"k8s.pod.name","value":{"stringValue":"p1"}},
		{"key":"host.name","value":{"stringValue":"h1"}},{"key":"num","value":{"intValue":"5"}},{"key":"empty","value":{"stringValue":""}},
		{"key":"nested","value":{"kvlistValue":{"values":[{"key":"a","value":{"kvlistValue":{"values":[{"key":"b..c","value":{"stringValue":"d"}}]}}}]}}},
		{"key":"arr","value":{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"x"}]}}}]},
		"scopeLogs":[{"scope":{"name":"sc","version":"1.0","attributes":[{"key":"x.y","value":{"stringValue":"scope"}}]},"logRecords":[
		{"timeUnixNano":"1","observedTimeUnixNano":"2","severityNumber":17,"severityText":"Error","body":{"stringValue":"boom"},
		 "attributes":[{"key":"x_y","value":{"stringValue":"own"}},{"key":"f","value":{"doubleValue":1.5}},{"key":"b","value":{"boolValue":true}},{"key":"raw","value":{"bytesValue":"aGk="}}],
		 "flags":1,"droppedAttributesCount":3,"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","eventName":"ev"},
		{"observedTimeUnixNano":"3","body":{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"v"}},{"key":"b","value":{"arrayValue":{"values":[{"doubleValue":2},{}]}}}]}}},
		{}]}]},
		{"scopeLogs":[{"logRecords":[{"timeUnixNano":"4","body":{"intValue":"7"}}]}]},
		{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"silent"}}]}}]}`
	p, err := DecodeJSON([]byte(body), noon)
	if err != nil {
		t.Fatal(err)
	}
	shared := []string{"host_name", "h1", "num", "5", "nested_a_b_c", "d", "arr", `[1,"x"]`, "scope_name", "sc", "scope_version", "1.0", "x_y", "scope"}
	with := func(pairs ...string) string { return logs.LabelsOf(append(pairs, shared...)...).String() }
	want := []string{
		`{k8s_pod_name="p1", service_name="svc"}`,
		"1 boom " + with("observed_timestamp", "2", "severity_number", "17", "severity_text", "Error", "f", "1.5", "b", "true", "raw", "aGk=", "flags", "1",
			"dropped_attributes_count", "3", "trace_id", "0102030405060708090a0b0c0d0e0f10", "span_id", "0102030405060708", "event_name", "ev"),
		`3 {"b":[2,null],"k":"v"} ` + with(),
		fmt.Sprint(noon.UnixNano()) + "  " + with(),
		`{}`,
		"4 7 {}",
	}
	var got []string
	for _, s := range p.Streams {
		got = append(got, s.Labels.String())
		for _, e := range s.Entries {
			got = append(got, fmt.Sprintf("%d %s %s", e.Time, e.Line, e.Metadata))
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("push differs (-want +got):\n%s", d)
	}
}

// nested is a body whose line is a list in a list in a list.
func nested(levels int) []byte {
	v := []byte("\x0a\x01x")
	for range levels {
		v = field(5, field(1, v))
	}
	return field(1, field(2, field(2, field(5, v))))
}

func field(n uint64, data []byte) []byte {
	var m easyproto.Marshaler
	m.MessageMarshaler().AppendBytes(uint32(n), data)
	return m.Marshal(nil)
}

func TestHostileBodies(t *testing.T) {
	attribute := func(key string, v []byte) []byte { return field(6, append(field(1, []byte(key)), field(2, v)...)) }
	record := func(parts ...[]byte) []byte {
		return field(1, field(2, field(2, []byte(strings.Join(func() (s []string) {
			for _, p := range parts {
				s = append(s, string(p))
			}
			return s
		}(), "")))))
	}
	long := field(6, []byte(strings.Repeat(string(field(1, append(field(1, []byte("k")), field(2, []byte("\x0a\x01x"))...))), 50_000)))
	many := func() []byte {
		l := plog.NewLogs()
		r := l.ResourceLogs().AppendEmpty()
		for i := range 500 {
			r.Resource().Attributes().PutStr(fmt.Sprint("a", i), "x")
		}
		records := r.ScopeLogs().AppendEmpty().LogRecords()
		for range 50_000 {
			records.AppendEmpty().Body().SetStr("x")
		}
		b, err := (&plog.ProtoMarshaler{}).MarshalLogs(l)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, tt := range map[string]struct {
		body []byte
		want string
	}{
		"lists 3,000 deep":          {nested(3_000), "nested deeper than 32"},
		"names that grow":           {record(attribute(strings.Repeat("n", 1<<20), long)), "more attributes than its size allows"},
		"attributes for every line": {many(), "more attributes than its size allows"},
		"a number for a text":       {record([]byte("\x18\x05")), "another type"},
		"cut short":                 {nested(3)[:12], ""},
		"a trace of three bytes":    {record([]byte("\x4a\x03abc")), "trace_id has 3 bytes"},
		"a line that is no message": {record([]byte("\x2a\x02\xff\xff")), ""},
		"random bytes":              {[]byte("\xff\xff"), ""},
	} {
		if _, err := Decode(tt.body, noon); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DecodeJSON([]byte("{"), noon); !errors.Is(err, ErrMalformed) {
		t.Errorf("broken JSON: %v", err)
	}
	if p, err := Decode(nested(10), noon); err != nil || p.Streams[0].Entries[0].Line != `[[[[[[[[[["x"]]]]]]]]]]` {
		t.Errorf("ten levels: %v %v", p, err)
	}
}

// Whatever comes is refused or read as OpenTelemetry's own library reads it.
func FuzzDecode(f *testing.F) {
	l := plog.NewLogs()
	rec := l.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	rec.Body().SetStr("line")
	rec.Attributes().PutEmptyMap("m").PutInt("n", 5)
	rec.SetTimestamp(1)
	rec.SetTraceID(pcommon.TraceID{1})
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(l)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(nested(3))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := Decode(body, noon)
		if err != nil {
			return
		}
		theirs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(body)
		if err != nil {
			return // a list of messages that we do not look at
		}
		lines := 0
		for _, s := range p.Streams {
			lines += len(s.Entries)
		}
		if n := theirs.LogRecordCount(); n != lines {
			t.Fatalf("%d lines, OpenTelemetry reads %d", lines, n)
		}
	})
}

// A map as an attribute that becomes a label makes a label of each member.
func TestAMapAsALabel(t *testing.T) {
	body := `{"resourceLogs":[{"resource":{"attributes":[{"key":"k8s.pod.name","value":{"kvlistValue":{"values":[` +
		`{"key":"in.ner","value":{"stringValue":"deep"}},{"key":"n","value":{"boolValue":true}}]}}}]},` +
		`"scopeLogs":[{"logRecords":[{"timeUnixNano":"1","body":{"stringValue":"x"}}]}]}]}`
	push, err := DecodeJSON([]byte(body), noon)
	if err != nil {
		t.Fatal(err)
	}
	if got := push.Streams[0].Labels.String(); got != `{k8s_pod_name_in_ner="deep", k8s_pod_name_n="true"}` {
		t.Errorf("labels %s", got)
	}
}
