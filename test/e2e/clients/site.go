package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// site is the server under test, and where clients may put their files.
type site struct {
	dir, url string
	told     string // what the step at hand has to say
}

// await asks until something is so.
func (s *site) await(ctx context.Context, within time.Duration, what string, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := so()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not come about within %s", what, within)
		case <-tick.C:
		}
	}
}

func (s *site) ready(ctx context.Context) bool {
	_, err := s.get(ctx, "", "/ready", nil)
	return err == nil
}

// get asks the server as a tenant.
func (s *site) get(ctx context.Context, tenant, path string, params url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path+"?"+params.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Scope-OrgID", tenant)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return body, err
}

// lines returns all lines of a query in the last day, page by page.
func (s *site) lines(ctx context.Context, tenant, query string) (lines []string, err error) {
	const page = 5000
	start, end := time.Now().Add(-24*time.Hour).UnixNano(), time.Now().Add(time.Hour).UnixNano()
	seen := map[string]int{} // lines of the page's last nanosecond
	for {
		body, err := s.get(ctx, tenant, "/loki/api/v1/query_range", url.Values{
			"query": {query}, "start": {fmt.Sprint(start)}, "end": {fmt.Sprint(end)}, "limit": {fmt.Sprint(page)}, "direction": {"forward"},
		})
		if err != nil {
			return nil, err
		}
		var answer struct {
			Data struct {
				Result []struct{ Values [][2]string }
			}
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return nil, err
		}
		count, last, next := 0, start, map[string]int{}
		for _, r := range answer.Data.Result {
			for _, v := range r.Values {
				count++
				var at int64
				if _, err := fmt.Sscan(v[0], &at); err != nil {
					return nil, err
				}
				if at > last {
					last, next = at, map[string]int{}
				}
				if at == last {
					next[v[1]]++
				}
				if at == start && seen[v[1]] > 0 {
					seen[v[1]]--
					continue
				}
				lines = append(lines, v[1])
			}
		}
		if count < page {
			return lines, nil
		}
		if last == start {
			return nil, fmt.Errorf("more than %d lines at one time", page)
		}
		start, seen = last, next
	}
}

// once checks that each line is there once and nothing else is.
func once(want, got []string) error {
	count := make(map[string]int, len(want))
	for _, l := range want {
		count[l]++
	}
	for _, l := range got {
		count[l]--
	}
	missing, extra := 0, 0
	for _, n := range count {
		missing += max(n, 0)
		extra -= min(n, 0)
	}
	if missing+extra > 0 {
		return fmt.Errorf("of %d lines %d are missing and %d are there without need", len(want), missing, extra)
	}
	return nil
}
