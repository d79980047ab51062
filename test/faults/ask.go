package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/logs"
)

// The clock of the agent may be off by an hour: queries look far to both sides.
const (
	before = 20 * time.Hour
	behind = 4 * time.Hour
	window = "24h"
)

const selector = `{job="ray/logs"}`

// number asks for one value.
func (w *world) number(ctx context.Context, query string) (int, error) {
	r, err := w.ask.Query(ctx, query, time.Now().Add(behind))
	if err != nil || len(r.Series) == 0 {
		return 0, err
	}
	f, err := strconv.ParseFloat(r.Series[0].Points[0].V, 64)
	return int(f), err
}

// count asks how many marked lines there are.
func (w *world) count(ctx context.Context) (int, error) {
	return w.number(ctx, `sum(count_over_time(`+selector+` |= "`+mark+`" [`+window+`]))`)
}

// someStreams is of how many streams is asked at once: of 500 at most there is an answer.
const someStreams = 400

// countByStream asks the same for each of some streams.
func (w *world) countByStream(ctx context.Context, streams []*stream) (map[int]int, error) {
	counts := map[int]int{}
	for some := range slices.Chunk(streams, someStreams) {
		ids := make([]string, len(some))
		for i, s := range some {
			ids[i] = strconv.Itoa(s.id)
		}
		query := `sum by (s) (count_over_time(` + selector + ` |~ "` + mark + `(` + strings.Join(ids, "|") + `) "` +
			` | regexp "` + mark + `(?P<s>[0-9]+) " [` + window + `]))`
		r, err := w.ask.Query(ctx, query, time.Now().Add(behind))
		if err != nil {
			return nil, err
		}
		for _, s := range r.Series {
			v, _ := s.Metric.Lookup("s")
			id, err := strconv.Atoi(v)
			if err != nil {
				return nil, fmt.Errorf("series %v: %w", s.Metric, err)
			}
			n, err := strconv.ParseFloat(s.Points[0].V, 64)
			if err != nil {
				return nil, err
			}
			counts[id] = int(n)
		}
	}
	return counts, nil
}

// gapsByFile asks for the lines that stand for missing bytes, by session/filename. A
// Loki gets none: there the agent's log tells.
func (w *world) gapsByFile(ctx context.Context) (map[string][]string, error) {
	gaps := map[string][]string{}
	if w.target == "loki" {
		text, err := os.ReadFile(w.agent.log)
		for _, m := range gapLogged.FindAllSubmatch(text, -1) {
			file := string(m[1]) + "/" + string(m[2])
			gaps[file] = append(gaps[file], string(m[3]))
		}
		return gaps, err
	}
	err := w.pages(ctx, selector+` | gap != ""`, func(l *client.Line) {
		file := l.Label("session") + "/" + l.Label("filename")
		gaps[file] = append(gaps[file], l.Label("gap"))
	})
	return gaps, err
}

var gapLogged = regexp.MustCompile(`msg="bytes of a log file are lost" .*?session=(\S+) stream=(\S+) reason=(\S+)`)

// pageSize is Loki's and our most lines of one answer.
const pageSize = 5000

// pages gives each line of a query, oldest first. Lines of the last instant of a
// full page are left to the next page, so that none is met twice.
func (w *world) pages(ctx context.Context, query string, each func(*client.Line)) error {
	from, to := time.Now().Add(-before), time.Now().Add(behind)
	for {
		r, err := w.ask.QueryRange(ctx, client.RangeQuery{Query: query, Start: from, End: to, Limit: pageSize, Direction: logs.Forward})
		if err != nil {
			return err
		}
		page := r.Lines
		slices.SortStableFunc(page, inOrder)
		keep := len(page)
		if len(page) >= pageSize {
			last := page[len(page)-1].Time
			if last == page[0].Time {
				return fmt.Errorf("more than %d lines have the time %d", pageSize, last)
			}
			keep, _ = slices.BinarySearchFunc(page, last, func(l client.Line, t int64) int { return cmp.Compare(l.Time, t) })
			from = time.Unix(0, last)
		}
		for i := range page[:keep] {
			each(&page[i])
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

// inOrder compares lines by time; a gap has the time of the line behind it.
func inOrder(a, b client.Line) int {
	first := func(l client.Line) int {
		if l.Label("gap") != "" {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(first(a), first(b)))
}

// parseMark reads the stream's number and the line's from a stored line, and where
// the mark begins.
func parseMark(line string) (id, n, at int, ok bool) {
	at = strings.Index(line, mark)
	if at < 0 {
		return 0, 0, 0, false
	}
	fields := strings.SplitN(line[at+len(mark):], " ", 3)
	if len(fields) < 3 {
		return 0, 0, 0, false
	}
	id, err := strconv.Atoi(fields[0])
	if err != nil {
		return 0, 0, 0, false
	}
	n, err = strconv.Atoi(fields[1])
	return id, n, at, err == nil
}
