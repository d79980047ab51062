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
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

type options struct {
	bin    string
	target string
	loki   string
	ray    string
	n      int
	each   int
	shares int
	seed   uint64
	world  int
	only   string
	long   bool
	keep   bool
	on     bool
	paste  bool
	plain  bool
	nocut  bool
	noray  bool
	limit  time.Duration
	wait   time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "`DIR` that holds remora, remora-agent and remora-agent-clockstep")
	flag.StringVar(&o.target, "target", "remora", "what the agent sends to: remora or loki")
	flag.StringVar(&o.loki, "loki", "", "Loki's `PROGRAM` for -target loki")
	flag.StringVar(&o.ray, "ray", "", "`DIR` of a virtual environment with Ray, which writes in one world of four (default that of make e2e-ray)")
	flag.IntVar(&o.n, "n", 60, "how many faults")
	flag.IntVar(&o.each, "each", 30, "faults of one world; the next begins with new directories")
	flag.IntVar(&o.shares, "parallel", 1, "worlds at once")
	flag.Uint64Var(&o.seed, "seed", 1, "which faults at which moments")
	flag.IntVar(&o.world, "world", 0, "`NUMBER` of the world to begin with, to see one again")
	flag.StringVar(&o.only, "only", "", "`REGEXP` of the faults to make")
	flag.BoolVar(&o.long, "long", false, "programs are stopped for 30 s instead of 2 s")
	flag.BoolVar(&o.keep, "keep", false, "keep all files of a world that fails")
	flag.BoolVar(&o.on, "on", false, "a world goes on after something is found wrong")
	flag.BoolVar(&o.paste, "markdown", false, "print the table as documents show it, too")
	flag.BoolVar(&o.noray, "noray", false, "no real Ray")
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

// isolated runs the proof in namespaces of its own where that is possible, several
// worlds at once in several of them.
func isolated(ctx context.Context, o options) (int, error) {
	if inside() || o.plain {
		return share(ctx, o)
	}
	dir, err := os.MkdirTemp("", "remora-faults-tables-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	table := func(i int) string { return filepath.Join(dir, strconv.Itoa(i)) }
	codes, errs := make([]int, o.shares), make([]error, o.shares)
	var wg sync.WaitGroup
	for i := range o.shares {
		wg.Go(func() { codes[i], errs[i] = again(ctx, i, table(i)) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		if os.Getenv("CI") != "" {
			return 1, fmt.Errorf("no isolation: %w", err)
		}
		fmt.Println("NO ISOLATION: half of the faults cannot be made:", err)
		o.plain, o.shares = true, 1
		return share(ctx, o)
	}
	t := newTable()
	for i := range o.shares {
		some, err := loadTable(table(i))
		if err != nil {
			return 1, err
		}
		t.join(some)
	}
	t.print(os.Stdout)
	if o.paste {
		t.markdown(os.Stdout)
	}
	return slices.Max(codes), nil
}

// share runs the worlds that fall to this process.
func share(ctx context.Context, o options) (int, error) {
	host, err := newHost()
	if err != nil {
		return 1, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, fmt.Errorf("not done within %v", o.limit))
	defer cancel()
	t := newTable()
	err = prove(ctx, o, host, t)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = errors.Join(cause, err)
	}
	if err != nil {
		t.wrong("not done: %v", err)
	}
	if inside() {
		err = errors.Join(err, t.save(os.Getenv(tableMark)))
	} else {
		t.print(os.Stdout)
	}
	if t.failed() {
		return 1, err
	}
	return 0, err
}

// prove goes through the worlds of this share: each has so many faults, the last what
// is left.
func prove(ctx context.Context, o options, h *host, t *table) error {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	for k := h.share; k*o.each < o.n; k += o.shares {
		i := o.world + k
		w, err := newWorld(ctx, o, h, i)
		if err != nil {
			return err
		}
		wrong := len(t.wrongs)
		err = w.live(ctx, only, min(o.each, o.n-k*o.each), t)
		failed := err != nil || len(t.wrongs) > wrong
		if failed {
			w.tails(os.Stdout)
		}
		w.end(failed)
		if err != nil {
			return fmt.Errorf("world %d: %w", i, err)
		}
	}
	return nil
}
