package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/detect"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/patterns"
)

const (
	// Lines that are looked at for patterns. Of more, some of each step are, and
	// stand for the others.
	patternLines = 50_000
	patternSteps = 250 // of an answer; the step is made longer
	patternsTold = 300 // the most frequent ones
)

// patterns answers /loki/api/v1/patterns: what the lines of a selector have in
// common, by level. They are mined from the lines when asked, unlike Loki's, which
// knows them of the last hours only.
func (s *Server) patterns(w http.ResponseWriter, r *request) error {
	matchers, start, end, err := s.selected(w, r)
	if err != nil {
		return err
	}
	step, err := loki.ParseQueryStep(r.Form, end-start)
	if err != nil {
		return err
	}
	// Whole seconds, as answers have them.
	step = max(step, (end-start)/patternSteps)
	step = (step + int64(time.Second) - 1) / int64(time.Second) * int64(time.Second)
	m := mining{
		source: s.source(r), step: step, miners: map[string]*patterns.Miner{},
		selection: logs.Selection{Matchers: matchers, Start: start, End: end, Direction: logs.Backward},
	}
	if err := s.bounded(r, m.run); err != nil {
		return err
	}
	return reply(w, r, loki.AppendPatterns(nil, m.answer()))
}

// mining finds the patterns of a selection.
type mining struct {
	source    source
	selection logs.Selection
	step      int64

	miners map[string]*patterns.Miner // by level
	there  map[stepLevel]uint64       // lines there are
	looked map[stepLevel]uint64       // lines that were looked at
}

type stepLevel struct {
	step  int64 // its begin
	level string
}

func (m *mining) run(ctx context.Context) error {
	m.there, m.looked = map[stepLevel]uint64{}, map[stepLevel]uint64{}
	q := logs.BucketQuery{Selection: m.selection, Origin: -1, Width: m.step, By: []string{detect.LevelName}}
	var total uint64
	steps := map[int64]bool{}
	err := m.source.Buckets(ctx, q, func(b logs.Bucket) error {
		at := b.End + 1 - m.step
		m.there[stepLevel{at, b.Group.Get(detect.LevelName)}] += b.Lines
		total += b.Lines
		steps[at] = true
		return nil
	})
	switch {
	case err != nil:
		return err
	case total <= patternLines:
		return m.look(ctx, m.selection, patternLines)
	}
	for at := range steps {
		sel := m.selection
		sel.Start, sel.End = max(sel.Start, at), min(sel.End, at+m.step)
		if err := m.look(ctx, sel, patternLines/len(steps)); err != nil {
			return err
		}
	}
	return nil
}

var errLookedEnough = errors.New("enough lines for patterns")

func (m *mining) look(ctx context.Context, sel logs.Selection, limit int) error {
	sel.Limit = max(limit, 1)
	left := sel.Limit
	err := m.source.Select(ctx, sel, func(r *logs.Record) error {
		if left--; left < 0 {
			return errLookedEnough
		}
		level := r.Label(detect.LevelName)
		miner := m.miners[level]
		if miner == nil {
			// Levels are few, but a client may send any word.
			if len(m.miners) == maxMiners {
				return nil
			}
			miner = patterns.New()
			m.miners[level] = miner
		}
		at := floorTo(r.Time, m.step)
		miner.Add(r.Line, at)
		m.looked[stepLevel{at, level}]++
		return nil
	})
	if errors.Is(err, errLookedEnough) {
		return nil
	}
	return err
}

const maxMiners = 12

// answer counts each pattern as if all lines were like those looked at.
func (m *mining) answer() []loki.Pattern {
	type found struct {
		loki.Pattern
		total int64
	}
	var all []found
	for level, miner := range m.miners {
		for _, c := range miner.Clusters() {
			f := found{Pattern: loki.Pattern{Pattern: c.Pattern(), Level: cmp.Or(level, detect.Unknown)}}
			if f.Pattern.Pattern == "" || f.Pattern.Pattern == patterns.Any {
				continue // says nothing
			}
			for at, n := range c.Counts() {
				key := stepLevel{at, level}
				share := float64(n) * float64(max(m.there[key], m.looked[key])) / float64(m.looked[key])
				count := int64(share + 0.5)
				f.Samples = append(f.Samples, loki.PatternSample{Second: at / int64(time.Second), Count: count})
				f.total += count
			}
			slices.SortFunc(f.Samples, func(a, b loki.PatternSample) int { return cmp.Compare(a.Second, b.Second) })
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(a.Pattern.Pattern, b.Pattern.Pattern), cmp.Compare(a.Level, b.Level))
	})
	var out []loki.Pattern
	for _, f := range all[:min(len(all), patternsTold)] {
		out = append(out, f.Pattern)
	}
	return out
}

func floorTo(t, step int64) int64 {
	n := t / step
	if t%step < 0 {
		n--
	}
	return n * step
}
