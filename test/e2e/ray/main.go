// Command ray proves the whole path with a real Ray: it starts a server, an agent
// and Ray, runs jobs whose user code prints marked lines and keeps its own account
// of them, kills agent and server with SIGKILL and throws the agent's state away on
// the way, begins a second session, and then asks the server for every line.
//
// It exits 0 only if each marked line is there once, in order and with the right
// labels, and each file that is still there is stored byte for byte.
//
//	go run ./test/e2e/ray -bin bin [-short] [-seed N] [-keep]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

type options struct {
	bin     string
	version string // of Ray
	short   bool
	keep    bool
	seed    uint64
	limit   time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "directory that holds remora and remora-agent")
	flag.StringVar(&o.version, "ray", "2.60.0", "version of Ray, installed from PyPI where it is not yet")
	flag.BoolVar(&o.short, "short", false, "fewer kills and shorter jobs")
	flag.BoolVar(&o.keep, "keep", false, "keep Ray's files, the store and all output")
	flag.Uint64Var(&o.seed, "seed", 1, "which moments to kill at")
	flag.DurationVar(&o.limit, "timeout", 5*time.Minute, "give up after this long, installing Ray left out")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := prove(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e-ray:", err)
	}
	if !ok || err != nil {
		os.Exit(1) //nolint:gocritic // stop only restores signals
	}
}

// prove installs Ray, runs the scenario in a directory of its own and cleans up
// behind it whatever happens.
func prove(ctx context.Context, o options) (bool, error) {
	python, err := ensureRay(ctx, o.version)
	if err != nil {
		return false, err
	}
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return false, err
	}
	// Ray puts unix sockets below it, whose paths may have 107 bytes.
	dir, err := os.MkdirTemp("/tmp", "rm")
	if err != nil {
		return false, err
	}
	mark := "REMORA_E2E_RUN=" + filepath.Base(dir)
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, fmt.Errorf("not done within %v", o.limit))
	defer cancel()
	r := &run{options: o, dir: dir, mark: mark, python: python, rand: rand.New(rand.NewPCG(o.seed, 0))}
	r.bin = bin
	ok, err := r.scenario(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = errors.Join(cause, err)
	}
	if !ok || err != nil {
		r.tails(os.Stderr)
	}
	r.stopAll()
	if o.keep {
		fmt.Println("kept:", dir)
		return ok, err
	}
	return ok, errors.Join(err, os.RemoveAll(dir))
}
