package server_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// All lines of a query come at once, more of them than any page holds, any bytes
// as they are.
func TestAllLines(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	var want []string
	s := loki.Stream{Labels: logs.LabelsOf("app", "a"), Range: &loki.FileRange{File: loki.FileID{1}, Generation: []byte("g")}}
	for i := range 12_000 {
		line := fmt.Sprintf("line %d \xff\x00", i)
		want = append(want, line)
		s.Entries = append(s.Entries, logs.Entry{Time: noon.UnixNano() - 1e9 + int64(i), Line: line, Metadata: logs.LabelsOf("offset", fmt.Sprint(20*i))})
	}
	s.Range.To = 20 * 12_000
	r.push(s).want(t, 204)
	const path = "/api/remora/v1/lines"
	got := r.get(path, "query", `{app="a"} | offset!="0"`)
	got.want(t, 200)
	var lines []string
	err := loki.ReadLines(bytes.NewReader([]byte(got.body)), func(p *loki.Push) error {
		for _, s := range p.Streams {
			for _, e := range s.Entries {
				lines = append(lines, e.Line)
			}
		}
		return nil
	})
	if diff := cmp.Diff(want[1:], lines); err != nil || diff != "" {
		t.Errorf("error %v, lines (-want +got):\n%.2000s", err, diff)
	}
	r.get(path, "query", `{app="none"}`).want(t, 200)
	r.get(path, "query", `{app=`).want(t, 400, "parse error")
	r.get(path, "query", `count_over_time({app="a"}[5m])`).want(t, 400, "only log queries")
}
