package ship

import (
	"bytes"
	"context"
	"testing"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

func TestLinesAreJSON(t *testing.T) {
	var out bytes.Buffer
	body := loki.AppendPush(nil, &loki.Push{Streams: []loki.Stream{{
		Labels:  logs.LabelsOf("job", "ray/logs"),
		Entries: []logs.Entry{{Time: 1, Line: `a "quoted" <line>`, Metadata: logs.LabelsOf("offset", "0")}},
		Range:   &loki.FileRange{Metadata: logs.LabelsOf("filename", "x.log")},
	}}})
	if a := NewLines(&out).Push(context.Background(), body); a.Kind != KindDone {
		t.Fatal(a.Err)
	}
	const want = `{"time":"1970-01-01T00:00:00.000000001Z","labels":{"job":"ray/logs"},"metadata":{"filename":"x.log","offset":"0"},"line":"a \"quoted\" <line>"}` + "\n"
	if out.String() != want {
		t.Errorf("got  %swant %s", out.String(), want)
	}
}
