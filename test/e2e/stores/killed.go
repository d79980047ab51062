package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/klauspost/compress/snappy"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/test/loopback"
)

// killed ends programs with −9 while a file is pushed, each push until it is
// acknowledged, and then counts its lines: each must be there once.
func (k *kind) killed(ctx context.Context, o options, dir, address string, all []*program) error {
	addr, err := loopback.Address()
	if err != nil {
		return err
	}
	args := []string{filepath.Join(o.bin, "remora"), "server", "--data", filepath.Join(dir, "killed"), "--listen", addr, "--disk-floor", "64MiB"}
	if address != "" {
		args = append(args, "--store", address)
	}
	server, err := start(ctx, dir, "remora-killed", addr, "/ready", args...)
	if err != nil {
		return err
	}
	defer func() { server.stop() }()
	f := &pushedFile{url: "http://" + addr}
	if err := f.push(ctx, 60); err != nil {
		return err
	}
	server.kill()
	if server, err = server.again(ctx); err != nil {
		return err
	}
	if err := f.push(ctx, 60); err != nil {
		return err
	}
	for _, p := range all {
		p.kill()
		if err := p.restart(ctx); err != nil {
			return err
		}
		if err := f.push(ctx, 20); err != nil {
			return err
		}
	}
	return f.awaitOnce(ctx)
}

// pushedFile is a file on its way.
type pushedFile struct {
	url   string
	lines int
}

const linesPerPush = 50

// body is the push of the lines from n on; ten bytes each.
func (f *pushedFile) body(n int) []byte {
	s := loki.Stream{
		Labels: logs.LabelsOf("job", "killed"),
		Range:  &loki.FileRange{File: fileID(9), From: uint64(10 * n), To: uint64(10 * (n + linesPerPush)), Generation: []byte("generation")},
	}
	for i := n; i < n+linesPerPush; i++ {
		s.Entries = append(s.Entries, logs.Entry{
			Time: base + int64(i)*1e6, Line: fmt.Sprintf("line %d", i), Metadata: logs.LabelsOf("offset", strconv.Itoa(10*i)),
		})
	}
	return snappy.Encode(nil, loki.AppendPush(nil, &loki.Push{Streams: []loki.Stream{s}}))
}

// push sends so many bodies, every third twice.
func (f *pushedFile) push(ctx context.Context, bodies int) error {
	for i := range bodies {
		body := f.body(f.lines)
		times := 1
		if i%3 == 0 {
			times = 2
		}
		for range times {
			if err := f.post(ctx, body); err != nil {
				return err
			}
		}
		f.lines += linesPerPush
	}
	return nil
}

// post sends a body until it is acknowledged.
func (f *pushedFile) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		status, err := f.try(ctx, body)
		if err == nil && status/100 == 2 {
			return nil
		}
		if err == nil && status/100 == 4 {
			return fmt.Errorf("a push is answered %d", status)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("a push is not acknowledged: %d %w", status, errors.Join(err, ctx.Err()))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (f *pushedFile) try(ctx context.Context, body []byte) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/loki/api/v1/push", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	request.Header.Set("X-Scope-OrgID", "killed")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// awaitOnce waits until each line is there, and none twice.
func (f *pushedFile) awaitOnce(ctx context.Context) error {
	s := &served{url: f.url}
	var got, distinct string
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		var err error
		if got, err = s.number(ctx, `sum(count_over_time({job="killed"}[24h]))`); err != nil {
			return err
		}
		if distinct, err = s.number(ctx, `count(sum by (line) (count_over_time({job="killed"} | regexp "line (?P<line>[0-9]+)" | line < 400 [24h])))`); err != nil {
			return err
		}
		if got == strconv.Itoa(f.lines) && distinct == "400" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("of %d lines %s are there, of the first 400 %s", f.lines, got, distinct)
		}
	}
}

// number asks for one number at the moment after the file.
func (s *served) number(ctx context.Context, query string) (string, error) {
	status, body, err := s.ask(ctx, http.MethodGet, "/loki/api/v1/query", "killed", url.Values{"query": {query}, "time": {strconv.FormatInt(base+3600e9, 10)}})
	if err != nil || status != http.StatusOK {
		return "", errors.Join(err, fmt.Errorf("%s: %d %.300s", query, status, body))
	}
	v, err := valueOf(body)
	if err != nil {
		return "", err
	}
	return numberOf(v), nil
}
