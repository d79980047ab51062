package ship

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

func written() []byte {
	return loki.AppendPush(nil, &loki.Push{Streams: []loki.Stream{{
		Labels: logs.LabelsOf("job", "ray/logs", "time", "never"),
		Entries: []logs.Entry{
			{Time: 1, Line: `a "quoted" <line>`, Metadata: logs.LabelsOf("offset", "0", "pid", "7")},
			{Time: 2, Line: "two\r\nlines", Metadata: logs.LabelsOf("job", "hidden")},
			{Time: 3, Line: "bad \xff = \x1b[0m", Metadata: logs.LabelsOf("filename", "y.log")},
		},
		Range: &loki.FileRange{Metadata: logs.LabelsOf("filename", "x.log")},
	}}})
}

func TestFormats(t *testing.T) {
	for format, want := range map[string]string{
		"raw": `x.log: a "quoted" <line>` + "\nx.log: two\nx.log: lines\ny.log: bad \xff = \x1b[0m\n",
		"json": `{"time":"1970-01-01T00:00:00.000000001Z","labels":{"job":"ray/logs","time":"never"},"metadata":{"filename":"x.log","offset":"0","pid":"7"},"filename":"x.log","line":"a \"quoted\" <line>"}
{"time":"1970-01-01T00:00:00.000000002Z","labels":{"job":"ray/logs","time":"never"},"metadata":{"filename":"x.log","job":"hidden"},"filename":"x.log","line":"two\r\nlines"}
{"time":"1970-01-01T00:00:00.000000003Z","labels":{"job":"ray/logs","time":"never"},"metadata":{"filename":"y.log"},"filename":"y.log","line":"bad \ufffd = \u001b[0m"}
`,
		"logfmt": `time=1970-01-01T00:00:00.000000001Z filename=x.log job=ray/logs offset=0 pid=7 line="a \"quoted\" <line>"
time=1970-01-01T00:00:00.000000002Z filename=x.log job=ray/logs line="two\r\nlines"
time=1970-01-01T00:00:00.000000003Z filename=y.log job=ray/logs line="bad ` + "\ufffd" + ` = \x1b[0m"
`,
	} {
		var out bytes.Buffer
		l, err := NewStdout(&out, format)
		if err != nil {
			t.Fatal(err)
		}
		if a := l.Push(context.Background(), written()); a.Kind != KindDone {
			t.Fatal(a.Err)
		}
		if out.String() != want {
			t.Errorf("%s:\ngot  %q\nwant %q", format, out.String(), want)
		}
		if format == "json" {
			for line := range strings.Lines(out.String()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("not JSON: %s", line)
				}
			}
		}
	}
	if _, err := NewStdout(nil, "xml"); err == nil || !strings.Contains(err.Error(), `format "xml" is none of raw, json and logfmt`) {
		t.Errorf("error is %v", err)
	}
	var out bytes.Buffer
	if l, err := NewStdout(&out, ""); err != nil || l.Push(t.Context(), written()).Kind != KindDone || !strings.HasPrefix(out.String(), "x.log: a ") {
		t.Errorf("without a format: %v, %q", err, out.String())
	}
}

// hiccup takes a few bytes, then fails, and so on.
type hiccup struct {
	bytes.Buffer
	fails int
}

func (h *hiccup) Write(b []byte) (int, error) {
	if h.fails--; h.fails >= 0 {
		n, _ := h.Buffer.Write(b[:min(len(b), 10)])
		return n, errors.New("resource temporarily unavailable")
	}
	return h.Buffer.Write(b)
}

func TestAFailedWriteGoesOnWhereItFailed(t *testing.T) {
	out := &hiccup{fails: 3}
	l, err := NewStdout(out, "raw")
	if err != nil {
		t.Fatal(err)
	}
	body := written()
	tries := 0
	for a := l.Push(t.Context(), body); a.Kind == KindRetry; a = l.Push(t.Context(), body) {
		tries++
	}
	if tries != 3 || strings.Count(out.String(), "quoted") != 1 || !strings.HasSuffix(out.String(), "\x1b[0m\n") {
		t.Errorf("%d failures, wrote %q", tries, out.String())
	}
	l.Forget()
	if a := l.Push(t.Context(), body); a.Kind != KindDone || strings.Count(out.String(), "quoted") != 2 {
		t.Errorf("the next batch: %v, wrote %q", a.Err, out.String())
	}
}

func TestABodyThatIsNoneIsRejected(t *testing.T) {
	if a := NewLines(&bytes.Buffer{}).Push(t.Context(), []byte("junk")); a.Kind != KindReject || a.Err == nil {
		t.Errorf("%+v", a)
	}
}
