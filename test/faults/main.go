// Command faults proves that no line is lost, stored twice or out of order whatever
// happens. It starts the real programs, plays Ray's writers with numbered lines,
// makes faults at random moments, and asks the server for every line.
//
// It exits 0 only if each line whose bytes the agent could get hold of is there
// once and in its place, and what could not be had is told as a gap.
//
//	go run ./test/faults -bin bin [-n 60] [-seed N] [-target loki] [-only REGEXP]
//
// It isolates itself in namespaces of its own (user, mount, network, process), so
// that disks can be filled, networks cut and limits lowered without a trace on the
// machine. Where it may not, the faults that need it are left out with the reason.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

type options struct {
	bin    string
	target string
	loki   string
	n      int
	each   int
	seed   uint64
	world  int
	only   string
	long   bool
	keep   bool
	plain  bool
	nocut  bool
	limit  time.Duration
	wait   time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "`DIR` that holds remora, remora-agent and remora-agent-clockstep")
	flag.StringVar(&o.target, "target", "remora", "what the agent sends to: remora or loki")
	flag.StringVar(&o.loki, "loki", "", "Loki's `PROGRAM` for -target loki")
	flag.IntVar(&o.n, "n", 60, "how many faults")
	flag.IntVar(&o.each, "each", 30, "faults of one world; the next begins with new directories")
	flag.Uint64Var(&o.seed, "seed", 1, "which faults at which moments")
	flag.IntVar(&o.world, "world", 0, "`NUMBER` of the world to begin with, to see one again")
	flag.StringVar(&o.only, "only", "", "`REGEXP` of the faults to make")
	flag.BoolVar(&o.long, "long", false, "programs are stopped for 30 s instead of 2 s")
	flag.BoolVar(&o.keep, "keep", false, "keep all files of a world that fails")
	flag.BoolVar(&o.nocut, "nocut", false, "no file is emptied in place")
	flag.BoolVar(&o.plain, "plain", false, "no namespaces")
	flag.DurationVar(&o.limit, "timeout", 0, "give up after this long (default 30 s for each fault)")
	flag.DurationVar(&o.wait, "wait", 60*time.Second, "longest time to catch up after a fault")
	flag.Parse()
	if o.limit == 0 {
		o.limit = time.Minute + time.Duration(o.n)*30*time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := isolated(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
	}
	os.Exit(code) //nolint:gocritic // stop only restores signals
}

// isolated runs the proof in namespaces of its own where that is possible.
func isolated(ctx context.Context, o options) (int, error) {
	if !inside() && !o.plain {
		code, err := again(ctx)
		if err == nil {
			return code, nil
		}
		fmt.Println("no isolation:", err)
	}
	host, err := newHost()
	if err != nil {
		return 1, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, fmt.Errorf("not done within %v", o.limit))
	defer cancel()
	ok, err := prove(ctx, o, host)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = errors.Join(cause, err)
	}
	if !ok || err != nil {
		return 1, err
	}
	return 0, nil
}

// prove goes through worlds until there were enough faults.
func prove(ctx context.Context, o options, h *host) (bool, error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return false, fmt.Errorf("-only: %w", err)
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return false, err
	}
	t := newTable()
	for i := o.world; t.faults() < o.n; i++ {
		w, err := newWorld(ctx, o, h, i)
		if err != nil {
			return false, err
		}
		wrong := len(t.wrongs)
		err = w.live(ctx, only, min(o.each, o.n-t.faults()), t)
		failed := err != nil || len(t.wrongs) > wrong
		if failed {
			w.tails(os.Stdout)
		}
		w.end(failed)
		if err != nil {
			t.print(os.Stdout)
			return false, fmt.Errorf("world %d: %w", i, err)
		}
	}
	t.print(os.Stdout)
	return !t.failed(), nil
}
