// Command clients proves that programs made for Loki find nothing missing here:
// promtail and an OpenTelemetry collector follow files and push them, recorded
// pushes of Fluent Bit are sent again, and each sub-command of logcli is answered.
//
// It exits 0 only if every line that was pushed is there once and every answer is
// as expected.
//
//	go run ./test/e2e/clients -bin bin [-keep]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/remora-ray/remora/test/loopback"
)

type options struct {
	bin  string
	keep bool
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "directory that holds remora")
	flag.BoolVar(&o.keep, "keep", false, "keep the store and all output")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := prove(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "e2e-clients:", err)
		os.Exit(1) //nolint:gocritic // stop only restores signals
	}
}

// prove starts a server and lets each client have its turn.
func prove(ctx context.Context, o options) (err error) {
	peers, err := buildAll(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "remora-clients-")
	if err != nil {
		return err
	}
	defer func() {
		if o.keep || err != nil {
			fmt.Fprintln(os.Stderr, "e2e-clients: kept", dir)
			return
		}
		_ = os.RemoveAll(dir)
	}()
	addr, err := loopback.Address()
	if err != nil {
		return err
	}
	server, err := startProgram(dir, "server", filepath.Join(o.bin, "remora"), "server", "--data", filepath.Join(dir, "data"), "--listen", addr)
	if err != nil {
		return err
	}
	defer server.stop()
	s := &site{dir: dir, url: "http://" + addr}
	if err := s.await(ctx, 30*time.Second, "the server is ready", func() (bool, error) { return s.ready(ctx), nil }); err != nil {
		return err
	}
	var errs []error
	for _, step := range []struct {
		name string
		run  func(context.Context, *site) error
	}{
		{"promtail " + promtailVersion, func(ctx context.Context, s *site) error { return promtail(ctx, s, peers.promtail) }},
		{"OpenTelemetry collector " + collectorVersion, func(ctx context.Context, s *site) error { return collector(ctx, s, peers.collector) }},
		{"Fluent Bit, recorded", replayed},
		{"logcli " + lokiVersion, func(ctx context.Context, s *site) error { return logcli(ctx, s, peers.logcli) }},
	} {
		began := time.Now()
		err := step.run(ctx, s)
		verdict := "ok"
		if err != nil {
			verdict = "FAILED"
			errs = append(errs, fmt.Errorf("%s: %w", step.name, err))
		}
		fmt.Printf("%-42s %-7s %6.1f s  %s\n", step.name, verdict, time.Since(began).Seconds(), s.told)
		s.told = ""
	}
	return errors.Join(errs...)
}
