package server

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// series answers /loki/api/v1/series: the streams that pass any of the
// selectors.
func (s *Server) series(w http.ResponseWriter, r *request) error {
	if err := s.form(w, r); err != nil {
		return err
	}
	start, end, err := loki.ParseTimeRange(r.Form, s.now())
	if err != nil {
		return listFault(err)
	}
	selectors, err := s.selectors(r)
	if err != nil {
		return err
	}
	var all []logs.Labels
	err = s.bounded(r, func(ctx context.Context) error {
		for _, matchers := range selectors {
			streams, err := s.source(r).streams(ctx, matchers, start, end)
			if err != nil {
				return err
			}
			all = append(all, streams...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, logs.Labels.Compare)
	all = slices.CompactFunc(all, logs.Labels.Equal)
	return reply(w, r, loki.AppendSeries(nil, all))
}

// Each selector is a search of its own.
const maxSelectors = 100

// selectors reads match and match[], which may be repeated; none selects all.
func (s *Server) selectors(r *request) ([][]logs.Matcher, error) {
	texts := slices.Concat(r.Form["match"], r.Form["match[]"])
	if len(texts) == 0 {
		return [][]logs.Matcher{nil}, nil
	}
	if len(texts) > maxSelectors {
		return nil, failf(http.StatusBadRequest, "%d selectors are given, at most %d are allowed", len(texts), maxSelectors)
	}
	total := 0
	selectors := make([][]logs.Matcher, len(texts))
	for i, text := range texts {
		if total += len(text); total > s.limits.QueryBytes {
			return nil, failf(http.StatusBadRequest, "selectors have more than %d bytes together", s.limits.QueryBytes)
		}
		if strings.TrimSpace(text) == everything {
			if len(texts) > 1 {
				return nil, failf(http.StatusBadRequest, "0 matchers in group: {}")
			}
			continue
		}
		var err error
		if selectors[i], err = parseSelector(text); err != nil {
			return nil, err
		}
	}
	return selectors, nil
}

// indexStats answers /loki/api/v1/index/stats: how much a query would read.
func (s *Server) indexStats(w http.ResponseWriter, r *request) error {
	matchers, start, end, err := s.selected(w, r)
	if err != nil {
		return err
	}
	var stats loki.IndexStats
	err = s.bounded(r, func(ctx context.Context) error {
		read, err := s.source(r).stats(ctx, matchers, start, end)
		stats = loki.IndexStats(read)
		return err
	})
	if err != nil {
		return err
	}
	return reply(w, r, loki.AppendIndexStats(nil, stats))
}
