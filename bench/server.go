package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/remora-ray/remora/bench/gen"
)

// serverAndQueries ships everything into a server, lets it come to rest, asks it,
// ends it, and looks at its disk.
func (b *bench) serverAndQueries(ctx context.Context) error {
	b.say("server")
	data := b.path("data")
	c, url, err := b.server(ctx, data)
	if err != nil {
		return err
	}
	defer c.kill()
	begun, before := time.Now(), c.cpu()
	if b.fig.serverAgent, err = b.agent(ctx, url); err != nil {
		return err
	}
	b.fig.server = run{cpu: c.cpu() - before, wall: time.Since(begun)}
	b.rest(ctx, c)
	b.fig.settled = c.cpu() - before
	b.fig.server.peak = c.peakRSS()
	if err := b.ask(ctx, url); err != nil {
		return err
	}
	ending, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := c.stop(ending); err != nil {
		return err
	}
	if b.fig.disk, err = diskUse(data); err != nil {
		return err
	}
	if b.fig.journal, err = diskUse(filepath.Join(data, "store", "journal")); err != nil {
		return err
	}
	return os.RemoveAll(data)
}

// rest waits until a program spends less than a fiftieth of a core.
func (b *bench) rest(ctx context.Context, c *child) {
	for range 60 {
		before := c.cpu()
		select {
		case <-ctx.Done():
			return
		case <-c.ended:
			return
		case <-time.After(time.Second):
		}
		if c.cpu()-before <= 20*time.Millisecond {
			return
		}
	}
}

// question is a query and how to see that its answer is right.
type question struct {
	name, query string
	path        string
	params      url.Values
	want        int64
	goal        string
}

// timing is how long its answers took.
type timing struct {
	question
	times []time.Duration // sorted
}

const asked = 5

// answer is what the queries answer, as far as it is looked at.
type answer struct {
	Data struct {
		Type   string `json:"resultType"`
		Result []struct {
			Values []([2]any) `json:"values"`
			Value  [2]any     `json:"value"`
			Stream map[string]string
			Metric map[string]string
		} `json:"result"`
	} `json:"data"`
}

func (b *bench) questions() []question {
	end := gen.Begin.Add(gen.Span + time.Hour)
	n := b.manifest.Needles
	lines := func(name, query string, want int64, goal string) question {
		return question{name, query, "/loki/api/v1/query_range", url.Values{
			"query": {query}, "limit": {"1000"}, "start": {nanos(gen.Begin.Add(-time.Hour))}, "end": {nanos(end)},
		}, want, goal}
	}
	count := `sum by (component) (count_over_time({job="ray/logs"}[8h]))`
	step := gen.Span / 100
	histogram := fmt.Sprintf(`sum by (detected_level) (count_over_time({job="ray/logs"}[%ds]))`, int(step.Seconds()))
	return []question{
		lines("needle, an inner whole word", fmt.Sprintf("{job=\"ray/logs\"} |= %q", n.Word), n.WordLines, "60 ms in 1 GiB"),
		lines("needle, a metadata value", fmt.Sprintf("{component=\"worker\"} | worker_id=%q", n.WorkerID), n.WorkerLines, "60 ms in 1 GiB"),
		lines("needle, a bare substring", fmt.Sprintf("{job=\"ray/logs\"} |= %q", n.Substring), n.SubstringLines, "1 GiB/s"),
		{"count by component", count, "/loki/api/v1/query", url.Values{"query": {count}, "time": {nanos(end)}}, b.manifest.Lines, ""},
		{"histogram of 100 buckets by level", histogram, "/loki/api/v1/query_range", url.Values{
			"query": {histogram}, "step": {strconv.Itoa(int(step.Seconds()))},
			"start": {nanos(gen.Begin)}, "end": {nanos(gen.Begin.Add(gen.Span + step))},
		}, b.manifest.Lines, ""},
	}
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// ask times each question, and checks what is answered.
func (b *bench) ask(ctx context.Context, server string) error {
	for _, q := range b.questions() {
		t := timing{question: q}
		for range asked {
			var a answer
			begin := time.Now()
			if err := getJSON(ctx, server+q.path+"?"+q.params.Encode(), &a); err != nil {
				return fmt.Errorf("%s: %w", q.query, err)
			}
			t.times = append(t.times, time.Since(begin))
			if got := a.total(); q.want > 0 && got != q.want {
				return fmt.Errorf("%s: answers %d, there are %d", q.query, got, q.want)
			}
			if err := b.components(&a, q); err != nil {
				return err
			}
		}
		slices.Sort(t.times)
		b.say("%s: %v", q.name, t.times[asked/2].Round(10*time.Microsecond))
		b.fig.queries = append(b.fig.queries, t)
	}
	return nil
}

// total counts the lines of an answer, or adds up its numbers.
func (a *answer) total() (n int64) {
	for _, r := range a.Data.Result {
		switch a.Data.Type {
		case "streams":
			n += int64(len(r.Values))
		case "vector":
			n += number(r.Value[1])
		default:
			for _, v := range r.Values {
				n += number(v[1])
			}
		}
	}
	return n
}

func number(v any) int64 {
	f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil {
		return -1
	}
	return int64(f)
}

// components checks the count of each component.
func (b *bench) components(a *answer, q question) error {
	if a.Data.Type != "vector" {
		return nil
	}
	got := map[string]int64{}
	for _, r := range a.Data.Result {
		got[r.Metric["component"]] = number(r.Value[1])
	}
	if !maps.Equal(got, b.manifest.Components) {
		return fmt.Errorf("%s: answers %v, there are %v", q.query, got, b.manifest.Components)
	}
	return nil
}
