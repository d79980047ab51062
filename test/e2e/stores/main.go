// Command stores asks the same questions of the same lines of each kind of store
// that a server may keep its lines in: the one in its own process, VictoriaLogs of
// one process, a VictoriaLogs cluster of two storage nodes, and Loki. It runs the
// load, ask, expect scripts of the language and a few things beside it, and prints
// a table of what each kind holds.
//
// It exits 0 only if every difference is one that differences.go names.
//
//	go run ./test/e2e/stores -bin bin [-run REGEXP] [-keep]
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
)

type options struct {
	bin     string
	scripts string
	run     *regexp.Regexp
	keep    bool
	verbose bool
}

func main() {
	var o options
	run := flag.String("run", "", "only the kinds of store that match")
	flag.StringVar(&o.bin, "bin", "bin", "directory that holds remora")
	flag.StringVar(&o.scripts, "scripts", "internal/logql/testdata/*.txt", "the scripts")
	flag.BoolVar(&o.keep, "keep", false, "keep the stores and all output")
	flag.BoolVar(&o.verbose, "v", false, "show each difference, the named ones too")
	flag.Parse()
	var err error
	if o.run, err = regexp.Compile(*run); err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = prove(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e-stores:", err)
		os.Exit(1) //nolint:gocritic // stop only restores signals
	}
}

func prove(ctx context.Context, o options) (err error) {
	programs, err := buildPrograms(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "remora-stores-")
	if err != nil {
		return err
	}
	defer func() {
		if o.keep || err != nil {
			fmt.Fprintln(os.Stderr, "e2e-stores: kept", dir)
			return
		}
		_ = os.RemoveAll(dir)
	}()
	var results []*result
	var errs []error
	for _, k := range kinds {
		if !o.run.MatchString(k.name) {
			continue
		}
		r, err := k.prove(ctx, o, programs, filepath.Join(dir, k.dir))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", k.name, err))
			continue
		}
		results = append(results, r)
		errs = append(errs, r.failures...)
	}
	printTable(os.Stdout, results)
	return errors.Join(errs...)
}
