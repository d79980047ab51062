package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/remora-ray/remora/internal/logs"
)

// Line is one log line of an answer, its labels by where they come from. A Loki
// that does not tell them apart puts all into Stream.
type Line struct {
	Time     int64 // Unix nanoseconds
	Line     string
	Stream   logs.Labels
	Metadata logs.Labels
	Parsed   logs.Labels
}

// Label returns the line's label of that name, wherever it comes from, or "".
func (l *Line) Label(name string) string {
	for _, ls := range []logs.Labels{l.Stream, l.Metadata, l.Parsed} {
		if v, ok := ls.Lookup(name); ok {
			return v
		}
	}
	return ""
}

// Point is one value at a time in Unix milliseconds.
type Point struct {
	T int64
	V string // as the server wrote it: "12", "0.5", "NaN", "+Inf"
}

// Series is one row of a metric answer; of a vector or scalar it has one point.
type Series struct {
	Metric logs.Labels
	Points []Point
}

// Result is the answer to a query: Lines of a log query in the order asked, or
// Series of a metric query in the server's order.
type Result struct {
	Type     string // "streams", "matrix", "vector" or "scalar"
	Lines    []Line
	Series   []Series
	Warnings []string
}

// RangeQuery asks for lines in [Start, End), or for values at Start, Start+Step
// … ≤ End. A Limit or Step of 0 leaves the choice to the server.
type RangeQuery struct {
	Query      string
	Start, End time.Time
	Limit      int
	Step       time.Duration
	Direction  logs.Direction
}

// QueryRange asks /loki/api/v1/query_range.
func (c *Client) QueryRange(ctx context.Context, q RangeQuery) (*Result, error) {
	params := url.Values{
		"query":     {q.Query},
		"start":     {nanos(q.Start)},
		"end":       {nanos(q.End)},
		"direction": {q.Direction.String()},
	}
	if q.Limit > 0 {
		params.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Step > 0 {
		params.Set("step", strconv.FormatFloat(q.Step.Seconds(), 'f', -1, 64))
	}
	var env envelope
	if err := c.getJSON(ctx, "/loki/api/v1/query_range", params, &env); err != nil {
		return nil, err
	}
	return env.result(q.Direction)
}

// Query asks /loki/api/v1/query for the value of a metric query at one time.
func (c *Client) Query(ctx context.Context, query string, at time.Time) (*Result, error) {
	params := url.Values{"query": {query}, "time": {nanos(at)}}
	var env envelope
	if err := c.getJSON(ctx, "/loki/api/v1/query", params, &env); err != nil {
		return nil, err
	}
	return env.result(logs.Backward)
}

// LabelNames lists the names of stream labels with lines in [start, end).
func (c *Client) LabelNames(ctx context.Context, start, end time.Time) ([]string, error) {
	return c.strings(ctx, "/loki/api/v1/labels", start, end)
}

// LabelValues lists the values of a stream label with lines in [start, end).
func (c *Client) LabelValues(ctx context.Context, name string, start, end time.Time) ([]string, error) {
	return c.strings(ctx, "/loki/api/v1/label/"+name+"/values", start, end)
}

func (c *Client) strings(ctx context.Context, path string, start, end time.Time) ([]string, error) {
	var answer struct {
		Data []string `json:"data"`
	}
	params := url.Values{"start": {nanos(start)}, "end": {nanos(end)}}
	err := c.getJSON(ctx, path, params, &answer)
	return answer.Data, err
}

// nanos writes a time as the API reads it: Unix nanoseconds. More than ten
// digits are needed for that, so that times near 1970 are written in RFC 3339.
func nanos(t time.Time) string {
	if ns := t.UnixNano(); ns >= 1e10 {
		return strconv.FormatInt(ns, 10)
	}
	return t.UTC().Format(time.RFC3339Nano)
}

type envelope struct {
	Status string `json:"status"`
	Data   struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
	Warnings []string `json:"warnings"`
}

func (env *envelope) result(d logs.Direction) (*Result, error) {
	r := &Result{Type: env.Data.ResultType, Warnings: env.Warnings}
	var err error
	switch r.Type {
	case "streams":
		var streams []wireStream
		if err = json.Unmarshal(env.Data.Result, &streams); err == nil {
			r.Lines = mergeStreams(streams, d)
		}
	case "matrix", "vector":
		var series []wireSeries
		if err = json.Unmarshal(env.Data.Result, &series); err == nil {
			r.Series = seriesOf(series)
		}
	case "scalar":
		var p wirePoint
		if err = json.Unmarshal(env.Data.Result, &p); err == nil {
			r.Series = []Series{{Points: []Point{Point(p)}}}
		}
	default:
		return nil, fmt.Errorf("server answered with a result of the unknown type %q", r.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", r.Type, err)
	}
	return r, nil
}

type wireStream struct {
	Stream map[string]string `json:"stream"`
	Values []wireEntry       `json:"values"`
}

type wireEntry struct {
	time             int64
	line             string
	metadata, parsed map[string]string
}

// UnmarshalJSON reads ["<ns>", "line"] and ["<ns>", "line", {"structuredMetadata": {}, "parsed": {}}].
func (e *wireEntry) UnmarshalJSON(b []byte) error {
	var ns string
	var labels struct {
		StructuredMetadata map[string]string `json:"structuredMetadata"`
		Parsed             map[string]string `json:"parsed"`
	}
	parts := []any{&ns, &e.line, &labels}
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if len(parts) < 2 {
		return errors.New("a log line needs a time and a text")
	}
	t, err := strconv.ParseInt(ns, 10, 64)
	if err != nil {
		return fmt.Errorf("time %q of a log line is no number of nanoseconds", ns)
	}
	e.time, e.metadata, e.parsed = t, labels.StructuredMetadata, labels.Parsed
	return nil
}

// mergeStreams orders the lines of all streams by time. Within a stream lines
// keep the server's order, which also orders those of one time.
func mergeStreams(streams []wireStream, d logs.Direction) []Line {
	var lines []Line
	for _, s := range streams {
		stream := labelsOf(s.Stream)
		for _, e := range s.Values {
			lines = append(lines, Line{Time: e.time, Line: e.line, Stream: stream, Metadata: labelsOf(e.metadata), Parsed: labelsOf(e.parsed)})
		}
	}
	slices.SortStableFunc(lines, func(a, b Line) int {
		if d == logs.Backward {
			a, b = b, a
		}
		return int(min(max(a.Time-b.Time, -1), 1))
	})
	return lines
}

func labelsOf(m map[string]string) logs.Labels {
	if len(m) == 0 {
		return nil
	}
	ls := make([]logs.Label, 0, len(m))
	for name, value := range m {
		ls = append(ls, logs.Label{Name: name, Value: value})
	}
	return logs.Normalize(ls)
}

type wireSeries struct {
	Metric map[string]string `json:"metric"`
	Value  *wirePoint        `json:"value"`
	Values []wirePoint       `json:"values"`
}

func seriesOf(wire []wireSeries) []Series {
	out := make([]Series, 0, len(wire))
	for _, w := range wire {
		s := Series{Metric: labelsOf(w.Metric)}
		if w.Value != nil {
			s.Points = append(s.Points, Point(*w.Value))
		}
		for _, p := range w.Values {
			s.Points = append(s.Points, Point(p))
		}
		out = append(out, s)
	}
	return out
}

type wirePoint Point

// UnmarshalJSON reads [seconds, "value"].
func (p *wirePoint) UnmarshalJSON(b []byte) error {
	var sec float64
	parts := []any{&sec, &p.V}
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if len(parts) != 2 {
		return errors.New("a point needs a time and a value")
	}
	p.T = int64(sec*1000 + 0.5)
	return nil
}
