package main

import (
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
)

// pacedFigures are of an agent that follows files which grow steadily.
type pacedFigures struct {
	lines, bytes int64
	span         time.Duration
	cpu          time.Duration
	peak, rss    int64
	anon         int64 // of rss: memory that is the agent's own, no code of its file
}

// atPace lets the agent follow 16 files that grow by 10,000 lines a second.
func (b *bench) atPace(ctx context.Context) error {
	if b.paced == 0 {
		return nil
	}
	b.say("agent at %d lines a second for %v", paceRate, b.paced)
	root, state := b.path("live"), b.path("live-state")
	logs := filepath.Join(root, gen.Session, "logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return err
	}
	r, url, err := b.receiver(ctx)
	if err != nil {
		return err
	}
	defer r.kill()
	c, err := start("remora-agent", filepath.Join(b.bin, "remora-agent"),
		"--ray-root", root, "--state", state, "--url", url, "--cluster", "bench", "--listen", "", "--log-level", "warn")
	if err != nil {
		return err
	}
	defer c.kill()
	p := &b.fig.paced
	before := c.cpu()
	if err := b.write(ctx, logs, p); err != nil {
		return err
	}
	p.cpu = c.cpu() - before
	p.rss, p.anon = status(c.cmd.Process.Pid, "VmRSS"), status(c.cmd.Process.Pid, "RssAnon")
	if err := c.stop(ctx); err != nil {
		return err
	}
	p.peak = c.peakRSS()
	var counts receive.Counts
	if err := getJSON(ctx, url+"/counts", &counts); err != nil {
		return err
	}
	if counts.Bytes < p.bytes {
		return fmt.Errorf("the agent sent bodies of %d bytes for %d bytes of lines", counts.Bytes, p.bytes)
	}
	return nil
}

// write writes lines at the pace, a few to each file every tick.
func (b *bench) write(ctx context.Context, logs string, p *pacedFigures) error {
	names, lines := gen.Live(b.seed, paceFiles)
	var files []*os.File
	for _, name := range names {
		f, err := os.Create(filepath.Join(logs, name))
		if err != nil {
			return err
		}
		defer f.Close()
		files = append(files, f)
	}
	tick := time.NewTicker(paceTick)
	defer tick.Stop()
	begin := time.Now()
	var buf []byte
	for time.Since(begin) < b.paced {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		now := time.Now()
		due := int64(now.Sub(begin).Seconds() * paceRate)
		for p.lines < due {
			i := int(p.lines/25) % paceFiles
			buf = buf[:0]
			for range 25 {
				buf = lines[i](buf, now.UTC())
			}
			if _, err := files[i].Write(buf); err != nil {
				return err
			}
			p.lines += 25
			p.bytes += int64(len(buf))
		}
	}
	p.span = time.Since(begin)
	return nil
}
