// Command bench measures agent and server on Ray-like logs, beside a floor
// program that only reads, splits, encodes and compresses, and prints one table.
//
//	go run . -bin ../bin [-size 1GiB] [-seed 1] [-out FILE]
//	go run . -bin ../bin -quick                         64 MiB, only to see that all works
//	go run . agent -bin ../bin [-short] [-out FILE]     the agent beside promtail and an OpenTelemetry collector
//	go run . loki -bin ../bin [-short] [-out FILE]      the server beside Loki, the same bodies to both
//	go run . gen -dir DIR [-size 1GiB] [-seed 1]        only make the logs
//
// All ratios are of one run on one machine; nothing fails for being slow. It
// fails where an answer is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/remora-ray/remora/bench/gen"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // stop only restores signals
	}
}

// command runs the benchmark, or the part of it that is to be a process of its own.
func command(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "gen":
			return makeLogs(args[1:])
		case "agent":
			return benchAgent(ctx, args[1:])
		case "loki":
			return benchLoki(ctx, args[1:])
		case "confined":
			return enter(args[1:])
		case "floor":
			return runFloor(ctx, args[1:])
		case "receive":
			return runReceiver(ctx, args[1:])
		}
	}
	b := &bench{size: 1 << 30}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&b.bin, "bin", "../bin", "directory that holds remora and remora-agent")
	fs.Var(&b.size, "size", "bytes of logs to make, like 64MiB")
	fs.Uint64Var(&b.seed, "seed", 1, "what the logs are made of")
	fs.IntVar(&b.rounds, "rounds", 3, "times to run floor and agent in turn")
	fs.DurationVar(&b.paced, "paced", defaultPaced, "how long to write 10,000 lines a second; 0 leaves that out")
	fs.StringVar(&b.out, "out", "", "also write the section of docs/performance.md into this file")
	fs.StringVar(&b.work, "work", os.TempDir(), "directory for the logs and the store, about three times the size")
	quick := fs.Bool("quick", false, "64 MiB, one round, 3 s at the pace")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *quick {
		b.size, b.rounds, b.paced = 64<<20, 1, 3*time.Second
	}
	return b.run(ctx)
}

func makeLogs(args []string) error {
	size, c := byteSize(1<<30), gen.Config{}
	fs := flag.NewFlagSet("bench gen", flag.ContinueOnError)
	fs.StringVar(&c.Dir, "dir", "", "Ray's temp directory to make")
	fs.Var(&size, "size", "bytes of logs, like 64MiB")
	fs.Uint64Var(&c.Seed, "seed", 1, "what the logs are made of")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if c.Dir == "" {
		return errors.New("needs -dir DIR")
	}
	c.Size = int64(size)
	m, err := gen.Make(c)
	if err != nil {
		return err
	}
	fmt.Printf("%d files, %d lines, %d bytes in %s\n", m.Files, m.Lines, m.Bytes, filepath.Join(c.Dir, gen.Session))
	return nil
}

// byteSize is a flag like 64MiB.
type byteSize int64

func (b *byteSize) Set(s string) error {
	number, unit := strings.TrimRight(s, "KMGiB"), int64(1)
	switch s[len(number):] {
	case "", "B":
	case "KiB":
		unit = 1 << 10
	case "MiB":
		unit = 1 << 20
	case "GiB":
		unit = 1 << 30
	default:
		return errors.New("want a number and KiB, MiB or GiB")
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 {
		return errors.New("want a number and KiB, MiB or GiB")
	}
	*b = byteSize(n * unit)
	return nil
}

func (b *byteSize) String() string {
	if b == nil {
		return ""
	}
	switch n := int64(*b); {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprint(n>>30, "GiB")
	default:
		return fmt.Sprint(n>>20, "MiB")
	}
}
