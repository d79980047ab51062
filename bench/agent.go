package main

import (
	"bytes"
	"context"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/remora-ray/remora/bench/gen"
	"github.com/remora-ray/remora/bench/receive"
)

// agentBench is one run that measures the agent beside other agents.
type agentBench struct {
	*bench
	peers       []peer
	cache       string
	peerTime    time.Duration // a peer that has spent it leaves the catching up
	paceRounds  int
	idleSpan    time.Duration
	idleFiles   int
	latencySpan time.Duration

	lines    receive.Lines // of the logs
	programs []program     // ours, then the peers that could be built
	missing  []error       // why a figure of a peer is missing
	runs     [][]run       // of each program, as many rounds as it took part in
	paces    [][]pacedFigures
	idles    []idleFigures
	latency  latencyFigures
	confined confinedFigures
}

// benchAgent is the command "agent".
func benchAgent(ctx context.Context, args []string) error {
	b := &agentBench{
		bench: &bench{size: 1 << 30}, peers: peers, peerTime: 20 * time.Second,
		paceRounds: 5, idleSpan: 20 * time.Second, idleFiles: 1000, latencySpan: 20 * time.Second,
	}
	fs := flag.NewFlagSet("bench agent", flag.ContinueOnError)
	fs.StringVar(&b.bin, "bin", "../bin", "directory that holds remora and remora-agent")
	fs.Var(&b.size, "size", "bytes of logs to catch up with, like 64MiB")
	fs.Uint64Var(&b.seed, "seed", 1, "what the logs are made of")
	fs.IntVar(&b.rounds, "rounds", 5, "times to let floor and agent catch up in turn")
	fs.DurationVar(&b.paced, "paced", 10*time.Second, "how long to write 10,000 lines a second in a round")
	fs.StringVar(&b.cache, "peers", "", "directory that keeps the peers' programs (default remora/peers in the user's cache)")
	fs.StringVar(&b.out, "out", "", "also write the section of docs/performance.md into this file")
	fs.StringVar(&b.work, "work", os.TempDir(), "directory for the logs, about twice the size")
	short := fs.Bool("short", false, "64 MiB and few rounds, only to see that all works")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *short {
		b.shorten()
	}
	if b.cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		b.cache = filepath.Join(dir, "remora", "peers")
	}
	return b.run(ctx)
}

func (b *agentBench) shorten() {
	b.size, b.rounds, b.peerTime = 64<<20, 3, 2*time.Second
	b.paced, b.paceRounds, b.idleSpan, b.latencySpan = 3*time.Second, 2, 5*time.Second, 5*time.Second
}

func (b *agentBench) run(ctx context.Context) error {
	if err := b.prepare(); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	b.build(ctx)
	if err := b.plan(ctx); err != nil {
		return err
	}
	var err error
	if b.lines, err = linesBelow(filepath.Join(b.path("ray"), gen.Session, "logs")); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{b.catchUp, b.follows, b.idle, b.durable, b.confine} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return b.report()
}

// build finds the programs. A peer that cannot be built is left out and told of.
func (b *agentBench) build(ctx context.Context) {
	b.programs = []program{b.ours()}
	for _, p := range b.peers {
		if p.set == "" {
			b.say("building %s %s, unless it is in %s", p.name, p.version, b.cache)
		}
		path, err := p.build(ctx, b.cache)
		if err != nil {
			b.say("%v", err)
			b.missing = append(b.missing, err)
			continue
		}
		b.programs = append(b.programs, p.program(path))
	}
	b.runs, b.paces, b.idles = make([][]run, len(b.programs)), make([][]pacedFigures, len(b.programs)), make([]idleFigures, len(b.programs))
}

// linesBelow reads all lines of the files below dir, which makes the page cache
// warm too.
func linesBelow(dir string) (all receive.Lines, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(text) {
			all.Add(bytes.TrimSuffix(line, []byte("\n")))
		}
		return nil
	})
	return all, err
}

// catchUp lets the floor and every program read all files in turn, so that what
// else the machine does hits all. A peer takes part until its time is spent.
func (b *agentBench) catchUp(ctx context.Context) error {
	spent := make([]time.Duration, len(b.programs))
	for round := range b.rounds {
		b.say("catching up, round %d of %d: floor", round+1, b.rounds)
		if err := b.floor(ctx); err != nil {
			return err
		}
		for i, p := range b.programs {
			if i > 0 && spent[i] > b.peerTime {
				continue
			}
			b.say("catching up, round %d of %d: %s", round+1, b.rounds, p.title())
			r, err := b.catch(ctx, p)
			if err != nil {
				if err := b.lacks(ctx, i, err); err != nil {
					return err
				}
				spent[i] = b.peerTime + 1
				continue
			}
			spent[i] += r.wall
			b.say("  %.2f s of CPU in %.1f s, %.0f MB", r.cpu.Seconds(), r.wall.Seconds(), mb(r.peak))
			b.runs[i] = append(b.runs[i], r)
		}
	}
	return nil
}

// lacks decides what becomes of a program that did not do what it was to do: ours
// fails the run, a peer lacks the figure.
func (b *agentBench) lacks(ctx context.Context, i int, err error) error {
	if i == 0 || ctx.Err() != nil {
		return err
	}
	b.say("%v", err)
	b.missing = append(b.missing, err)
	return nil
}

func (b *agentBench) catch(ctx context.Context, p program) (run, error) {
	d, err := b.deliver(ctx, p, b.path("ray"))
	if err != nil {
		return run{}, err
	}
	defer d.kill()
	if err := d.until(ctx, b.lines, 5*time.Minute); err != nil {
		return run{}, err
	}
	return d.end(ctx), nil
}

// follows lets ours follow growing files some times, each peer once.
func (b *agentBench) follows(ctx context.Context) error {
	for round := range b.paceRounds {
		for i, p := range b.programs {
			if p.catchUp || (i > 0 && round > 0) {
				continue
			}
			b.say("%d lines a second, round %d of %d: %s", paceRate, round+1, b.paceRounds, p.name)
			fig, err := b.follow(ctx, p, b.paced)
			if err != nil {
				if err := b.lacks(ctx, i, err); err != nil {
					return err
				}
				continue
			}
			b.paces[i] = append(b.paces[i], fig)
		}
	}
	return nil
}
