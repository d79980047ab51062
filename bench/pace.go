package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/remora-ray/remora/bench/gen"
	"github.com/remora-ray/remora/bench/receive"
)

const (
	paceRate  = 10_000 // lines a second
	paceFiles = 16
	paceTick  = 10 * time.Millisecond
	paceLines = 25 // lines of one write
)

// pacedFigures are of an agent that follows files which grow steadily.
type pacedFigures struct {
	bytes     int64
	span      time.Duration
	cpu       time.Duration
	floor     time.Duration // CPU of the floor, which follows the same files beside it
	peak, rss int64
	anon      int64 // of rss: memory that is the agent's own, no code of its file
}

// share is the part of a core that was spent.
func (p pacedFigures) share() float64 { return p.cpu.Seconds() / p.span.Seconds() }

// above is the part of a core that was spent beyond the floor.
func (p pacedFigures) above() float64 { return (p.cpu - p.floor).Seconds() / p.span.Seconds() }

// atPace lets the agent follow 16 files that grow by 10,000 lines a second.
func (b *bench) atPace(ctx context.Context) error {
	if b.paced == 0 {
		return nil
	}
	b.say("agent at %d lines a second for %v", paceRate, b.paced)
	p, err := b.follow(ctx, b.ours(), b.paced)
	b.fig.paced = p
	return err
}

// warming is how long lines are written at the pace before anything is measured.
const warming = 2 * time.Second

// follow lets a program follow 16 files that grow by 10,000 lines a second, and
// waits until every line has arrived.
func (b *bench) follow(ctx context.Context, p program, span time.Duration) (pacedFigures, error) {
	var fig pacedFigures
	root, err := os.MkdirTemp(b.dir, "live-")
	if err != nil {
		return fig, err
	}
	defer os.RemoveAll(root)
	w, err := newWriter(b.seed, root, paceFiles)
	if err != nil {
		return fig, err
	}
	defer w.close()
	d, err := b.deliver(ctx, p, root)
	if err != nil {
		return fig, err
	}
	defer d.kill()
	low, err := self("floor", "-follow", "-dir", filepath.Join(root, gen.Session, "logs"))
	if err != nil {
		return fig, err
	}
	defer low.kill()
	// Some begin late: nothing counts before the first lines have arrived.
	for range w.files {
		if err := w.write(paceLines); err != nil {
			return fig, err
		}
	}
	if err := d.until(ctx, w.lines, time.Minute); err != nil {
		return fig, err
	}
	if err := w.pace(ctx, warming); err != nil {
		return fig, err
	}
	before, floor, bytes := d.agent.cpu(), low.cpu(), w.bytes
	if err := w.pace(ctx, span); err != nil {
		return fig, err
	}
	fig.cpu, fig.floor, fig.bytes, fig.span = d.agent.cpu()-before, low.cpu()-floor, w.bytes-bytes, span
	pid := d.agent.cmd.Process.Pid
	fig.rss, fig.anon = status(pid, "VmRSS"), status(pid, "RssAnon")
	err = d.until(ctx, w.lines, time.Minute)
	fig.peak = d.agent.peakRSS()
	return fig, err
}

// writer writes lines of worker output to some files.
type writer struct {
	names []string
	files []*os.File
	make  []func(dst []byte, now time.Time) []byte
	ends  []int64 // bytes of each file
	turn  int     // file that comes next
	buf   []byte

	lines receive.Lines // written so far
	bytes int64
	note  func(name string, end int64, lines int) // called ahead of each write; may be nil
}

// newWriter makes n empty files in a session below root.
func newWriter(seed uint64, root string, n int) (*writer, error) {
	logs := filepath.Join(root, gen.Session, "logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, err
	}
	w := &writer{ends: make([]int64, n)}
	w.names, w.make = gen.Live(seed, n)
	for _, name := range w.names {
		f, err := os.Create(filepath.Join(logs, name))
		if err != nil {
			w.close()
			return nil, err
		}
		w.files = append(w.files, f)
	}
	return w, nil
}

func (w *writer) close() {
	for _, f := range w.files {
		f.Close()
	}
}

// write writes n lines to the file whose turn it is, at once.
func (w *writer) write(n int) error {
	i := w.turn
	w.turn = (w.turn + 1) % len(w.files)
	w.buf = w.buf[:0]
	made := 0
	for made < n {
		begin := len(w.buf)
		w.buf = w.make[i](w.buf, time.Now().UTC())
		// A traceback is several lines.
		for line := range bytes.Lines(w.buf[begin:]) {
			w.lines.Add(bytes.TrimSuffix(line, []byte("\n")))
			made++
		}
	}
	w.ends[i] += int64(len(w.buf))
	w.bytes += int64(len(w.buf))
	if w.note != nil {
		w.note(w.names[i], w.ends[i], made)
	}
	if _, err := w.files[i].Write(w.buf); err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	return nil
}

// pace writes at 10,000 lines a second, a few lines to a file at a time.
func (w *writer) pace(ctx context.Context, span time.Duration) error {
	tick := time.NewTicker(paceTick)
	defer tick.Stop()
	begin, already := time.Now(), w.lines.Number
	for time.Since(begin) < span {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		due := already + int64(min(time.Since(begin), span).Seconds()*paceRate)
		for w.lines.Number < due {
			if err := w.write(paceLines); err != nil {
				return err
			}
		}
	}
	return nil
}
