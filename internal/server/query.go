package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/loki"
)

// queryRange answers /loki/api/v1/query_range.
func (s *Server) queryRange(w http.ResponseWriter, r *request) error {
	if err := s.form(w, r); err != nil {
		return err
	}
	p, err := loki.ParseRangeParams(r.Form, s.now())
	if err != nil {
		return err
	}
	return s.answer(w, r, exec.Params{
		Query: p.Query, Start: p.Start, End: p.End, Step: p.Step,
		Interval: p.Interval, Limit: p.Limit, Direction: p.Direction,
	})
}

// query answers /loki/api/v1/query: a metric at one time.
func (s *Server) query(w http.ResponseWriter, r *request) error {
	if err := s.form(w, r); err != nil {
		return err
	}
	p, err := loki.ParseInstantParams(r.Form, s.now())
	if err != nil {
		return err
	}
	if e, err := syntax.Parse(p.Query); err == nil {
		if _, isLog := e.(*syntax.LogQuery); isLog {
			return failf(http.StatusBadRequest, "log queries are not supported as an instant query type, please change your query to a range query type")
		}
	}
	return s.answer(w, r, exec.Params{Query: p.Query, Start: p.Time, End: p.Time, Limit: p.Limit, Direction: p.Direction})
}

// form reads parameters from the address and, of a POST, from its body.
func (s *Server) form(w http.ResponseWriter, r *request) error {
	if r.Method == http.MethodPost {
		defer s.bodyDeadline(w)()
		r.Body = http.MaxBytesReader(w, r.Body, s.limits.FormBytes)
	}
	if err := r.ParseForm(); err != nil {
		if e := answerOf(r.Context(), err); e.status == http.StatusRequestEntityTooLarge {
			return e
		}
		return failf(http.StatusBadRequest, "read parameters: %v", err)
	}
	if n := len(r.Form.Get("query")); n > s.limits.QueryBytes {
		return failf(http.StatusBadRequest, "query has %d bytes, at most %d are allowed", n, s.limits.QueryBytes)
	}
	return nil
}

// answer runs a query and writes its result.
func (s *Server) answer(w http.ResponseWriter, r *request, p exec.Params) error {
	if longest := s.tenants.queryLength(r.tenants); longest > 0 && time.Duration(p.End-p.Start) > longest {
		return failf(http.StatusBadRequest, "the query time range exceeds the limit (query length: %s, limit: %s)", time.Duration(p.End-p.Start), promDuration(longest))
	}
	var result *exec.Result
	var took time.Duration
	err := s.bounded(r, func(ctx context.Context) error {
		began := time.Now()
		var err error
		result, err = s.run(ctx, r, p)
		took = time.Since(began)
		return err
	})
	if err != nil {
		return err
	}
	a := loki.Answer{
		Value:      valueOf(result.Value),
		Categorize: categorize(r),
		Stats:      loki.QueryStats{Lines: result.Stats.Lines, Bytes: result.Stats.Bytes, Queued: r.queued, Took: took},
		Warnings:   result.Warnings,
	}
	room := 4096
	if lines, ok := a.Value.(loki.Lines); ok {
		a.Stats.Entries = len(lines)
		for i := range lines {
			room += len(lines[i].Line) + 256
		}
	}
	return reply(w, r, loki.AppendAnswer(make([]byte, 0, room), &a))
}

// bounded waits for a place, then does work that reads the store, within the
// time a query may take.
func (s *Server) bounded(r *request, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(r.Context(), s.limits.QueryTimeout)
	defer cancel()
	began := time.Now()
	done, ok := s.tenants.query(r.tenants)
	if !ok {
		return &httpError{status: http.StatusTooManyRequests, msg: "too many outstanding requests", retry: time.Second}
	}
	defer done()
	leave, err := s.queries.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	r.queued = time.Since(began)
	return work(ctx)
}

// categorize reports whether the client asked for labels by where they come
// from: by Loki's header or, as browsers can set none on a WebSocket, by a
// parameter.
func categorize(r *request) bool {
	for _, value := range append(r.Header.Values("X-Loki-Response-Encoding-Flags"), r.Form["encoding_flags"]...) {
		for flag := range strings.SplitSeq(value, ",") {
			if strings.TrimSpace(flag) == loki.EncodingFlagCategorize {
				return true
			}
		}
	}
	return false
}

// valueOf turns the engine's values into those of the wire.
func valueOf(v exec.Value) loki.Value {
	switch v := v.(type) {
	case exec.Lines:
		return linesOf(v)
	case exec.Matrix:
		m := make(loki.Matrix, len(v))
		for i, series := range v {
			m[i] = loki.Series{Metric: series.Metric, Points: make([]loki.Point, len(series.Points))}
			for j, p := range series.Points {
				m[i].Points[j] = loki.Point(p)
			}
		}
		return m
	case exec.Vector:
		out := make(loki.Vector, len(v))
		for i, sample := range v {
			out[i] = loki.Sample{Metric: sample.Metric, Point: loki.Point(sample.Point)}
		}
		return out
	case exec.Scalar:
		return loki.Scalar(v)
	default:
		return loki.Lines{}
	}
}

func linesOf(v exec.Lines) loki.Lines {
	lines := make(loki.Lines, len(v))
	for i, l := range v {
		lines[i] = loki.Line(l)
	}
	return lines
}
