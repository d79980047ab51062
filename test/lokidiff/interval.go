package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// byTheHour is what a Loki makes of an interval: of each hour and tenant it takes as
// many lines as the whole answer may have, and of all those one for each interval. It
// asks Remora for the lines without an interval, and is nil where it cannot tell.
func (p *pair) byTheHour(ctx context.Context, q *question) *answer {
	interval := intervalOf(q.params.Get("interval"))
	limit, err := strconv.Atoi(q.params.Get("limit"))
	if interval <= 0 || err != nil {
		return nil
	}
	all := *q
	all.params = url.Values(maps.Clone(q.params))
	all.params.Del("interval")
	all.params.Set("limit", "5000")
	a := p.ask(ctx, p.remora, &all)
	v, ok := decode(a.body)
	if !ok || a.status != 200 {
		return a
	}
	keepLines(v, perHour(timesOf(v, q.params.Get("direction") == "forward"), limit, int64(interval)))
	body, _ := json.Marshal(v)
	return &answer{status: a.status, contentType: a.contentType, body: string(body)}
}

func intervalOf(text string) time.Duration {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return time.Duration(seconds * float64(time.Second))
	}
	d, _ := syntax.ParsePromDuration(text)
	return d
}

// place is where a line stands in an answer.
type place struct {
	at           int64
	tenant       string
	stream, line int
}

// timesOf lists the lines of an answer by time.
func timesOf(v any, forward bool) (list []place) {
	streams, _ := at(v, "data", "result").([]any)
	for i, s := range streams {
		values, _ := at(s, "values").([]any)
		tenant, _ := at(s, "stream", "__tenant_id__").(string)
		for j, line := range values {
			l, _ := line.([]any)
			t, _ := l[0].(string)
			n, _ := strconv.ParseInt(t, 10, 64)
			list = append(list, place{n, tenant, i, j})
		}
	}
	slices.SortStableFunc(list, func(a, b place) int {
		if a.at == b.at {
			return 0
		}
		if a.at < b.at == forward {
			return -1
		}
		return 1
	})
	return list
}

func perHour(lines []place, limit int, interval int64) map[place]bool {
	kept := map[place]bool{}
	for len(lines) > 0 && len(kept) < limit {
		hour := lines[0].at / int64(time.Hour)
		n := slices.IndexFunc(lines, func(l place) bool { return l.at/int64(time.Hour) != hour })
		if n < 0 {
			n = len(lines)
		}
		read, last := map[string]int{}, int64(-1)
		for _, l := range lines[:n] {
			if read[l.tenant]++; read[l.tenant] > limit || len(kept) == limit {
				continue
			}
			if since := max(l.at-last, last-l.at); last < 0 || since >= interval {
				kept[l], last = true, l.at
			}
		}
		lines = lines[n:]
	}
	return kept
}

// keepLines removes the other lines from an answer, and streams without any.
func keepLines(v any, kept map[place]bool) {
	places := map[[2]int]bool{}
	for l := range kept {
		places[[2]int{l.stream, l.line}] = true
	}
	streams, _ := at(v, "data", "result").([]any)
	out := []any{}
	for i, s := range streams {
		values, _ := at(s, "values").([]any)
		var some []any
		for j, line := range values {
			if places[[2]int{i, j}] {
				some = append(some, line)
			}
		}
		if stream, ok := s.(map[string]any); ok && len(some) > 0 {
			stream["values"] = some
			out = append(out, stream)
		}
	}
	if data, ok := at(v, "data").(map[string]any); ok {
		data["result"] = out
	}
}
