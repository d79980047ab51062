// Package gen makes a session directory of Ray-like logs: the files that Ray
// lays out, lines in Ray's formats with time stamps that move on, and needles at
// known places.
//
// Invariant: what it writes depends on nothing but the seed and the size.
package gen

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config says what to make.
type Config struct {
	Dir  string // Ray's temp directory: gets one session below it
	Size int64  // bytes of all logs, about
	Seed uint64
	// Begin is the time that the first lines tell; zero means Begin of this package.
	Begin time.Time
}

// Begin and Span are the time that the lines tell, in UTC, whatever the size,
// unless another beginning is asked for.
var Begin = time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC)

// Span is how long the session lives.
const Span = 6 * time.Hour

// Session is the name of the session that is made.
const Session = "session_2026-11-01_06-00-00_000000_1"

// Manifest tells what was made.
type Manifest struct {
	Seed       uint64
	Begin      time.Time
	Files      int
	Lines      int64
	Bytes      int64
	Components map[string]int64 // lines of each
	Needles    Needles
}

// Needles are what to look for. The texts stand in lines of worker output.
type Needles struct {
	Word, Substring           string // whole query texts: one with an inner whole word, one inside of a word
	WordLines, SubstringLines int64
	WorkerID                  string // of a worker that wrote little
	WorkerLines               int64
}

const (
	needleWord      = "at step quokkazebra7f of"
	needleSubstring = "xylophonequartz"
	wordLine        = "resumed at step quokkazebra7f of epoch 3 after preemption"
	substringLine   = "loaded plugin preflightxylophonequartzsuffix in 12 ms"
	needles         = 1 // of each in a file that holds some
)

// Make writes the session and returns what is in it.
func Make(c Config) (*Manifest, error) {
	logs := filepath.Join(c.Dir, Session, "logs")
	for _, dir := range []string{"jobs", "serve", "events", "export_events", "old", "ray-data"} {
		if err := os.MkdirAll(filepath.Join(logs, dir), 0o755); err != nil {
			return nil, err
		}
	}
	w := newWorld(c.Seed)
	if !c.Begin.IsZero() {
		w.begin = c.Begin.UTC()
	}
	for _, name := range []string{"dashboard_agent_listen_port_", "metrics_agent_port_", "metrics_export_port_", "runtime_env_agent_port_", "gcs_server_port_"} {
		if err := os.WriteFile(filepath.Join(c.Dir, Session, name+w.node), []byte("52365"), 0o644); err != nil {
			return nil, err
		}
	}
	specs := w.files()
	var weights float64
	for _, s := range specs {
		weights += s.weight
	}
	results := make([]written, len(specs))
	var group errgroup.Group
	group.SetLimit(2)
	for i, s := range specs {
		group.Go(func() (err error) {
			size := int64(float64(c.Size) * s.weight / weights)
			results[i], err = w.write(filepath.Join(logs, s.path), s, size)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	m := &Manifest{
		Seed: c.Seed, Begin: w.begin, Files: len(specs), Components: map[string]int64{},
		Needles: Needles{Word: needleWord, Substring: needleSubstring, WorkerID: w.workers[rareWorker].id},
	}
	for i, s := range specs {
		r := results[i]
		m.Lines += r.lines
		m.Bytes += r.bytes
		m.Components[s.component] += r.lines
		m.Needles.WordLines += r.words
		m.Needles.SubstringLines += r.substrings
		if s.rare {
			m.Needles.WorkerLines += r.lines
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	return m, os.WriteFile(filepath.Join(c.Dir, "manifest.json"), append(text, '\n'), 0o644)
}

type written struct{ lines, bytes, words, substrings int64 }

// write makes one file of about size bytes; a rare one has a fixed, small one.
func (w *world) write(path string, s spec, size int64) (r written, err error) {
	f, err := os.Create(path)
	if err != nil {
		return r, err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		// Lines without a time of their own are told to be as old as the file.
		err = errors.Join(err, os.Chtimes(path, w.begin.Add(Span), w.begin.Add(Span)))
	}()
	out := bufio.NewWriterSize(f, 1<<20)
	l := w.Writer(s.path)
	buf := l.head(nil, s)
	if s.rare {
		size = rareBytes
	}
	// Needles stand at equal distances.
	next := size / (2 * needles)
	for {
		for _, c := range buf {
			if c == '\n' {
				r.lines++
			}
		}
		if _, err := out.Write(buf); err != nil {
			return r, err
		}
		r.bytes += int64(len(buf))
		if r.bytes >= size {
			return r, out.Flush()
		}
		l.now = w.begin.Add(time.Duration(float64(Span) * float64(r.bytes) / float64(size)))
		if s.needles && r.bytes >= next {
			next += size / needles
			buf = append(append(buf[:0], wordLine...), '\n')
			buf = append(append(buf, substringLine...), '\n')
			r.words, r.substrings = r.words+1, r.substrings+1
			continue
		}
		buf = s.record(l, buf[:0])
	}
}

// Writer makes records of one file.
type Writer struct {
	*world
	rng  *rand.Rand
	now  time.Time
	n    int // records so far
	pid  int
	work worker
}

// Writer begins the file of that name; equal names of one seed give equal lines.
func (w *world) Writer(name string) *Writer {
	h := fnv.New64a()
	h.Write([]byte(name))
	return &Writer{world: w, rng: rand.New(rand.NewPCG(w.seed, h.Sum64())), now: w.begin}
}

// Live makes n streams of worker output for writing at a given pace: each call of
// a returned function appends one line.
func Live(seed uint64, n int) (names []string, lines []func(dst []byte, now time.Time) []byte) {
	w := newWorld(seed)
	for i := range n {
		wk := w.workers[i%len(w.workers)]
		name := fmt.Sprintf("worker-%s-%s-%d.out", wk.id, wk.job, wk.pid+i)
		l := w.Writer(name)
		l.work = wk
		names = append(names, name)
		lines = append(lines, func(dst []byte, now time.Time) []byte {
			l.now = now
			l.n++
			return userLine(l, dst)
		})
	}
	return names, lines
}
