package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"

	"github.com/remora-ray/remora/bench/receive"
	"github.com/remora-ray/remora/internal/loki"
)

// What the agent sends is sent on in order of time, each line as it was.
func TestBodiesAreInOrderOfTime(t *testing.T) {
	b := &bench{bin: builtBinaries(t), size: 2 << 20, seed: 3, work: t.TempDir(), begin: time.Now().UTC().Truncate(time.Hour).Add(-8 * time.Hour)}
	if err := b.prepare(); err != nil {
		t.Fatal(err)
	}
	got, err := b.record(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer got.file.Close()
	var lines receive.Lines
	last := int64(0)
	for i := range got.ends {
		packed, err := got.read(i)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := snappy.Decode(nil, packed)
		if err != nil {
			t.Fatal(err)
		}
		p, err := loki.DecodePush(plain)
		if err != nil {
			t.Fatal(err)
		}
		first := int64(0)
		for _, s := range p.Streams {
			for _, e := range s.Entries {
				lines.Add([]byte(e.Line))
				if e.Metadata.Get("filename") == "" {
					t.Fatalf("a line of %s has no file", s.Labels)
				}
				if first == 0 || e.Time < first {
					first = e.Time
				}
			}
		}
		if first < last {
			t.Errorf("body %d begins %s before the one before it", i, time.Duration(last-first))
		}
		last = first
	}
	want, err := linesOf(filepath.Join(b.path("ray")))
	if err != nil {
		t.Fatal(err)
	}
	if lines != want {
		t.Errorf("lines sent: %+v, made: %+v", lines, want)
	}
}

// linesOf are the lines of all logs below a directory.
func linesOf(dir string) (all receive.Lines, err error) {
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.Contains(path, "/logs/") {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range bytes.Lines(text) {
			all.Add(bytes.TrimSuffix(line, []byte("\n")))
		}
		return err
	})
	return all, err
}

// A difference in what two servers answer fails, one in how they write it does not.
func TestAnswersAreCompared(t *testing.T) {
	const lines = `{"data":{"resultType":"streams","result":[{"stream":{"a":"1","b":"2"},"values":[["5","x"],["4","y"]]}]}}`
	for _, tc := range []struct {
		name, loki, remora string
		want               int64
		differ             string
	}{
		{"equal", lines, lines, 2, ""},
		{"in another order", lines, `{"data":{"result":[{"stream":{"b":"2","a":"1"},"values":[["4","y"],["5","x"]]}]}}`, 2, ""},
		{"not what is there", lines, lines, 3, "there are 3"},
		{"a line twice", lines, strings.Replace(lines, `["4","y"]`, `["4","y"],["4","y"]`, 1), 0, "Remora alone"},
		{"a line less", lines, strings.Replace(lines, `,["4","y"]`, "", 1), 0, "Loki alone"},
		{"another label", lines, strings.Replace(lines, `"b":"2"`, `"b":"3"`, 1), 0, "the answers differ"},
		{"nothing", lines, `{"data":{"result":[]}}`, 0, "finds nothing"},
		{"numbers, nearly the same", `{"data":{"result":[{"metric":{"a":"1"},"values":[[5,"1.5"]]}]}}`, `{"data":{"result":[{"metric":{"a":"1"},"values":[[5,"1.50000000000001"]]}]}}`, 0, ""},
		{"other numbers", `{"data":{"result":[{"metric":{"a":"1"},"value":[5,"1.5"]}]}}`, `{"data":{"result":[{"metric":{"a":"1"},"value":[5,"1.6"]}]}}`, 0, "the answers differ"},
		{"lists", `{"data":["a","b"]}`, `{"data":["b","a"]}`, 2, ""},
		{"series", `{"data":[{"a":"1","b":"2"}]}`, `{"data":[{"b":"2","a":"1"}]}`, 1, ""},
		{"lists of other things", `{"data":["a","b"]}`, `{"data":["b","c"]}`, 0, "the answers differ"},
	} {
		q := shape{want: tc.want}
		err := q.compare([]byte(tc.loki), []byte(tc.remora))
		if tc.differ == "" && err != nil || tc.differ != "" && (err == nil || !strings.Contains(err.Error(), tc.differ)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.differ)
		}
	}
}

// A small run beside a real Loki: both answer alike, and every figure is there.
func TestRunBesideLoki(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(cache, "remora", "loki-3.7.8")
	if _, err := os.Stat(program); err != nil {
		t.Skip("Loki 3.7.8 is not built here: make loki")
	}
	page := filepath.Join(t.TempDir(), "performance.md")
	b := &lokiBench{bench: &bench{bin: builtBinaries(t), size: 4 << 20, seed: 1, work: t.TempDir(), out: page}, loki: program, rounds: 1}
	if err := b.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## The server beside Loki", "ingest: CPU until at rest", "peak memory", "on disk", "histogram by file", "series"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %q:\n%s", want, text)
		}
	}
}
