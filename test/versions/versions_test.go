// Package versions holds what earlier versions wrote and sent: data directories
// as they left them when they were killed, and requests of their agents. Whoever
// changes a format adds a file for the last one and leaves the others.
//
//	go test ./test/versions -run TestDirectories -write store-NAME
//	go test ./test/versions -run TestRequests -write wire-NAME -agent bin/remora-agent
package versions

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
	"github.com/remora-ray/remora/internal/store/embedded"
)

var (
	write = flag.String("write", "", "write the recording of this name")
	agent = flag.String("agent", "", "the agent to record")
)

var at = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func file(n byte) loki.FileID { return loki.FileID{15: n} }

// push is a push of lines of a file, ten bytes each from offset from on.
func push(n byte, from uint64, lines ...string) *loki.Push {
	s := loki.Stream{
		Labels: logs.LabelsOf("component", "raylet", "job", "ray/logs"),
		Range: &loki.FileRange{
			File: file(n), From: from, To: from + 10*uint64(len(lines)), Generation: []byte("generation"),
			Metadata: logs.LabelsOf("filename", fmt.Sprintf("raylet%d.out", n), "session", "s1"),
		},
	}
	for i, l := range lines {
		offset := from + 10*uint64(i)
		s.Entries = append(s.Entries, logs.Entry{Time: at.UnixNano() + int64(offset), Line: l, Metadata: logs.LabelsOf("offset", fmt.Sprint(offset))})
	}
	return &loki.Push{Streams: []loki.Stream{s}}
}

func foreign(lines ...string) *loki.Push {
	s := loki.Stream{Labels: logs.LabelsOf("app", "foreign")}
	for i, l := range lines {
		s.Entries = append(s.Entries, logs.Entry{Time: at.UnixNano() + int64(i), Line: l, Metadata: logs.LabelsOf("trace", "t1")})
	}
	return &loki.Push{Streams: []loki.Stream{s}}
}

// pushes is what a recorded directory got: the last two after its last checkpoint.
func pushes() []*loki.Push {
	return []*loki.Push{
		push(1, 0, "one", "two", "to be deleted"), foreign("first", "second"), push(2, 0, "of another file"),
		push(1, 30, "three", "four"), foreign("third"),
	}
}

// recorded lines, in order of time and offset.
var wantLines = []string{"first", "of another file", "one", "second", "third", "two", "three", "four"}

func appendAll(t *testing.T, e *embedded.Engine, received time.Time, ps []*loki.Push) (stored int) {
	t.Helper()
	for _, p := range ps {
		r, err := e.Append(context.Background(), store.Batch{Tenant: "team-a", Received: received, Push: p})
		if err != nil {
			t.Fatal(err)
		}
		stored += r.Stored
	}
	return stored
}

// record leaves in dir what a killed process leaves.
func record(t *testing.T, dir string) {
	live := t.TempDir()
	e, err := embedded.Open(embedded.Config{Dir: live})
	if err != nil {
		t.Fatal(err)
	}
	all := pushes()
	appendAll(t, e, time.Now(), all[:3])
	sel := logs.Selection{Lines: []logs.LineFilter{{Op: logs.Contains, Any: []string{"deleted"}}}, Start: 0, End: at.Add(time.Hour).UnixNano()}
	err = e.Delete(context.Background(), "team-a", sel, `{job="ray/logs"} |= "deleted"`, nil)
	if err = errors.Join(err, e.Checkpoint(context.Background())); err != nil {
		t.Fatal(err)
	}
	appendAll(t, e, time.Now(), all[3:])
	if err := os.CopyFS(dir, os.DirFS(live)); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// A data directory that an earlier version left, killed as it was, is opened with
// all that it acknowledged, and what comes again is still known.
func TestDirectories(t *testing.T) {
	if strings.HasPrefix(*write, "store-") {
		dir := filepath.Join(t.TempDir(), "store")
		record(t, dir)
		pack(t, dir, filepath.Join("testdata", *write+".tar.gz"))
	}
	recordings, err := filepath.Glob("testdata/store-*.tar.gz")
	if err != nil || len(recordings) == 0 {
		t.Fatalf("no recordings of directories: %v", err)
	}
	for _, path := range recordings {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".tar.gz"), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			left := unpack(t, path, dir) // a batch that comes again is known for an hour
			for _, round := range []string{"first", "second"} {
				e, err := embedded.Open(embedded.Config{Dir: dir})
				if err != nil {
					t.Fatal(err)
				}
				if n := appendAll(t, e, left, pushes()); n != 0 {
					t.Errorf("at the %s start %d lines that were acknowledged were taken again", round, n)
				}
				if diff := cmp.Diff(wantLines, lines(t, e)); diff != "" {
					t.Errorf("at the %s start, lines (-want +got):\n%s", round, diff)
				}
				offsets, err := e.Offsets(context.Background(), "team-a", []loki.FileID{file(1), file(2)})
				if err != nil || offsets[0].Committed != 50 || offsets[1].Committed != 10 {
					t.Errorf("committed %+v, error %v", offsets, err)
				}
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func lines(t *testing.T, e *embedded.Engine) (out []string) {
	t.Helper()
	sel := logs.Selection{End: at.Add(time.Hour).UnixNano(), Direction: logs.Forward}
	err := e.Select(context.Background(), []string{"team-a"}, sel, func(r *logs.Record) error {
		out = append(out, r.Line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func init() { slices.Sort(wantLines) }

func pack(t *testing.T, dir, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	if err := errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// unpack says when the newest file was written.
func unpack(t *testing.T, path, dir string) (newest time.Time) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return newest
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.ModTime.After(newest) {
			newest = h.ModTime
		}
		to := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(to, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
			data, e := io.ReadAll(r)
			err = errors.Join(e, os.WriteFile(to, data, fs.FileMode(h.Mode).Perm()|0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
