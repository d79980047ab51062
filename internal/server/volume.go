package server

import (
	"cmp"
	"context"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// maxVolumes is how many volumes an answer has at most.
const maxVolumes = 10_000

// volumeParams are those of index/volume and index/volume_range.
type volumeParams struct {
	matchers   []logs.Matcher
	start, end int64
	step       int64 // of volume_range
	limit      int
	targets    []string // labels to group by; nil: those of the matchers, or all
	byLabel    bool     // each label by itself, not the streams
}

// volume answers /loki/api/v1/index/volume: which labels have how many bytes of
// lines.
func (s *Server) volume(w http.ResponseWriter, r *request) error {
	p, err := s.parseVolume(w, r)
	if err != nil {
		return err
	}
	began := time.Now()
	sums, err := s.volumes(r, p, math.MaxInt64/4)
	if err != nil {
		return err
	}
	out := loki.Vector{}
	for _, v := range topVolumes(flatten(sums), p.limit) {
		out = append(out, loki.Sample{Metric: v.Labels, Point: loki.Point{T: p.end / 1e6, V: float64(v.Bytes)}})
	}
	return s.replyVolume(w, r, out, began)
}

// volumeRange answers /loki/api/v1/index/volume_range: the same step by step.
func (s *Server) volumeRange(w http.ResponseWriter, r *request) error {
	p, err := s.parseVolume(w, r)
	if err != nil {
		return err
	}
	began := time.Now()
	sums, err := s.volumes(r, p, p.step)
	if err != nil {
		return err
	}
	return s.replyVolume(w, r, volumeMatrix(sums, p), began)
}

// volumeMatrix is the largest of all steps together. As in Loki, series of one
// point each are told as a vector.
func volumeMatrix(sums map[int64]map[string]*loki.Volume, p volumeParams) loki.Value {
	ends := slices.Sorted(maps.Keys(sums))
	matrix, single := loki.Matrix{}, true
	for _, v := range topVolumes(flatten(sums), p.limit) {
		series := loki.Series{Metric: v.Labels}
		key := v.Labels.String()
		for _, end := range ends {
			if v := sums[end][key]; v != nil {
				series.Points = append(series.Points, loki.Point{T: p.pointOf(end), V: float64(v.Bytes)})
			}
		}
		matrix = append(matrix, series)
		single = single && len(series.Points) == 1
	}
	if !single {
		return matrix
	}
	vector := loki.Vector{}
	for _, m := range matrix {
		vector = append(vector, loki.Sample{Metric: m.Metric, Point: m.Points[0]})
	}
	return vector
}

// pointOf is a step's last millisecond; of the last step the end of the question.
func (p *volumeParams) pointOf(end int64) int64 {
	if end+1 >= p.end {
		return p.end / 1e6
	}
	return (end+1)/1e6 - 1
}

func (s *Server) replyVolume(w http.ResponseWriter, r *request, v loki.Value, began time.Time) error {
	a := loki.Answer{Value: v, Stats: loki.QueryStats{Queued: r.queued, Took: time.Since(began) - r.queued}}
	return reply(w, r, loki.AppendAnswer(nil, &a))
}

func (s *Server) parseVolume(w http.ResponseWriter, r *request) (p volumeParams, err error) {
	if p.matchers, p.start, p.end, err = s.selected(w, r, everything); err != nil {
		return p, err
	}
	if r.Form.Get("limit") == "0" {
		r.Form.Del("limit") // as in Loki: the default
	}
	if p.limit, err = loki.ParseLimit(r.Form, 100); err != nil {
		return p, err
	}
	p.limit = min(p.limit, maxVolumes)
	if p.step, err = loki.ParseQueryStep(r.Form, p.end-p.start); err != nil {
		return p, err
	}
	for name := range strings.SplitSeq(r.Form.Get("targetLabels"), ",") {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(p.targets, name) {
			p.targets = append(p.targets, name)
		}
	}
	switch r.Form.Get("aggregateBy") {
	case "", "series":
	case "labels":
		p.byLabel = true
	default:
		return p, failf(http.StatusBadRequest, "invalid aggregation option")
	}
	if p.targets == nil && !p.byLabel {
		for _, m := range p.matchers {
			if !slices.Contains(p.targets, m.Name) {
				p.targets = append(p.targets, m.Name)
			}
		}
	}
	return p, nil
}

// volumes sums bytes by the end of their step and by what they are grouped by. As
// in Loki, streams of several tenants are not told apart.
func (s *Server) volumes(r *request, p volumeParams, step int64) (map[int64]map[string]*loki.Volume, error) {
	q := logs.BucketQuery{
		Selection: logs.Selection{Matchers: p.matchers, Start: p.start, End: p.end},
		// Steps begin at multiples of step and end before the next.
		Origin: -1, Width: step, ByStream: true,
	}
	sums := map[int64]map[string]*loki.Volume{}
	err := s.bounded(r, func(ctx context.Context) error {
		if err := s.fewVolumes(ctx, r, p, step); err != nil {
			return err
		}
		return s.store.Buckets(ctx, r.tenants, q, func(b logs.Bucket) error {
			if sums[b.End] == nil {
				sums[b.End] = map[string]*loki.Volume{}
			}
			p.group(b.Group, func(ls logs.Labels) {
				key := ls.String()
				v := sums[b.End][key]
				if v == nil {
					v = &loki.Volume{Labels: ls}
					sums[b.End][key] = v
				}
				v.Bytes += b.Bytes
			})
			return nil
		})
	})
	return sums, err
}

// maxVolumeCells bounds the streams of all steps that are held in memory.
const maxVolumeCells = 1 << 21

// fewVolumes refuses what would hold too much, before it is read.
func (s *Server) fewVolumes(ctx context.Context, r *request, p volumeParams, step int64) error {
	steps := (p.end-p.start)/step + 1
	if steps <= 1 {
		return nil
	}
	streams, err := s.store.Streams(ctx, r.tenants, p.matchers, p.start, p.end)
	if err == nil && int64(len(streams))*steps > maxVolumeCells {
		return failf(http.StatusBadRequest, "%d streams in %d steps are too many to hold in memory: use a larger step, or a selector of fewer streams", len(streams), steps)
	}
	return err
}

// group calls add for what a stream counts as.
func (p *volumeParams) group(stream logs.Labels, add func(logs.Labels)) {
	if p.byLabel {
		for _, l := range stream {
			if p.targets == nil || slices.Contains(p.targets, l.Name) {
				add(logs.Labels{{Name: l.Name}})
			}
		}
		return
	}
	if p.targets == nil {
		add(stream)
		return
	}
	var ls logs.Labels
	for _, l := range stream {
		if slices.Contains(p.targets, l.Name) {
			ls = append(ls, l)
		}
	}
	if len(ls) == len(p.targets) || !p.explicit() && len(ls) > 0 {
		add(ls)
	}
}

// explicit reports whether the targets were asked for: a stream must then have
// all of them.
func (p *volumeParams) explicit() bool {
	for _, t := range p.targets {
		if !slices.ContainsFunc(p.matchers, func(m logs.Matcher) bool { return m.Name == t }) {
			return true
		}
	}
	return false
}

func flatten(sums map[int64]map[string]*loki.Volume) []loki.Volume {
	all := map[string]*loki.Volume{}
	for _, step := range sums {
		for key, v := range step {
			if all[key] == nil {
				all[key] = &loki.Volume{Labels: v.Labels}
			}
			all[key].Bytes += v.Bytes
		}
	}
	list := make([]loki.Volume, 0, len(all))
	for _, v := range all {
		list = append(list, *v)
	}
	return list
}

// topVolumes returns the largest, largest first.
func topVolumes(list []loki.Volume, limit int) []loki.Volume {
	slices.SortFunc(list, func(a, b loki.Volume) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), a.Labels.Compare(b.Labels))
	})
	return list[:min(limit, len(list))]
}
