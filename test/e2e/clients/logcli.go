package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// logcli asks each of its sub-commands about what promtail has pushed.
func logcli(ctx context.Context, s *site, path string) error {
	const sel = `{job="e2e"}`
	last := fmt.Sprintf("plain line %d of file %d", shippedLines-5, shippedFiles-1)
	total := fmt.Sprint(shippedFiles * shippedLines)
	parts := filepath.Join(s.dir, "part")
	type question struct {
		args []string
		want []string
	}
	questions := []question{
		{[]string{"labels"}, []string{"filename", "job", "service_name"}},
		{[]string{"labels", "job"}, []string{"e2e"}},
		{[]string{"series", `{job=~".+"}`}, []string{`job="e2e"`, `filename=`}},
		{[]string{"series", "--analyze-labels", "{}"}, []string{"Total Streams:  8", "Unique Labels:  3"}},
		{[]string{"query", sel + ` |= "` + last + `"`}, []string{last}},
		{[]string{"query", "--output=jsonl", "--limit=1", sel}, []string{`"line":`, `"timestamp":`}},
		{[]string{"query", "--output=raw", "--forward", "--limit=3", sel + ` |= "日本語"`}, []string{"日本語のログ"}},
		{[]string{"query", "--stats", "--limit=1", sel}, []string{"Summary.TotalLinesProcessed", "Summary.ExecTime"}},
		{[]string{"query", "--limit=20000", "--batch=1000", "--quiet", "--output=raw", sel}, []string{last}},
		{[]string{
			"query", "--parallel-duration=5m", "--parallel-max-workers=2", "--part-path-prefix=" + parts, "--merge-parts",
			"--since=15m", "--limit=0", "--output=raw", sel + ` |= "plain"`,
		}, []string{last}},
		{[]string{"query", "--step=60s", "--since=10m", `sum(count_over_time(` + sel + `[1h]))`}, []string{`"values"`, total}},
		{[]string{"instant-query", `sum(count_over_time(` + sel + `[1h]))`}, []string{total}},
		{[]string{"instant-query", `sum by (detected_level) (count_over_time(` + sel + `[1h]))`}, []string{`"error"`, `"warn"`, `"unknown"`}},
		{[]string{"stats", sel}, []string{"entries: " + total, "streams: 8"}},
		{[]string{"volume", `{job=~".+"}`}, []string{`"job": "e2e"`}},
		{[]string{"volume_range", "--step=1h", `{job=~".+"}`}, []string{`"job": "e2e"`}},
		{[]string{"detected-fields", sel}, []string{"label: n", "type: int"}},
		{[]string{"detected-fields", sel, "level"}, []string{"error", "warn"}},
		{[]string{"delete", "create", sel + ` |= "日本語"`}, []string{"Delete request created successfully"}},
		{[]string{"delete", "list"}, []string{"Found 1 delete requests", "日本語"}},
		{[]string{"query", "--quiet", `sum(count_over_time(` + sel + ` |= "日本語" [1h]))`}, []string{"[]"}},
	}
	var errs []error
	for _, q := range questions {
		out, err := runLogcli(ctx, s, path, q.args...)
		if err != nil {
			errs = append(errs, fmt.Errorf("logcli %s: %w: %s", strings.Join(q.args, " "), err, tail(out)))
			continue
		}
		for _, w := range q.want {
			if !strings.Contains(out, w) {
				errs = append(errs, fmt.Errorf("logcli %s: %q is not in %s", strings.Join(q.args, " "), w, tail(out)))
			}
		}
	}
	if out, err := runLogcli(ctx, s, path, "delete", "cancel", "--request-id=none"); err == nil || !strings.Contains(out, "could not find delete request") {
		errs = append(errs, fmt.Errorf("logcli delete cancel: %w: %s", err, tail(out)))
	}
	if out, err := runLogcli(ctx, s, path, "query", "{"); err == nil || !strings.Contains(out, "parse error at line 1, col 2: syntax error: unexpected $end") {
		errs = append(errs, fmt.Errorf("logcli query of nonsense: %w: %s", err, tail(out)))
	}
	errs = append(errs, follow(ctx, s, path))
	s.told = fmt.Sprintf("%d questions and a tail", len(questions)+2)
	return errors.Join(errs...)
}

func command(ctx context.Context, s *site, path string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, path, args...)
	c.Env = append(os.Environ(), "LOKI_ADDR="+s.url, "LOKI_ORG_ID=promtail")
	return c
}

func runLogcli(ctx context.Context, s *site, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := command(ctx, s, path, args...).CombinedOutput()
	return string(out), err
}

// follow tails while a line is pushed.
func follow(ctx context.Context, s *site, path string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := command(ctx, s, path, "query", "--tail", "--output=raw", "--quiet", `{app="followed"}`)
	file, err := os.Create(filepath.Join(s.dir, "tail.log"))
	if err != nil {
		return err
	}
	defer file.Close()
	c.Stdout, c.Stderr = file, file
	if err := c.Start(); err != nil {
		return err
	}
	defer func() {
		cancel()
		_ = c.Wait() // it is killed
	}()
	n := 0
	return s.await(ctx, 30*time.Second, "a tailed line", func() (bool, error) {
		n++
		at := time.Now().UnixNano()
		body, err := json.Marshal(map[string]any{"streams": []any{map[string]any{
			"stream": map[string]string{"app": "followed"}, "values": [][2]string{{fmt.Sprint(at), fmt.Sprintf("followed line %d", n)}},
		}}})
		if err != nil {
			return false, err
		}
		err = s.send(ctx, &recordedPush{
			Method: "POST", Path: "/loki/api/v1/push", Body: body,
			Headers: map[string]string{"Content-Type": "application/json", "X-Scope-OrgID": "promtail"},
		})
		if err != nil {
			return false, err
		}
		text, err := os.ReadFile(file.Name())
		return strings.Contains(string(text), "followed line 2"), err
	})
}

func tail(out string) string { return out[max(0, len(out)-600):] }
