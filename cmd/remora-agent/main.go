// Command remora-agent follows the log files of a Ray node and sends each line to
// a Remora server, or to a Loki, once. It links no Kubernetes client and no store.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/remora-ray/remora/internal/agent"
)

// Set by the linker: -X main.version=… -X main.commit=….
var version, commit string

// Exit status.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

func run(args []string, env func(string) string, stdout, stderr io.Writer) int {
	o, err := parse(args, env, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		fmt.Fprintf(stderr, "remora-agent: %v\nTry: remora-agent --help\n", err)
		return exitUsage
	case o.version:
		fmt.Fprintln(stdout, "remora-agent", or(version, "dev"), or(commit, "unknown"))
		return exitDone
	}
	if err := o.conf.Check(); err != nil {
		fmt.Fprintf(stderr, "remora-agent: %v\nTry: remora-agent --help\n", err)
		return exitUsage
	}
	if err := serve(o, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "remora-agent: %v\n", err)
		return exitFailed
	}
	return exitDone
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// serve runs the agent until a signal or, with --once, to the end.
func serve(o *options, stdout, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: o.level}))
	slog.SetDefault(log)
	boundMemory()

	registry := prometheus.NewRegistry()
	conf := o.conf
	conf.Logger, conf.Registerer, conf.Output, conf.Version = log, registry, stdout, or(version, "dev")
	h := &probes{gatherer: registry}
	conf.Health = h.set

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once; the state is safe at any moment.
	context.AfterFunc(ctx, stop)

	if o.listen != "" && !conf.Once {
		l, err := net.Listen("tcp", o.listen)
		if err != nil {
			return fmt.Errorf("listen for metrics and probes: %w (choose another address with --listen, or --listen '' for none)", err)
		}
		defer h.serve(l)()
		log.Info("listening", "addr", l.Addr().String(), "paths", "/metrics /healthz /readyz")
	}
	return agent.Run(ctx, conf)
}

// boundMemory keeps the heap small unless the environment says otherwise: the
// agent lives beside somebody else's work.
func boundMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(48 << 20)
	}
}
