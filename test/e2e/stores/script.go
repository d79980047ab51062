package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/logqltest"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// base stands for the scripts' beginning of time: midnight of yesterday, so that
// steps lie as they do there and no store finds the lines old.
var base = time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour).UnixNano()

// scripts asks all questions of a script and returns how many were answered as
// they should, of how many, with the others.
func (r *result) script(ctx context.Context, s *served, file string) error {
	steps, err := logqltest.Steps(file)
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(filepath.Base(file), ".txt")
	loaded, tenant := -1, ""
	for _, step := range steps {
		if step.Limited {
			continue // limits are the server's here
		}
		if len(step.Loaded) != loaded {
			loaded = len(step.Loaded)
			tenant = fmt.Sprintf("script-%s-%d", name, loaded)
			if err := s.load(ctx, tenant, step.Loaded); err != nil {
				return fmt.Errorf("load for %s:%d: %w", file, step.Line, err)
			}
		}
		if !r.kind.asks(step.Params.Query) {
			r.judge(name, &step, []string{"not asked"})
			continue
		}
		got, err := s.question(ctx, tenant, &step)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", file, step.Line, err)
		}
		r.judge(name, &step, got)
	}
	return nil
}

func (s *served) load(ctx context.Context, tenant string, records []logs.Record) error {
	for i, rec := range records {
		e := rec.Entry
		e.Time += base
		_, err := s.engine.Append(ctx, store.Batch{
			Tenant: tenant, Received: time.Now().Add(time.Duration(i)),
			Push: &loki.Push{Streams: []loki.Stream{{Labels: rec.Stream, Entries: []logs.Entry{e}}}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// question asks over HTTP and returns the answer as scripts show it.
func (s *served) question(ctx context.Context, tenant string, step *logqltest.Step) ([]string, error) {
	p := step.Params
	at := func(t int64) string { return strconv.FormatInt(base+t, 10) }
	seconds := func(d int64) string { return strconv.FormatFloat(float64(d)/1e9, 'f', -1, 64) }
	path, form := "/loki/api/v1/query_range", map[string][]string{"query": {p.Query}}
	if step.Kind == "instant" || p.Start == p.End {
		path = "/loki/api/v1/query"
		form["time"] = []string{at(p.Start)}
	} else {
		form["start"], form["end"] = []string{at(p.Start)}, []string{at(p.End)}
	}
	if p.Limit > 0 {
		form["limit"] = []string{strconv.Itoa(p.Limit)}
	}
	if p.Step > 0 {
		form["step"] = []string{seconds(p.Step)}
	}
	if p.Interval > 0 {
		form["interval"] = []string{seconds(p.Interval)}
	}
	if p.Direction == logs.Forward {
		form["direction"] = []string{"forward"}
	}
	status, body, err := s.ask(ctx, "GET", path, tenant, form)
	if err != nil {
		return nil, err
	}
	if status != 200 {
		return []string{"error: " + strings.TrimSpace(string(body))}, nil
	}
	v, err := valueOf(body)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(logqltest.Print(v), "\n")
	if text == "" {
		return nil, nil
	}
	return strings.Split(text, "\n"), nil
}

// series is one element of an answer.
type series struct {
	Stream, Metric map[string]string
	Value          [2]any
	Values         [][]any
}

// valueOf reads an answer back, its times as the scripts count them.
func valueOf(body []byte) (exec.Value, error) {
	var answer struct {
		Data struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("answer %.200s: %w", body, err)
	}
	if answer.Data.ResultType == "scalar" {
		var v [2]any
		err := json.Unmarshal(answer.Data.Result, &v)
		_, n := sample(v[:])
		return exec.Scalar{V: n}, err
	}
	var all []series
	if err := json.Unmarshal(answer.Data.Result, &all); err != nil {
		return nil, fmt.Errorf("answer %.200s: %w", body, err)
	}
	switch answer.Data.ResultType {
	case "streams":
		return linesOf(all)
	case "vector":
		var out exec.Vector
		for _, s := range all {
			t, v := sample(s.Value[:])
			out = append(out, exec.Sample{Metric: labelsOf(s.Metric), Point: exec.Point{T: t, V: v}})
		}
		return out, nil
	case "matrix":
		var out exec.Matrix
		for _, s := range all {
			points := exec.Series{Metric: labelsOf(s.Metric)}
			for _, v := range s.Values {
				t, v := sample(v)
				points.Points = append(points.Points, exec.Point{T: t, V: v})
			}
			out = append(out, points)
		}
		return out, nil
	}
	return nil, fmt.Errorf("answer of type %q", answer.Data.ResultType)
}

// numberOf is the only number of a vector, "0" where it has none.
func numberOf(v exec.Value) string {
	if v, ok := v.(exec.Vector); ok && len(v) == 1 {
		return strconv.FormatFloat(v[0].V, 'f', -1, 64)
	}
	return "0"
}

func linesOf(all []series) (exec.Lines, error) {
	var out exec.Lines
	for _, s := range all {
		for _, v := range s.Values {
			at, _ := v[0].(string)
			t, err := strconv.ParseInt(at, 10, 64)
			if err != nil || len(v) < 3 {
				return nil, fmt.Errorf("line %v of the answer: %w", v, err)
			}
			text, _ := v[1].(string)
			l := exec.Line{Stream: labelsOf(s.Stream), Metadata: labelsOf(object(v[2], "structuredMetadata")), Parsed: labelsOf(object(v[2], "parsed"))}
			l.Time, l.Line = t-base, text
			out = append(out, l)
		}
	}
	return out, nil
}

func object(v any, name string) map[string]string {
	m, _ := v.(map[string]any)
	inner, _ := m[name].(map[string]any)
	out := make(map[string]string, len(inner))
	for k, v := range inner {
		out[k], _ = v.(string)
	}
	return out
}

func sample(v []any) (ms int64, value float64) {
	sec, _ := v[0].(float64)
	text, _ := v[1].(string)
	value, _ = strconv.ParseFloat(text, 64)
	return int64(sec*1000+0.5) - base/1e6, value
}

func labelsOf(m map[string]string) logs.Labels {
	var ls []logs.Label
	for k, v := range m {
		ls = append(ls, logs.Label{Name: k, Value: v})
	}
	slices.SortFunc(ls, func(a, b logs.Label) int { return strings.Compare(a.Name, b.Name) })
	return ls
}
