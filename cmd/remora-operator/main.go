// Command remora-operator runs Ray clusters on Kubernetes from the RayClusters that
// people have, with the log agent in every pod.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
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
	os.Exit(command(ctrl.SetupSignalHandler(), os.Args[1:], os.Stdout, os.Stderr))
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	if err != nil {
		fmt.Fprintf(stderr, "remora-operator: %v\nTry: remora-operator --help\n", err)
		return exitUsage
	}
	if o.version {
		fmt.Fprintf(stdout, "remora-operator %s %s\n", own(), commit)
		return exitDone
	}
	handler := slog.NewJSONHandler(stderr, nil)
	ctrl.SetLogger(logr.FromSlogHandler(handler))
	config, err := ctrl.GetConfig()
	if err == nil {
		config.QPS, config.Burst = float32(o.qps), o.burst
		config.UserAgent = "remora-operator/" + own()
		if o.logsOnly {
			err = runLogsOnly(ctx, config, o)
		} else {
			err = run(ctx, config, o)
		}
	}
	if err != nil {
		slog.New(handler).Error("ended", "error", err)
		return exitFailed
	}
	return exitDone
}

// own is this program's version. It is written on heads, so that a head of another
// version is known.
func own() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
