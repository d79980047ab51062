package exec_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/logqltest"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

var app = logs.LabelsOf("app", "a")

// endless yields lines for ever, or until somebody stops it.
type endless struct {
	seen int
	each func(n int)
	sel  logs.Selection
}

func (s *endless) Select(_ context.Context, sel logs.Selection, yield func(*logs.Record) error) error {
	s.sel = sel
	for {
		s.seen++
		if s.each != nil {
			s.each(s.seen)
		}
		r := logs.Record{Stream: app, Entry: logs.Entry{Time: sel.Start + int64(s.seen), Line: fmt.Sprintf("n=%d", s.seen)}}
		if err := yield(&r); err != nil {
			return err
		}
	}
}

func (s *endless) Buckets(context.Context, logs.BucketQuery, func(logs.Bucket) error) error {
	return errors.New("not asked for")
}

func TestLogQueryStopsAtItsLimit(t *testing.T) {
	src := &endless{}
	res, err := exec.New(plan.Limits{}).Run(context.Background(), src, exec.Params{Query: `{app="a"} | logfmt | n > 10`, End: 1e9, Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(res.Value.(exec.Lines)); n != 5 || src.seen != 15 {
		t.Errorf("got %d lines of %d read, want 5 of 15", n, src.seen)
	}
	if res.Stats.Lines != 15 {
		t.Errorf("stats count %d lines", res.Stats.Lines)
	}
}

func TestLimitIsPushedOnlyWithoutStages(t *testing.T) {
	for query, want := range map[string]int{
		`{app="a"} |= "n"`:           7,
		`{app="a"} | x=""`:           7,
		`{app="a"} | logfmt | n > 3`: 0,
	} {
		src := &endless{}
		_, err := exec.New(plan.Limits{}).Run(context.Background(), src, exec.Params{Query: query, End: 1e9, Limit: 7})
		if err != nil || src.sel.Limit != want {
			t.Errorf("%s: limit %d asked (%v), want %d", query, src.sel.Limit, err, want)
		}
	}
}

func TestCancelledQueryEnds(t *testing.T) {
	for _, query := range []string{`{app="a"} |= "none" | x > 5`, `count_over_time({app="a"}[1h])`, `max_over_time({app="a"} | logfmt | unwrap n [1s])`} {
		ctx, cancel := context.WithCancel(context.Background())
		src := &endless{each: func(n int) {
			if n == 1000 {
				cancel()
			}
		}}
		_, err := exec.New(plan.Limits{}).Run(ctx, src, exec.Params{Query: query, End: 3600e9, Step: 60e9})
		if !errors.Is(err, context.Canceled) || src.seen > 1001 {
			t.Errorf("%s: %v after %d lines", query, err, src.seen)
		}
	}
}

// TestMemoryIsBounded asks for what would need more memory than there is: the
// source never ends.
func TestMemoryIsBounded(t *testing.T) {
	for _, query := range []string{
		`max(count_over_time({app="a"} | logfmt [1h]))`,
		`quantile_over_time(0.5, {app="a"} | logfmt | unwrap n [1h]) by (app)`,
		"sum(max_over_time({app=\"a\"} | logfmt | label_format m=`{{.n}}` | unwrap n [1h]) by (m))",
	} {
		_, err := exec.New(plan.Limits{MaxCells: 1 << 20, MaxSamples: 1 << 18}).Run(context.Background(), &endless{},
			exec.Params{Query: query, Start: 1e9, End: 3600e9, Step: 60e9})
		var limit *exec.LimitError
		if !errors.As(err, &limit) || !strings.Contains(limit.Msg, "memory") {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestErrorsHaveTypes(t *testing.T) {
	engine := exec.New(plan.Limits{})
	run := func(query string, limit int) error {
		_, err := engine.Run(context.Background(), logqltest.Memory(nil), exec.Params{Query: query, End: 10e9, Step: 1e9, Limit: limit})
		return err
	}
	var syntaxErr *syntax.Error
	if err := run(`{`, 0); !errors.As(err, &syntaxErr) || syntaxErr.Col != 2 {
		t.Errorf("syntax: %v", err)
	}
	if err := run(strings.Repeat("x", syntax.MaxQueryBytes+1), 0); !errors.As(err, &syntaxErr) || !strings.Contains(err.Error(), "too long") {
		t.Errorf("length: %v", err)
	}
	if err := run(`{app="a"} | line_format "{{"`, 0); !errors.As(err, &syntaxErr) || syntaxErr.Col != 0 {
		t.Errorf("stage: %v", err)
	}
	var limitErr *exec.LimitError
	if err := run(`{app="a"}`, 5001); !errors.As(err, &limitErr) {
		t.Errorf("limit: %v", err)
	}
}

// TestExtremeTimes runs queries at the ends of what a time can be.
func TestExtremeTimes(t *testing.T) {
	const least, most = -1 << 63, 1<<63 - 1
	for _, p := range []exec.Params{
		{Start: least, End: least},
		{Start: most, End: most},
		{Start: most - 1e9, End: most, Step: 1e9},
		{Start: least, End: least + 1e9, Step: 1e9},
		{Start: least, End: most, Step: 1e18},
	} {
		for _, query := range []string{`sum(count_over_time({app="a"}[1y] offset 1y))`, `count_over_time({app="a"}[1y] offset -1y)`, `{app="a"}`} {
			p.Query = query
			// Any answer or error will do, but no panic and no endless loop.
			_, _ = exec.New(plan.Limits{}).Run(context.Background(), logqltest.Memory{{Stream: app}}, p)
		}
	}
}

func TestPrepared(t *testing.T) {
	engine := exec.New(plan.Limits{})
	p, err := engine.Prepare(`{app="a"} |= "n=" | logfmt | n > 1`)
	if err != nil {
		t.Fatal(err)
	}
	if sel := p.Selection(); len(sel.Matchers) != 1 || len(sel.Lines) != 1 {
		t.Errorf("selection %+v", sel)
	}
	if _, ok := p.Process(&logs.Record{Stream: app, Entry: logs.Entry{Line: "n=1"}}); ok {
		t.Error("n=1 passes")
	}
	l, ok := p.Process(&logs.Record{Stream: app, Entry: logs.Entry{Line: "n=2"}})
	if !ok || l.Parsed.Get("n") != "2" {
		t.Errorf("n=2: %+v, %v", l, ok)
	}
	if _, err := engine.Prepare(`rate({app="a"}[1m])`); err == nil {
		t.Error("a metric query can be tailed")
	}
}
