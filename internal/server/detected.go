package server

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/detect"
	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// placeLabels are shown though their values may be numbers: they say where.
var placeLabels = []string{"cluster", "namespace", "instance", "pod"}

// detectedLabels answers /loki/api/v1/detected_labels: the labels of streams that
// are of use to choose streams by.
func (s *Server) detectedLabels(w http.ResponseWriter, r *request) error {
	matchers, start, end, err := s.selected(w, r, "")
	if err != nil {
		return err
	}
	values := map[string]map[string]bool{}
	err = s.bounded(r, func(ctx context.Context) error {
		streams, err := s.source(r).streams(ctx, matchers, start, end)
		for _, ls := range streams {
			for _, l := range ls {
				if values[l.Name] == nil {
					values[l.Name] = map[string]bool{}
				}
				values[l.Name][l.Value] = true
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	delete(values, tenantLabel)
	var list []loki.DetectedLabel
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if slices.Contains(placeLabels, name) || !detect.TellsNothing(slices.Collect(maps.Keys(values[name]))) {
			list = append(list, loki.DetectedLabel{Label: name, Cardinality: len(values[name])})
		}
	}
	return reply(w, r, loki.AppendDetectedLabels(nil, list))
}

// detectedFields answers /loki/api/v1/detected_fields: what stands in the last
// lines of a query and beside them.
func (s *Server) detectedFields(w http.ResponseWriter, r *request) error {
	p, err := s.parseFields(w, r)
	if err != nil {
		return err
	}
	fields := detect.NewFields(p.limit)
	var lines []*detect.Line
	if err := s.eachLine(r, p, func(l *detect.Line) { lines = append(lines, l) }); err != nil {
		return err
	}
	// Stream by stream, as in Loki: the last value of the last stream says of which
	// type a field is.
	slices.SortStableFunc(lines, func(a, b *detect.Line) int { return strings.Compare(a.Stream.String(), b.Stream.String()) })
	for _, l := range lines {
		fields.Add(l)
	}
	var list []loki.DetectedField
	for _, f := range fields.List() {
		list = append(list, loki.DetectedField{Label: f.Name, Type: f.Type, Cardinality: f.Distinct, Parsers: f.Parsers, JSONPath: f.JSONPath})
	}
	return reply(w, r, loki.AppendDetectedFields(nil, list, p.limit))
}

// fieldValues answers /loki/api/v1/detected_field/{name}/values.
func (s *Server) fieldValues(w http.ResponseWriter, r *request) error {
	p, err := s.parseFields(w, r)
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	seen := map[string]bool{}
	var values []string
	err = s.eachLine(r, p, func(l *detect.Line) {
		detect.Each(l, func(field, value, parser string, _ []string) {
			if field != name || len(values) == p.limit {
				return
			}
			if parser != "" {
				value = rounded(value)
			}
			if !seen[value] {
				value = strings.Clone(value)
				seen[value] = true
				values = append(values, value)
			}
		})
	})
	if err != nil {
		return err
	}
	return reply(w, r, loki.AppendFieldValues(nil, values, p.limit))
}

// rounded is a value that was found in a line; sizes are told with two digits.
func rounded(value string) string {
	if detect.TypeOf(value) != "bytes" {
		return value
	}
	n, err := syntax.ParseBytes(value)
	if err != nil {
		return value
	}
	return syntax.FormatSize(n)
}

// fieldParams are those of detected_fields.
type fieldParams struct {
	query        string
	start, end   int64
	limit, lines int
}

func (s *Server) parseFields(w http.ResponseWriter, r *request) (p fieldParams, err error) {
	if err := s.form(w, r); err != nil {
		return p, err
	}
	if p.start, p.end, err = loki.ParseTimeRange(r.Form, s.now()); err != nil {
		return p, err
	}
	if p.lines, err = loki.ParseCount(r.Form, "line_limit", 100); err != nil {
		return p, err
	}
	name := "limit"
	if !r.Form.Has(name) {
		name = "field_limit" // its older name
	}
	if p.limit, err = loki.ParseCount(r.Form, name, 1000); err != nil {
		return p, err
	}
	p.query = r.Form.Get("query")
	e, err := syntax.Parse(p.query)
	if err != nil {
		return p, err
	}
	if _, ok := e.(*syntax.LogQuery); !ok {
		return p, failf(http.StatusBadRequest, "only log selector is supported")
	}
	return p, nil
}

// eachLine visits the last lines of a query.
func (s *Server) eachLine(r *request, p fieldParams, visit func(*detect.Line)) error {
	return s.bounded(r, func(ctx context.Context) error {
		result, err := s.engine.Run(ctx, s.source(r), exec.Params{
			Query: p.query, Start: p.start, End: p.end, Step: int64(time.Hour), Limit: p.lines, Direction: logs.Backward,
		})
		if err != nil {
			return err
		}
		lines, _ := result.Value.(exec.Lines) // parseFields lets no others through
		for i := range lines {
			l := &lines[i]
			visit(&detect.Line{Text: l.Line, Stream: l.Stream, Metadata: l.Metadata, Parsed: l.Parsed})
		}
		return nil
	})
}
