package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// stored is one line as the server answers it.
type stored struct {
	time   int64
	line   string
	labels map[string]string // stream labels and structured metadata
}

// get asks the server and reads the "data" of its answer.
func (r *run) get(ctx context.Context, path string, params url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+path+"?"+params.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %.300s", path, params.Get("query"), resp.Status, text)
	}
	return json.Unmarshal(text, &struct{ Data any }{into})
}

// count asks how many marked lines there are.
func (r *run) count(ctx context.Context) (int, error) {
	var data struct {
		Result []struct {
			Value [2]any `json:"value"`
		} `json:"result"`
	}
	err := r.get(ctx, "/loki/api/v1/query", url.Values{
		"query": {`sum(count_over_time({job="ray/logs", component=~"worker|job"} |~ "^@@ n="[24h]))`},
		"time":  {strconv.FormatInt(time.Now().Add(time.Minute).UnixNano(), 10)},
	}, &data)
	if err != nil || len(data.Result) == 0 {
		return 0, err
	}
	return strconv.Atoi(fmt.Sprint(data.Result[0].Value[1]))
}

// pageSize is Loki's and our most lines of one answer.
const pageSize = 5000

// everything reads all lines, page by page, oldest first. Lines of the last
// instant of a full page are left to the next page, so that none is read twice.
func (r *run) everything(ctx context.Context) ([]stored, error) {
	from, to := time.Now().Add(-24*time.Hour).UnixNano(), time.Now().Add(time.Hour).UnixNano()
	var all []stored
	for {
		page, err := r.page(ctx, from, to)
		if err != nil {
			return nil, err
		}
		if len(page) < pageSize {
			return append(all, page...), nil
		}
		last := page[len(page)-1].time
		if last == page[0].time {
			return nil, fmt.Errorf("more than %d lines have the time %d", pageSize, last)
		}
		keep, _ := slices.BinarySearchFunc(page, last, func(s stored, t int64) int { return cmp.Compare(s.time, t) })
		all, from = append(all, page[:keep]...), last
	}
}

func (r *run) page(ctx context.Context, from, to int64) ([]stored, error) {
	var data struct {
		Result []struct {
			Stream map[string]string `json:"stream"`
			Values [][2]string       `json:"values"`
		} `json:"result"`
	}
	err := r.get(ctx, "/loki/api/v1/query_range", url.Values{
		"query": {`{job="ray/logs"}`}, "direction": {"forward"}, "limit": {strconv.Itoa(pageSize)},
		"start": {strconv.FormatInt(from, 10)}, "end": {strconv.FormatInt(to, 10)},
	}, &data)
	if err != nil {
		return nil, err
	}
	var page []stored
	for _, s := range data.Result {
		for _, v := range s.Values {
			t, err := strconv.ParseInt(v[0], 10, 64)
			if err != nil {
				return nil, err
			}
			page = append(page, stored{time: t, line: v[1], labels: s.Stream})
		}
	}
	slices.SortStableFunc(page, func(a, b stored) int { return cmp.Compare(a.time, b.time) })
	return page, nil
}
