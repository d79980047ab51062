package loki

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/logs"
)

func TestAppendAnswer(t *testing.T) {
	a, b := logs.LabelsOf("app", "a"), logs.LabelsOf("app", "b")
	lines := Lines{
		{Time: 3, Line: "newest", Stream: b, Metadata: logs.LabelsOf("pid", "1")},
		{Time: 2, Line: "q\"\n\xff", Stream: a, Parsed: logs.LabelsOf("x", "y")},
		{Time: 1, Line: "", Stream: b, Parsed: logs.LabelsOf("pid", "1")},
	}
	tests := []struct {
		name       string
		value      Value
		categorize bool
		want       string // between "data":{ and ,"stats"
	}{
		{
			"labels merged: the same labels from other places are one stream", lines, false,
			`"resultType":"streams","result":[{"stream":{"app":"a","x":"y"},"values":[["2","q\"\n` + "\ufffd" + `"]]},` +
				`{"stream":{"app":"b","pid":"1"},"values":[["3","newest"],["1",""]]}]`,
		},
		{
			"labels apart", lines, true,
			`"resultType":"streams","encodingFlags":["categorize-labels"],"result":[` +
				`{"stream":{"app":"a"},"values":[["2","q\"\n` + "\ufffd" + `",{"parsed":{"x":"y"}}]]},` +
				`{"stream":{"app":"b"},"values":[["3","newest",{"structuredMetadata":{"pid":"1"}}],["1","",{"parsed":{"pid":"1"}}]]}]`,
		},
		{"no lines", Lines{}, true, `"resultType":"streams","encodingFlags":["categorize-labels"],"result":[]`},
		{"line without labels of its own", Lines{{Time: 1, Stream: a}}, true, `"resultType":"streams","encodingFlags":["categorize-labels"],"result":[{"stream":{"app":"a"},"values":[["1","",{}]]}]`},
		{
			"matrix",
			Matrix{{a, []Point{{1000, 1.5}, {1500, math.NaN()}}}, {nil, []Point{{-1001, 1e21}}}},
			true,
			`"resultType":"matrix","result":[{"metric":{"app":"a"},"values":[[1,"1.5"],[1.500,"NaN"]]},{"metric":{},"values":[[-1.001,"1000000000000000000000"]]}]`,
		},
		{"vector", Vector{{a, Point{5, math.Inf(1)}}, {b, Point{60, math.Inf(-1)}}}, false, `"resultType":"vector","result":[{"metric":{"app":"a"},"value":[0.005,"+Inf"]},{"metric":{"app":"b"},"value":[0.060,"-Inf"]}]`},
		{"scalar", Scalar{2000, 0.1}, false, `"resultType":"scalar","result":[2,"0.1"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := string(AppendAnswer(nil, &Answer{Value: tt.value, Categorize: tt.categorize}))
			if !json.Valid([]byte(got)) {
				t.Fatalf("no JSON: %s", got)
			}
			_, got, _ = strings.Cut(got, `"data":{`)
			got, _, _ = strings.Cut(got, `,"stats"`)
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestAnswerTellsItsCost(t *testing.T) {
	got := string(AppendAnswer(nil, &Answer{
		Value: Lines{}, Warnings: []string{"only a part"},
		Stats: QueryStats{Lines: 10, Bytes: 1000, Entries: 3, Took: 500 * time.Millisecond, Queued: time.Millisecond},
	}))
	for _, part := range []string{
		`{"status":"success","warnings":["only a part"],"data":`, `"bytesProcessedPerSecond":2000,"linesProcessedPerSecond":20,`,
		`"totalBytesProcessed":1000,"totalLinesProcessed":10,"execTime":0.5,"queueTime":0.001,`, `"totalEntriesReturned":3,`,
	} {
		if !strings.Contains(got, part) {
			t.Errorf("lacks %s: %s", part, got)
		}
	}
	if !json.Valid([]byte(got)) {
		t.Error("no JSON")
	}
}

func TestAppendTailFrame(t *testing.T) {
	f := TailFrame{
		Lines:   Lines{{Time: 1, Line: "x", Stream: logs.LabelsOf("a", "b")}},
		Dropped: []Dropped{{Time: 5, Labels: logs.LabelsOf("a", "b")}, {}}, Categorize: true,
	}
	want := `{"encodingFlags":["categorize-labels"],"streams":[{"stream":{"a":"b"},"values":[["1","x",{}]]}],` +
		`"dropped_entries":[{"timestamp":"5","labels":{"a":"b"}},{"timestamp":"0","labels":{}}]}`
	if got := string(AppendTailFrame(nil, &f)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(AppendTailFrame(nil, &TailFrame{})); got != `{"streams":[]}` {
		t.Errorf("empty: %s", got)
	}
}

func TestLists(t *testing.T) {
	for _, tt := range [][2]string{
		{string(AppendStrings(nil, nil)), `{"status":"success"}`},
		{string(AppendStrings(nil, []string{"a", `"`})), `{"status":"success","data":["a","\""]}`},
		{string(AppendSeries(nil, nil)), `{"status":"success","data":[]}`},
		{string(AppendSeries(nil, []logs.Labels{logs.LabelsOf("b", "2", "a", "1"), nil})), `{"status":"success","data":[{"a":"1","b":"2"},{}]}`},
		{string(AppendIndexStats(nil, IndexStats{1, 2, 3, 4})), `{"streams":1,"chunks":2,"bytes":3,"entries":4}`},
	} {
		if tt[0] != tt[1] {
			t.Errorf("got %s, want %s", tt[0], tt[1])
		}
	}
}

// Streams of the same labels in another place of a line never meet by accident
// of their keys.
func TestGroupKeys(t *testing.T) {
	lines := Lines{
		{Stream: logs.LabelsOf("a", "b;1,1:c,1:d")},
		{Stream: logs.LabelsOf("a", "b"), Metadata: logs.LabelsOf("c", "d")},
		{Stream: logs.LabelsOf("a", "b", "c", "d")},
	}
	if n := len(group(lines, false)); n != 2 {
		t.Errorf("%d streams merged, want 2", n)
	}
	if n := len(group(lines, true)); n != 3 {
		t.Errorf("%d streams apart, want 3", n)
	}
}

func BenchmarkDecodePushJSON(b *testing.B) {
	var body []byte
	body = append(body, `{"streams":[{"stream":{"a":"b"},"values":[`...)
	for i := range 5000 {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, `["1795243708327317290","{\"log\":\"2026-11-21 05:22:15,534\\tINFO utils.py:319 -- Get all modules by type\",\"pod\":\"x\"}"]`...)
	}
	body = append(body, `]}]}`...)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := DecodePushJSON(body); err != nil {
			b.Fatal(err)
		}
	}
}
