package server_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// explored is a server with two services, a few lines each.
func explored(t *testing.T) *rig {
	r := start(t, withStore(openStore(t)))
	web := `{"stream":{"app":"web","instance":"1","shard":"7"},"values":[` +
		jsonLine(noon.Add(-90e9), `level=info took=5ms n=1`) + `,` + jsonLine(noon.Add(-30e9), `level=error took=7ms n=2.5`) + `]}`
	db := `{"stream":{"app":"db","namespace":"prod"},"values":[["` + nanos(noon.Add(-20e9)) + `","{\"a\":{\"b\":true}}",{"trace":"x1"}]]}`
	r.pushJSON(`{"streams":[`+web+`,`+db+`]}`).want(t, 204)
	return r
}

func TestExploring(t *testing.T) {
	r := explored(t)
	const webBytes, dbBytes = "49", "16"
	volume := func(list string) string {
		return `{"status":"success","data":{"resultType":"vector","result":[` + list + `]}}`
	}
	one := func(metric, bytes string) string {
		return `{"metric":{` + metric + `},"value":[1795262400,"` + bytes + `"]}`
	}
	tests := []struct {
		name, path string
		params     []string
		want       string
	}{
		{"by the matcher's label", "index/volume", []string{"query", `{app=~".+"}`}, volume(one(`"app":"web"`, webBytes) + "," + one(`"app":"db"`, dbBytes))},
		{"the largest", "index/volume", []string{"query", `{app=~".+"}`, "limit", "1"}, volume(one(`"app":"web"`, webBytes))},
		{
			"whole streams", "index/volume",
			[]string{"query", `{}`},
			volume(one(`"app":"web","instance":"1","service_name":"web","shard":"7"`, webBytes) + "," + one(`"app":"db","namespace":"prod","service_name":"db"`, dbBytes)),
		},
		{"by another label", "index/volume", []string{"query", `{app=~".+"}`, "targetLabels", "namespace"}, volume(one(`"namespace":"prod"`, dbBytes))},
		{"by labels that no stream has together", "index/volume", []string{"query", `{app=~".+"}`, "targetLabels", "namespace,instance"}, volume("")},
		{
			"by name", "index/volume",
			[]string{"query", `{app=~".+"}`, "aggregateBy", "labels", "targetLabels", "app,instance"},
			volume(one(`"app":""`, "65") + "," + one(`"instance":""`, webBytes)),
		},
		{
			"step by step", "index/volume_range",
			[]string{"query", `{app=~".+"}`, "step", "60"},
			`{"status":"success","data":{"resultType":"matrix","result":[
				{"metric":{"app":"web"},"values":[[1795262339.999,"23"],[1795262400,"26"]]},
				{"metric":{"app":"db"},"values":[[1795262400,"16"]]}]}}`,
		},
		{
			"the largest of all steps", "index/volume_range",
			[]string{"query", `{app=~".+"}`, "step", "60", "limit", "1"},
			`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"app":"web"},"values":[[1795262339.999,"23"],[1795262400,"26"]]}]}}`,
		},
		{
			"one step", "index/volume_range",
			[]string{"query", `{app=~".+"}`, "step", "1h"},
			volume(`{"metric":{"app":"web"},"value":[1795262400,"49"]},{"metric":{"app":"db"},"value":[1795262400,"16"]}`),
		},
		{
			"labels to choose by", "detected_labels", nil,
			`{"detectedLabels":[{"label":"app","cardinality":2},{"label":"instance","cardinality":1},{"label":"namespace","cardinality":1},{"label":"service_name","cardinality":2}]}`,
		},
		{"labels of a stream", "detected_labels", []string{"query", `{app="db"}`}, `{"detectedLabels":[{"label":"app","cardinality":1},{"label":"namespace","cardinality":1},{"label":"service_name","cardinality":1}]}`},
		{"labels of none", "detected_labels", []string{"query", `{app="none"}`}, `{}`},
		{
			"fields of logfmt", "detected_fields",
			[]string{"query", `{app="web"}`},
			`{"fields":[{"label":"detected_level","type":"string","cardinality":2,"parsers":null},
				{"label":"level","type":"string","cardinality":2,"parsers":["logfmt"]},
				{"label":"took","type":"duration","cardinality":2,"parsers":["logfmt"]},
				{"label":"n","type":"int","cardinality":2,"parsers":["logfmt"]}],"limit":1000}`,
		},
		{
			"fields of JSON", "detected_fields",
			[]string{"query", `{app="db"}`, "limit", "2"},
			`{"fields":[{"label":"detected_level","type":"string","cardinality":1,"parsers":null},{"label":"trace","type":"string","cardinality":1,"parsers":null}],"limit":2}`,
		},
		{
			"fields behind a pipeline", "detected_fields",
			[]string{"query", `{app="db"} | trace="x1"`, "field_limit", "9"},
			`{"fields":[{"label":"detected_level","type":"string","cardinality":1,"parsers":null},{"label":"trace","type":"string","cardinality":1,"parsers":null},
				{"label":"a_b","type":"boolean","cardinality":1,"parsers":["json"],"jsonPath":["a","b"]}],"limit":9}`,
		},
		{"fields of none", "detected_fields", []string{"query", `{app="none"}`}, `{}`},
		{"values of a field", "detected_field/took/values", []string{"query", `{app="web"}`}, `{"values":["7ms","5ms"],"limit":1000}`},
		{"the last value", "detected_field/took/values", []string{"query", `{app="web"}`, "line_limit", "1"}, `{"values":["7ms"],"limit":1000}`},
		{
			"patterns", "patterns",
			[]string{"query", `{app=~".+"}`, "step", "60"},
			`{"status":"success","data":[
				{"pattern":"level=error took=7ms n=2.5","level":"error","samples":[[1795262340,1]]},
				{"pattern":"level=info took=5ms n=1","level":"info","samples":[[1795262280,1]]},
				{"pattern":"{\"a\":{\"b\":true}}","level":"unknown","samples":[[1795262340,1]]}]}`,
		},
		{"patterns of none", "patterns", []string{"query", `{app="none"}`}, `{"status":"success","data":[]}`},
		{"values of none", "detected_field/nope/values", []string{"query", `{app="web"}`}, `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.get("/loki/api/v1/"+tt.path, tt.params...)
			got.want(t, 200)
			if d := cmp.Diff(decoded(t, tt.want), withoutStats(decoded(t, got.body))); d != "" {
				t.Errorf("answer differs (-want +got):\n%s", d)
			}
		})
	}
}

// Of very many lines some are looked at, and the counts stand for all.
func TestPatternsOfManyLines(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	const steps, lines = 3, 30_000
	for step := range steps {
		s := loki.Stream{Labels: logs.LabelsOf("app", "x"), Range: &loki.FileRange{File: loki.FileID{byte(step)}, To: lines}}
		for i := range lines {
			at := noon.Add(time.Duration(step-steps)*time.Minute + time.Duration(i)*time.Millisecond)
			s.Entries = append(s.Entries, logs.Entry{Time: at.UnixNano(), Line: "task " + strconv.Itoa(i) + " is done", Metadata: logs.LabelsOf("offset", strconv.Itoa(i))})
		}
		r.push(s).want(t, 204)
	}
	got := r.get("/loki/api/v1/patterns", "query", `{app="x"}`, "step", "60")
	got.want(t, 200)
	want := `{"status":"success","data":[{"pattern":"task <_> is done","level":"unknown","samples":[[1795262220,30000],[1795262280,30000],[1795262340,30000]]}]}`
	if d := cmp.Diff(decoded(t, want), decoded(t, got.body)); d != "" {
		t.Errorf("patterns differ (-want +got):\n%s", d)
	}
}

// A step for each of very many streams is refused before it is read.
func TestVolumesOfTooMuch(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	p := &loki.Push{}
	for i := range 300 {
		p.Streams = append(p.Streams, stream(logs.LabelsOf("app", "x", "n", strconv.Itoa(i)), "x"))
	}
	r.do("POST", pushPath, packed(p)).want(t, 204)
	r.get("/loki/api/v1/index/volume_range", "query", `{app="x"}`, "since", "3h", "step", "1").want(t, 400, "300 streams in 10801 steps are too many to hold in memory: use a larger step")
	r.get("/loki/api/v1/index/volume_range", "query", `{app="x"}`, "since", "3h", "step", "60").want(t, 200, `"app":"x"`)
}

func TestExploringWrongly(t *testing.T) {
	r := start(t)
	for path, tests := range map[string][][]string{
		"index/volume": {
			{"syntax error: unexpected $end"},
			{"only label matchers are supported", "query", `{a="b"} |= "x"`},
			{"only label matchers are supported", "query", `rate({a="b"}[1m])`},
			{"invalid aggregation option", "query", "{}", "aggregateBy", "x"},
			{"limit must be a positive value", "query", "{}", "limit", "-1"},
		},
		"index/volume_range":             {{"zero or negative query resolution", "query", "{}", "step", "0"}},
		"index/stats":                    {{"only label matchers are supported", "query", `{a="b"} | json`}},
		"detected_labels":                {{"parse error", "query", "{"}},
		"detected_fields":                {{"only log selector is supported", "query", `rate({a="b"}[1m])`}, {"limit must be a positive value", "query", `{a="b"}`, "line_limit", "0"}},
		"detected_field/a/values":        {{"limit must be a positive value", "query", `{a="b"}`, "limit", "0"}},
		"label/app/values":               {{"only label matchers are supported", "query", `{a="b"} |= "x"`}},
		"label/app/values?start=2&end=1": {{"this data is no longer available, it is past now - max_query_lookback (0s)"}},
		"series?start=2&end=1":           {{"this data is no longer available"}},
		"index/stats?start=2&end=1":      {{"end timestamp must not be before or equal to start time"}},
		"labels":                         {{"queries require at least one regexp or equality matcher", "query", `{}`}},
		"series":                         {{"0 matchers in group: {}", "match[]", `{}`, "match[]", `{a="b"}`}},
	} {
		for _, tt := range tests {
			got := r.get("/loki/api/v1/"+path, tt[1:]...)
			got.want(t, 400, tt[0])
		}
	}
}
