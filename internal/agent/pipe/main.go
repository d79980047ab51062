package pipe

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/remora-ray/remora/internal/agent"
	"github.com/remora-ray/remora/internal/logs"
)

// Exit status.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `remora-agent pipe sends what it reads from standard input, each line once.

Usage:
  COMMAND 2>&1 | remora-agent pipe --url URL [flags]

Examples:
  RAY_LOG_TO_STDERR=1 ray start --head --block 2>&1 | remora-agent pipe --url http://logs:3100 --tee
  python train.py 2>&1 | remora-agent pipe --url http://logs:3100 --label job=train

Lines wait in files below the state directory until they are acknowledged; where
those are full, standard input is read no faster than the server takes lines. Of a
Ray that runs with RAY_LOG_TO_STDERR=1 each line gets the component that it names.

Flags:
`

const notes = `
In the environment: REMORA_URL, REMORA_TENANT, REMORA_CLUSTER, REMORA_NAMESPACE,
REMORA_POD, REMORA_POD_UID, REMORA_CONTAINER, REMORA_NODE_TYPE, REMORA_GROUP,
REMORA_TOKEN_FILE. Flags win. Time stamps without a zone are read in the zone of TZ.

It ends when standard input has ended and everything is acknowledged, or when nothing
was acknowledged for --drain-timeout then, or that time after SIGTERM. The rest waits
in the state directory for the next run with the same one.

Exit status: 0 done, 1 failed or not everything was acknowledged, 2 usage.
`

// options is what flags and environment say.
type options struct {
	pipe  Pipe
	tee   bool
	level slog.Level
}

// pairs are labels given as NAME=VALUE.
type pairs struct{ to *logs.Labels }

func (p pairs) String() string { return "" }

func (p pairs) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || !logs.ValidName(name) {
		return fmt.Errorf("%q is not NAME=VALUE, a name being letters, digits and _", s)
	}
	*p.to = logs.Normalize(append(*p.to, logs.Label{Name: name, Value: value}))
	return nil
}

// size is a number of bytes, which may end in KiB, MiB or GiB.
type size struct{ to *int64 }

func (s size) String() string { return "" }

func (s size) Set(text string) error {
	unit := int64(1)
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if t, ok := strings.CutSuffix(text, suffix); ok {
			text, unit = t, n
		}
	}
	var n int64
	if _, err := fmt.Sscanf(text+";", "%d;", &n); err != nil || n < 1 || n > 1<<50/unit {
		return errors.New("give a number of bytes, such as 256MiB")
	}
	*s.to = n * unit
	return nil
}

func flags(o *options, env func(string) string) *flag.FlagSet {
	fs := flag.NewFlagSet("remora-agent pipe", flag.ContinueOnError)
	c := &o.pipe.Conf
	text := func(to *string, name, variable, help string) { fs.StringVar(to, name, env(variable), help) }
	text(&c.URL, "url", "REMORA_URL", "`URL` of the server, http://HOST:PORT, or - for JSON lines on standard output")
	text(&c.Tenant, "tenant", "REMORA_TENANT", "`NAME` of the tenant, sent as X-Scope-OrgID")
	text(&c.TokenFile, "token-file", "REMORA_TOKEN_FILE", "`FILE` that holds a bearer token, read again for each request")
	text(&c.Node.Cluster, "cluster", "REMORA_CLUSTER", "`NAME` of the cluster (default the host's name)")
	text(&c.Node.Namespace, "namespace", "REMORA_NAMESPACE", "Kubernetes `NAMESPACE`")
	text(&c.Node.Pod, "pod", "REMORA_POD", "`NAME` of the pod")
	text(&c.PodUID, "pod-uid", "REMORA_POD_UID", "`UID` of the pod")
	text(&c.Node.Container, "container", "REMORA_CONTAINER", "`NAME` of the container")
	text(&c.Node.Type, "node-type", "REMORA_NODE_TYPE", "head or worker")
	text(&c.Node.Group, "group", "REMORA_GROUP", "`NAME` of the worker group")
	fs.StringVar(&c.State, "state", "", "`DIR` for lines that wait and positions (default one for this run alone, removed when all is acknowledged)")
	fs.Var(pairs{&c.Labels}, "label", "stream label `NAME=VALUE` of every line; may be given again")
	fs.Var(pairs{&c.Metadata}, "metadata", "structured metadata `NAME=VALUE` of every line; may be given again")
	fs.BoolVar(&o.tee, "tee", false, "copy standard input to standard output, unchanged")
	fs.Var(size{&o.pipe.Most}, "spool-bytes", "`BYTES` of lines that may wait on disk (default 256MiB)")
	fs.DurationVar(&c.DrainTimeout, "drain-timeout", 25*time.Second, "longest time to wait for the server after the end of standard input, or to go on after SIGTERM")
	fs.TextVar(&o.level, "log-level", slog.LevelWarn, "debug, info, warn or error; to standard error")
	return fs
}

func read(args []string, env func(string) string, stdout io.Writer) (*options, error) {
	o := &options{}
	fs := flags(o, env)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stdout, usage)
			fs.SetOutput(stdout)
			fs.PrintDefaults()
			fmt.Fprint(stdout, notes)
		}
		return nil, err
	}
	switch {
	case fs.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case o.tee && o.pipe.Conf.URL == "-":
		return nil, errors.New("--tee and --url - both write to standard output: give one of them")
	case o.pipe.Conf.DrainTimeout <= 0:
		return nil, errors.New("--drain-timeout must be more than nothing")
	case o.pipe.Most != 0 && o.pipe.Most < 1<<20:
		return nil, errors.New("--spool-bytes must be 1MiB or more")
	}
	check := o.pipe.Conf
	if check.State == "" {
		check.State = "."
	}
	return o, check.Check()
}

// Main is the command `remora-agent pipe`: it reads in until it ends or SIGTERM
// comes, and returns the exit status.
func Main(args []string, version string, env func(string) string, in io.Reader, stdout, stderr io.Writer) int {
	o, err := read(args, env, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		fmt.Fprintf(stderr, "remora-agent pipe: %v\nTry: remora-agent pipe --help\n", err)
		return exitUsage
	}
	p := &o.pipe
	p.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: o.level}))
	p.Input, p.Conf.Output, p.Conf.Version = in, stdout, version
	if o.tee {
		p.Tee = stdout
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, p); err != nil {
		fmt.Fprintf(stderr, "remora-agent pipe: %v\n", err)
		return exitFailed
	}
	return exitDone
}

// run makes a state directory where none is named.
func run(ctx context.Context, p *Pipe) error {
	if p.Conf.State != "" {
		return p.Run(ctx)
	}
	dir, err := os.MkdirTemp("", "remora-agent-pipe-")
	if err != nil {
		return fmt.Errorf("make a state directory: %w (name one with --state)", err)
	}
	p.Conf.State = dir
	if err := p.Run(ctx); err != nil {
		if errors.Is(err, agent.ErrIncomplete) {
			return fmt.Errorf("%w; send them with: remora-agent pipe --state %s < /dev/null", err, dir)
		}
		return err
	}
	return os.RemoveAll(dir)
}
