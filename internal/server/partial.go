package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/remora-ray/remora/internal/logql/exec"
)

// Grafana's Logs Drilldown, told by its tag, rather has the first series of too
// many than an error.
const drilldownSource = "Source=grafana-lokiexplore-app"

// wideSeries is how many times the series of an answer are computed for it.
const wideSeries = 20

// wideEngine is the engine with a higher limit of series, nil where it has none
// that could be raised.
func wideEngine(e Engine) Engine {
	if engine, ok := e.(*exec.Engine); ok {
		limits := engine.Limits()
		limits.MaxSeries *= wideSeries
		return exec.New(limits)
	}
	return nil
}

// run answers a query; for Drilldown with some of its series where they are too
// many.
func (s *Server) run(ctx context.Context, r *request, p exec.Params) (*exec.Result, error) {
	result, err := s.engine.Run(ctx, s.source(r), p)
	var limit *exec.LimitError
	if !errors.As(err, &limit) || !strings.HasPrefix(limit.Msg, "maximum number of series") || s.wide == nil ||
		!strings.Contains(cleanTags(r.Header.Get("X-Query-Tags")), drilldownSource) {
		return result, err
	}
	result, err = s.wide.Run(ctx, s.source(r), p)
	if err != nil {
		return nil, err
	}
	most := s.queryLimits().MaxSeries
	switch v := result.Value.(type) {
	case exec.Matrix:
		result.Value = v[:min(len(v), most)]
	case exec.Vector:
		result.Value = v[:min(len(v), most)]
	}
	result.Warnings = append(result.Warnings, fmt.Sprintf("maximum number of series (%d) reached for a single query; returning partial results", most))
	return result, nil
}
