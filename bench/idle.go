package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

// idleFigures are of a program whose files do not grow.
type idleFigures struct {
	share       float64 // of a core
	many, few   int64   // resident bytes with many and with few files of the same bytes together
	bytesOfFile float64
}

const (
	idleLines   = 20_000 // of all files together
	idleFew     = 20
	idleSettles = 5 * time.Second
)

// idle lets each program lie still over many files, and over few. As they do
// nothing, they do it side by side.
func (b *agentBench) idle(ctx context.Context) error {
	b.say("%d idle files", b.idleFiles)
	var group sync.WaitGroup
	failed := make([]error, len(b.programs))
	for i, p := range b.programs {
		if p.catchUp {
			continue
		}
		group.Go(func() { b.idles[i], failed[i] = b.idleOf(ctx, p) })
	}
	group.Wait()
	for i, err := range failed {
		if err != nil {
			if err := b.lacks(ctx, i, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *agentBench) idleOf(ctx context.Context, p program) (f idleFigures, err error) {
	if f.few, _, err = b.lieStill(ctx, p, idleFew, 0); err != nil {
		return idleFigures{}, err
	}
	if f.many, f.share, err = b.lieStill(ctx, p, b.idleFiles, b.idleSpan); err != nil {
		return idleFigures{}, err
	}
	f.bytesOfFile = float64(f.many-f.few) / float64(b.idleFiles-idleFew)
	return f, nil
}

// lieStill lets p read n small files and then nothing for a while.
func (b *agentBench) lieStill(ctx context.Context, p program, n int, span time.Duration) (rss int64, share float64, err error) {
	root, err := os.MkdirTemp(b.dir, "idle-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(root)
	w, err := newWriter(b.seed, root, n)
	if err != nil {
		return 0, 0, err
	}
	defer w.close()
	for range n {
		if err := w.write(idleLines / n); err != nil {
			return 0, 0, err
		}
	}
	d, err := b.deliver(ctx, p, root)
	if err != nil {
		return 0, 0, err
	}
	defer d.kill()
	if err := d.until(ctx, w.lines, 2*time.Minute); err != nil {
		return 0, 0, fmt.Errorf("%d files: %w", n, err)
	}
	if err := pause(ctx, idleSettles); err != nil {
		return 0, 0, err
	}
	before, begun := d.agent.cpu(), time.Now()
	if err := pause(ctx, span); err != nil {
		return 0, 0, err
	}
	if span > 0 {
		share = (d.agent.cpu() - before).Seconds() / time.Since(begun).Seconds()
	}
	return status(d.agent.cmd.Process.Pid, "VmRSS"), share, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
