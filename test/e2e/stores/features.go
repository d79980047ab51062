package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// feature is something beside the language that a store does or does not.
type feature struct {
	name string
	try  func(ctx context.Context, s *served) error
	no   map[string]string // why some kinds do not
}

// afterKills is tried last, with a server of its own.
var afterKills = feature{name: "lines once, all programs killed"}

const featureTenant = "features"

var features = []feature{
	{"a file's lines, sent twice, once", repeatedFile, nil},
	{"a foreign body, sent twice, once", repeatedBody, nil},
	{"where a file goes on is answered", offsets, nil},
	{"labels, values, series", labelLists, nil},
	{"index/stats and volume", volumes, map[string]string{
		"loki": "it counts what is in its index, where lines come when their chunk is written",
	}},
	{"detected_fields, patterns", fields, nil},
	{"two tenants asked at once", twoTenants, nil},
	{"any bytes in a line", anyBytes, map[string]string{
		"loki": "its API answers JSON, in which bytes that are no UTF-8 are U+FFFD",
	}},
	{"lines are deleted on request", deletes, nil},
	{"a snapshot, for backups", snapshot, map[string]string{
		"victorialogs":         "the lines are there: back it up with its own means (partition snapshots)",
		"victorialogs cluster": "the lines are there: back it up with its own means (partition snapshots of each node)",
		"loki":                 "the lines are there: back up its object store",
	}},
}

// tryFeatures tries all, then all lines again with a server opened anew.
func (r *result) tryFeatures(ctx context.Context, s *served, dir, address string) (*served, error) {
	for _, f := range features {
		err := f.try(ctx, s)
		why, cannot := f.no[r.kind.name]
		switch {
		case err == nil && cannot:
			r.failures = append(r.failures, fmt.Errorf("%s: %s: it does, and features.go says that it does not", r.kind.name, f.name))
		case err == nil:
			r.features[f.name] = "yes"
		case cannot:
			r.features[f.name] = "no: " + why
		default:
			r.features[f.name] = "FAILED"
			r.failures = append(r.failures, fmt.Errorf("%s: %s: %w", r.kind.name, f.name, err))
		}
	}
	if err := s.close(); err != nil {
		return s, err
	}
	s, err := open(filepath.Join(dir, "remora"), address)
	if err != nil {
		return s, err
	}
	if err := errors.Join(repeatedFile(ctx, s), repeatedBody(ctx, s), offsets(ctx, s)); err != nil {
		r.failures = append(r.failures, fmt.Errorf("%s: after the server was started again: %w", r.kind.name, err))
	}
	return s, nil
}

func fileID(n byte) loki.FileID { return loki.FileID{15: n} }

// filePush is a push of three lines of a file, ten bytes each.
func filePush(n byte) *loki.Push {
	stream := loki.Stream{
		Labels: logs.LabelsOf("job", "file", "n", strconv.Itoa(int(n))),
		Range: &loki.FileRange{
			File: fileID(n), To: 30, Generation: []byte("generation"),
			Metadata: logs.LabelsOf("filename", "worker.out", "session", "s1"),
		},
	}
	for i := range 3 {
		stream.Entries = append(stream.Entries, logs.Entry{
			Time: base + int64(i), Line: fmt.Sprintf("line %d of the file", i), Metadata: logs.LabelsOf("offset", strconv.Itoa(10*i)),
		})
	}
	return &loki.Push{Streams: []loki.Stream{stream}}
}

func bodyPush() *loki.Push {
	return &loki.Push{Streams: []loki.Stream{{Labels: logs.LabelsOf("job", "body"), Entries: []logs.Entry{
		{Time: base, Line: "twice"}, {Time: base + 1, Line: `{"level":"info","n":1}`}, {Time: base + 2, Line: `{"level":"warn","n":2}`},
	}}}}
}

func (s *served) push(ctx context.Context, tenant string, p *loki.Push) error {
	_, err := s.engine.Append(ctx, store.Batch{Tenant: tenant, Received: time.Now(), Push: p})
	return err
}

// lines asks for lines, in order of time.
func (s *served) lines(ctx context.Context, tenant, query string) ([]string, error) {
	form := url.Values{"query": {query}, "start": {strconv.FormatInt(base-1e9, 10)}, "end": {strconv.FormatInt(base+1e9, 10)}, "direction": {"forward"}}
	status, body, err := s.ask(ctx, "GET", "/loki/api/v1/query_range", tenant, form)
	if err != nil {
		return nil, err
	}
	if status != 200 {
		return nil, fmt.Errorf("%d: %s", status, body)
	}
	v, err := valueOf(body)
	if err != nil {
		return nil, err
	}
	return linesText(v), nil
}

func (s *served) wantLines(ctx context.Context, tenant, query string, want ...string) error {
	got, err := s.lines(ctx, tenant, query)
	if err == nil && !slices.Equal(want, got) {
		err = fmt.Errorf("%s answers %q, not %q", query, got, want)
	}
	return err
}

var fileLines = []string{"line 0 of the file", "line 1 of the file", "line 2 of the file"}

func repeatedFile(ctx context.Context, s *served) error {
	for range 2 {
		if err := s.push(ctx, featureTenant, filePush(1)); err != nil {
			return err
		}
	}
	if err := s.wantLines(ctx, featureTenant, `{job="file"} | filename="worker.out"`, fileLines...); err != nil {
		return err
	}
	late := filePush(1)
	late.Streams[0].Range.From, late.Streams[0].Range.To = 40, 50
	late.Streams[0].Entries = nil
	var refused *store.RefusedError
	if err := s.push(ctx, featureTenant, late); !errors.As(err, &refused) || refused.Files[0].Committed != 30 {
		return fmt.Errorf("bytes that leave some out were taken: %w", err)
	}
	return nil
}

func repeatedBody(ctx context.Context, s *served) error {
	for range 2 {
		if err := s.push(ctx, featureTenant, bodyPush()); err != nil {
			return err
		}
	}
	return s.wantLines(ctx, featureTenant, `{job="body"} |= "twice"`, "twice")
}

func offsets(ctx context.Context, s *served) error {
	all, err := s.engine.Offsets(ctx, featureTenant, []loki.FileID{fileID(1)})
	if err == nil && (len(all) != 1 || all[0].Committed != 30) {
		err = fmt.Errorf("%+v is committed, not 30", all)
	}
	return err
}

func (s *served) answer(ctx context.Context, path string, form url.Values, want ...string) error {
	form.Set("start", strconv.FormatInt(base-1e9, 10))
	form.Set("end", strconv.FormatInt(base+60e9, 10))
	status, body, err := s.ask(ctx, "GET", path, featureTenant, form)
	if err != nil {
		return err
	}
	for _, part := range want {
		if status != 200 || !strings.Contains(string(body), part) {
			return fmt.Errorf("%s answers %d %.300s, without %s", path, status, body, part)
		}
	}
	return nil
}

func labelLists(ctx context.Context, s *served) error {
	return errors.Join(
		s.answer(ctx, "/loki/api/v1/labels", url.Values{}, `"job"`, `"n"`),
		s.answer(ctx, "/loki/api/v1/label/job/values", url.Values{}, `"body"`, `"file"`),
		s.answer(ctx, "/loki/api/v1/series", url.Values{"match[]": {`{job="file"}`}}, `"n":"1"`),
	)
}

func volumes(ctx context.Context, s *served) error {
	return errors.Join(
		s.answer(ctx, "/loki/api/v1/index/stats", url.Values{"query": {`{job="file"}`}}, `"streams":1`),
		s.answer(ctx, "/loki/api/v1/index/volume", url.Values{"query": {`{job=~".+"}`}}, `"vector"`, `"file"`),
	)
}

func fields(ctx context.Context, s *served) error {
	return errors.Join(
		s.answer(ctx, "/loki/api/v1/detected_fields", url.Values{"query": {`{job="body"}`}}, `"level"`, `"json"`),
		s.answer(ctx, "/loki/api/v1/patterns", url.Values{"query": {`{job="body"}`}}, `"success"`),
	)
}

func twoTenants(ctx context.Context, s *served) error {
	if err := s.push(ctx, featureTenant+"-2", bodyPush()); err != nil {
		return err
	}
	return s.wantLines(ctx, featureTenant+"|"+featureTenant+"-2", `{job="body"} |= "twice"`, "twice", "twice")
}

func anyBytes(ctx context.Context, s *served) error {
	line := "\xff\x00 \xe2\x82 end"
	p := bodyPush()
	p.Streams[0].Labels = logs.LabelsOf("job", "bytes")
	p.Streams[0].Entries = []logs.Entry{{Time: base, Line: line}}
	if err := s.push(ctx, featureTenant, p); err != nil {
		return err
	}
	// Not over HTTP, where all answers are JSON.
	m, err := logs.NewMatcher("job", logs.Equal, "bytes")
	if err != nil {
		return err
	}
	sel := logs.Selection{Matchers: []logs.Matcher{m}, Start: base, End: base + 1}
	var got []string
	err = s.engine.Select(ctx, []string{featureTenant}, sel, func(r *logs.Record) error {
		got = append(got, r.Line)
		return nil
	})
	if err == nil && !slices.Equal(got, []string{line}) {
		err = fmt.Errorf("%q came back as %q", line, got)
	}
	return err
}

func deletes(ctx context.Context, s *served) error {
	const tenant = featureTenant + "-delete"
	if err := s.push(ctx, tenant, filePush(7)); err != nil {
		return err
	}
	form := url.Values{"query": {`{job="file"} |= "line 1"`}, "start": {strconv.FormatInt(base/1e9-1, 10)}, "end": {strconv.FormatInt(base/1e9+10, 10)}}
	status, body, err := s.ask(ctx, "POST", "/loki/api/v1/delete", tenant, form)
	if err != nil {
		return err
	}
	if status != 204 {
		return fmt.Errorf("%d: %s", status, body)
	}
	// Where the request was taken it takes its place among the pushes.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		err := s.wantLines(ctx, tenant, `{job="file"}`, fileLines[0], fileLines[2])
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func snapshot(ctx context.Context, s *served) error {
	dir, err := s.engine.TakeSnapshot(ctx)
	if err == nil && dir == "" {
		err = errors.New("no directory was made")
	}
	return err
}

// linesText is the text of lines in order of time.
func linesText(v exec.Value) (out []string) {
	lines, _ := v.(exec.Lines)
	slices.SortStableFunc(lines, func(a, b exec.Line) int { return cmp.Compare(a.Time, b.Time) })
	for _, l := range lines {
		out = append(out, l.Line)
	}
	return out
}
