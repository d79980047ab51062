package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// labelNames answers /loki/api/v1/labels.
func (s *Server) labelNames(w http.ResponseWriter, r *request) error {
	return s.list(w, r, func(ctx context.Context, matchers []logs.Matcher, start, end int64) ([]string, error) {
		return s.source(r).labelNames(ctx, matchers, start, end)
	})
}

// labelValues answers /loki/api/v1/label/{name}/values.
func (s *Server) labelValues(w http.ResponseWriter, r *request) error {
	name := r.PathValue("name")
	return s.list(w, r, func(ctx context.Context, matchers []logs.Matcher, start, end int64) ([]string, error) {
		return s.source(r).labelValues(ctx, name, matchers, start, end)
	})
}

func (s *Server) list(w http.ResponseWriter, r *request,
	read func(ctx context.Context, matchers []logs.Matcher, start, end int64) ([]string, error),
) error {
	matchers, start, end, err := s.selected(w, r, "")
	if err != nil {
		return listFault(err)
	}
	var list []string
	err = s.bounded(r, func(ctx context.Context) error {
		var err error
		list, err = read(ctx, matchers, start, end)
		return err
	})
	if err != nil {
		return err
	}
	return reply(w, r, loki.AppendStrings(nil, list))
}

// listFault says of a range that ends before it begins what Loki says of it where
// labels and series are listed.
func listFault(err error) error {
	if errors.Is(err, loki.ErrEndBeforeStart) {
		return failf(http.StatusBadRequest, "this data is no longer available, it is past now - max_query_lookback (0s)")
	}
	return err
}

// selected reads a time range and the selector in query. Those in all stand for
// every stream.
func (s *Server) selected(w http.ResponseWriter, r *request, all ...string) (matchers []logs.Matcher, start, end int64, err error) {
	if err := s.form(w, r); err != nil {
		return nil, 0, 0, err
	}
	if start, end, err = loki.ParseTimeRange(r.Form, s.now()); err != nil {
		return nil, 0, 0, err
	}
	query := r.Form.Get("query")
	if slices.Contains(all, strings.TrimSpace(query)) {
		return nil, start, end, nil
	}
	matchers, err = parseSelector(query)
	return matchers, start, end, err
}

// everything selects all streams where an endpoint allows that.
const everything = "{}"

// parseSelector reads {a="b"}.
func parseSelector(text string) ([]logs.Matcher, error) {
	e, err := syntax.Parse(text)
	if err != nil {
		return nil, err
	}
	q, ok := e.(*syntax.LogQuery)
	if !ok || len(q.Stages) > 0 {
		return nil, failf(http.StatusBadRequest, "only label matchers are supported")
	}
	matchers := make([]logs.Matcher, len(q.Matchers))
	for i, m := range q.Matchers {
		if matchers[i], err = logs.NewMatcher(m.Name, m.Op, m.Value); err != nil {
			return nil, &syntax.Error{Pos: m.At, Msg: err.Error()}
		}
	}
	return matchers, nil
}
