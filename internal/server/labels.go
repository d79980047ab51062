package server

import (
	"context"
	"net/http"

	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// labelNames answers /loki/api/v1/labels.
func (s *Server) labelNames(w http.ResponseWriter, r *request) error {
	return s.list(w, r, func(ctx context.Context, matchers []logs.Matcher, start, end int64) ([]string, error) {
		return s.store.LabelNames(ctx, r.tenants, matchers, start, end)
	})
}

// labelValues answers /loki/api/v1/label/{name}/values.
func (s *Server) labelValues(w http.ResponseWriter, r *request) error {
	name := r.PathValue("name")
	if !logs.ValidName(name) {
		return failf(http.StatusBadRequest, "label name %q does not match [a-zA-Z_][a-zA-Z0-9_]*", shorten(name, 64))
	}
	return s.list(w, r, func(ctx context.Context, matchers []logs.Matcher, start, end int64) ([]string, error) {
		return s.store.LabelValues(ctx, r.tenants, name, matchers, start, end)
	})
}

func (s *Server) list(w http.ResponseWriter, r *request,
	read func(ctx context.Context, matchers []logs.Matcher, start, end int64) ([]string, error),
) error {
	matchers, start, end, err := s.selected(w, r)
	if err != nil {
		return err
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

// selected reads a time range and the selector that query may hold.
func (s *Server) selected(w http.ResponseWriter, r *request) (matchers []logs.Matcher, start, end int64, err error) {
	if err := s.form(w, r); err != nil {
		return nil, 0, 0, err
	}
	if start, end, err = loki.ParseTimeRange(r.Form, s.now()); err != nil {
		return nil, 0, 0, err
	}
	matchers, err = parseSelector(r.Form.Get("query"))
	return matchers, start, end, err
}

// parseSelector reads {a="b"}; "" selects everything.
func parseSelector(text string) ([]logs.Matcher, error) {
	if text == "" {
		return nil, nil
	}
	parsed, err := syntax.ParseSelector(text)
	if err != nil {
		return nil, err
	}
	matchers := make([]logs.Matcher, len(parsed))
	for i, m := range parsed {
		if matchers[i], err = logs.NewMatcher(m.Name, m.Op, m.Value); err != nil {
			return nil, &syntax.Error{Pos: m.At, Msg: err.Error()}
		}
	}
	return matchers, nil
}
