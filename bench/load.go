package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/remora-ray/remora/bench/gen"
)

const (
	clients  = 10
	eachAsks = 5
)

// crowd is what a question took one client, and each of several at once.
type crowd struct {
	name        string
	alone, many time.Duration // 99 % of answers
}

// crowds asks ours some questions, one client at a time and then ten at once.
func (b *lokiBench) crowds(ctx context.Context) error {
	for _, q := range b.shapes() {
		switch q.name {
		case shapeWord, shapeSubstring, shapeHistogram, shapeLast:
		default:
			continue
		}
		alone, err := b.ours.times(ctx, q, 1, clients*eachAsks/2)
		if err != nil {
			return err
		}
		many, err := b.ours.times(ctx, q, clients, eachAsks)
		if err != nil {
			return err
		}
		c := crowd{q.name, centile(alone), centile(many)}
		b.crowded = append(b.crowded, c)
		b.say("%s: %s alone, %s with %d clients at once", q.name, millis(c.alone), millis(c.many), clients)
	}
	return nil
}

// times asks a question n times by each of some clients.
func (s *side) times(ctx context.Context, q shape, clients, n int) (all []time.Duration, err error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for range n {
				_, c, e := s.ask(ctx, q)
				mu.Lock()
				all, err = append(all, c.wall), errors.Join(err, e)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return all, err
}

// centile is what 99 of 100 take at most.
func centile(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[(len(all)*99-1)/100]
}

// worst are questions that take as much as they can.
var worst = []string{
	`sum by (offset) (count_over_time({job="ray/logs"}[1m]))`,
	`sum by (offset, filename) (rate({job="ray/logs"}[1s]))`,
	`count_over_time({job="ray/logs"} | json | __error__="" [1m])`,
	`quantile_over_time(0.5, {job="ray/logs"} | logfmt | unwrap step [6h])`,
	`quantile_over_time(0.5, {job="ray/logs"} | unwrap offset [6h]) by (component)`,
	`{job="ray/logs"} | json | logfmt | line_format "{{.message}}{{__line__}}{{__line__}}"`,
	`{job="ray/logs"} |~ ".*a.*b.*c.*d$" != "e"`,
	`topk(10, sum by (worker_id, offset) (bytes_over_time({job="ray/logs"}[5m])))`,
	`sum by (text) (count_over_time({job="ray/logs"} | pattern "<text>" [5m]))`,
	`count(count_over_time({job="ray/logs"} | regexp "(?P<a>[a-z]+).*(?P<b>[0-9]+)" [5m]))`,
}

// abandon asks the worst questions, goes away after a moment, and notes after
// what time the server works at none of them.
func (b *lokiBench) abandon(ctx context.Context) error {
	for _, query := range worst {
		for _, stay := range []time.Duration{100 * time.Millisecond, time.Second} {
			ending, cancel := context.WithTimeout(ctx, stay)
			_, _, err := b.ours.ask(ending, b.question(query))
			cancel()
			if err == nil || !errors.Is(err, context.DeadlineExceeded) {
				continue // it was quick
			}
			begin := time.Now()
			for {
				n, err := b.ours.running(ctx)
				if err != nil {
					return err
				}
				if n == 0 {
					break
				}
			}
			b.abandoned = append(b.abandoned, time.Since(begin))
		}
	}
	return nil
}

func (b *lokiBench) question(query string) shape {
	return shape{name: query, path: "/loki/api/v1/query_range", params: b.over("query", query, "limit", "5000", "step", "60")}
}

// running is at how many queries the server works.
func (s *side) running(ctx context.Context) (int, error) {
	text, err := get(ctx, s.url+"/metrics")
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(text, "\nremora_server_queries_running ")
	if !found {
		return 0, errors.New("the server's metrics do not tell how many queries run")
	}
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseFloat(line, 64)
	return int(n), err
}

func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return string(text), err
}

// stampede asks a hundred of the worst questions at once. Answers may be errors;
// the server must be there after them.
func (b *lokiBench) stampede(ctx context.Context) error {
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() { _, _, _ = b.ours.ask(ctx, b.question(worst[i%len(worst)])) })
	}
	group.Wait()
	if _, err := get(ctx, b.ours.url+"/ready"); err != nil {
		return fmt.Errorf("after a hundred of the worst questions: %w", err)
	}
	b.trampled = b.ours.peakRSS()
	b.say("a hundred of the worst questions at once: %.0f MiB at most", mib(b.trampled))
	return nil
}

// growth is what a question took of so much, and of more.
type growth struct {
	name          string
	before, after cost
	goal          float64
}

// grow adds older logs of other processes, of the same size each, and asks again.
func (b *lokiBench) grow(ctx context.Context) error {
	questions := func(begin time.Time) []shape {
		all := func(params ...string) map[string][]string {
			v := b.over(params...)
			v.Set("start", nanos(begin.Add(-time.Minute)))
			return v
		}
		lastHour := b.over("query", everyLine+fmt.Sprintf(" |= %q", b.manifest.Needles.Word), "limit", "1000")
		lastHour.Set("start", nanos(b.begin.Add(gen.Span-time.Hour)))
		const path = "/loki/api/v1/query_range"
		return []shape{
			{name: "needle in the last hour", path: path, params: lastHour, goal: 1},
			{name: "needle, a bare substring", path: path, params: all("query", everyLine+fmt.Sprintf(" |= %q", b.manifest.Needles.Substring), "limit", "1000"), goal: 12},
			{name: "count with a filter", path: path, params: all("query", `sum by (component) (count_over_time(`+everyLine+` |= "TimeoutError" [1h]))`, "step", "3600"), goal: 12},
			{name: "histogram by level", path: path, params: all("query", `sum by (detected_level) (count_over_time(`+everyLine+`[1h]))`, "step", "3600"), goal: 12},
			{name: "json and a label filter, counted", path: path, params: all("query", `sum by (levelname) (count_over_time({component="worker"} | json | __error__="" | levelname="ERROR" [1h]))`, "step", "3600"), goal: 12},
			{name: "series", path: "/loki/api/v1/series", params: all("match[]", everyLine), goal: 12},
		}
	}
	before, err := b.timed(ctx, questions(b.begin))
	if err != nil {
		return err
	}
	begin := b.begin
	for i := 1; i < b.factor; i++ {
		begin = begin.Add(-gen.Span - time.Hour)
		if err := b.addOlder(ctx, begin, b.seed+uint64(i)); err != nil {
			return err
		}
	}
	b.rest(ctx, b.ours.child)
	asked := questions(begin)
	after, err := b.timed(ctx, asked)
	if err != nil {
		return err
	}
	for i, q := range asked {
		b.grown = append(b.grown, growth{q.name, before[i], after[i], q.goal})
		b.say("%s: %s, of %d times as much %s", q.name, millis(before[i].wall), b.factor, millis(after[i].wall))
	}
	return nil
}

// timed asks each question of ours some times.
func (b *lokiBench) timed(ctx context.Context, asked []shape) (all []cost, err error) {
	for _, q := range asked {
		var costs []cost
		for range b.rounds {
			_, c, err := b.ours.ask(ctx, q)
			if err != nil {
				return nil, err
			}
			costs = append(costs, c)
		}
		all = append(all, typical(costs))
	}
	return all, nil
}
