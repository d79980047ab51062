package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/remora-ray/remora/internal/agent"
	"github.com/remora-ray/remora/internal/agent/config"
	"github.com/remora-ray/remora/internal/agent/fleet"
	"github.com/remora-ray/remora/internal/agent/pipe"
	"github.com/remora-ray/remora/internal/logs"
)

const pipeUsage = `remora-agent pipe sends what it reads from standard input, each line once.

Usage:
  COMMAND 2>&1 | remora-agent pipe --url URL [flags]
  COMMAND 2>&1 | remora-agent pipe --config FILE [flags]

Examples:
  RAY_LOG_TO_STDERR=1 ray start --head --block 2>&1 | remora-agent pipe --url http://logs:3100 --tee
  python train.py 2>&1 | remora-agent pipe --url http://logs:3100 --label job=train
  python train.py 2>&1 | remora-agent pipe --config /etc/remora/agent.yaml

Lines wait in files below the state directory until every output has acknowledged
them; where those are full, standard input is read no faster than the slowest output
takes lines. Of a Ray that runs with RAY_LOG_TO_STDERR=1 each line gets the component
that it names.

Flags:
`

const pipeNotes = `
Flags win over the environment (REMORA_URL, REMORA_TENANT, REMORA_CLUSTER,
REMORA_NAMESPACE, REMORA_POD, REMORA_POD_UID, REMORA_CONTAINER, REMORA_NODE_TYPE,
REMORA_GROUP, REMORA_TOKEN_FILE), the environment over the file of --config. Of that
file counts what is to be done with lines and where they go: its pipeline, its labels
and metadata, and its outputs, of those that name their sources the ones that name
stdin. Its sources, state and listen do not matter here. Time stamps without a zone are
read in the zone of TZ.

It ends when standard input has ended and everything is acknowledged, or when nothing
was acknowledged for --drain-timeout then, or that time after SIGTERM. The rest waits
in the state directory for the next run with the same one.

Exit status: 0 done, 1 failed or not everything was acknowledged, 2 usage or a wrong
configuration.
`

// pipeOptions are those of a pipe alone.
type pipeOptions struct {
	options
	state            string
	labels, metadata logs.Labels
	tee              bool
	most             int64
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

// size is a number of bytes, which may have a unit.
type size struct{ to *int64 }

func (s size) String() string { return "" }

func (s size) Set(text string) error {
	n, err := config.ParseSize(text)
	*s.to = int64(n)
	return err
}

// notPiped are settings that say nothing of a pipe, or another thing.
var notPiped = []string{"ray-root", "listen", "scan-interval", "readers", "max-open", "hold-bytes", "state"}

func (o *pipeOptions) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("pipe", flag.ContinueOnError)
	o.register(fs, notPiped...)
	fs.StringVar(&o.file, "config", "", "YAML `FILE` that says what is done with lines and where they go")
	fs.StringVar(&o.state, "state", "", "`DIR` for lines that wait and positions (default one for this run alone, removed when all is acknowledged)")
	fs.Var(pairs{&o.labels}, "label", "stream label `NAME=VALUE` of every line; may be given again")
	fs.Var(pairs{&o.metadata}, "metadata", "structured metadata `NAME=VALUE` of every line; may be given again")
	fs.BoolVar(&o.tee, "tee", false, "copy standard input to standard output, unchanged")
	fs.Var(size{&o.most}, "spool-bytes", "`SIZE` of lines that may wait on disk (default 256MiB)")
	return fs
}

// piped changes a configuration to one of a pipe.
func (o *pipeOptions) piped(c *config.Config) error {
	c.State = or(o.state, ".") // or one that is made later
	if _, given := o.given["log-level"]; !given && o.file == "" {
		c.LogLevel = slog.LevelWarn
	}
	for i := range c.Outputs {
		if out := &c.Outputs[i]; o.tee && out.Stdout != nil && out.Takes(config.Stdin) {
			return fmt.Errorf("--tee and an output to standard output (%s) write to the same place: give one of them", or(out.Name, "stdout"))
		}
	}
	c.Labels, c.Metadata = config.AddedTo(c.Labels, o.labels), config.AddedTo(c.Metadata, o.metadata)
	return nil
}

func pipes(p *process, args []string) int {
	o := &pipeOptions{}
	rest, exit, done := p.arguments(o.flags(), args, pipeUsage, pipeNotes)
	switch {
	case done:
		return exit
	case len(rest) > 0:
		return p.usage("pipe", fmt.Errorf("unexpected argument %q: everything is a flag", rest[0]))
	case o.most != 0 && o.most < 1<<20:
		return p.usage("pipe", errors.New("--spool-bytes must be 1MiB or more"))
	}
	o.environment(p.env)
	conf, err := config.LoadAs(o.file, translated, p.env, o.apply, o.piped)
	if err != nil {
		return p.usage("pipe", err)
	}
	if err := o.run(p, conf); err != nil {
		p.tell(err)
		return exitFailed
	}
	return exitDone
}

// run reads standard input, with a state directory made where none is named.
func (o *pipeOptions) run(p *process, conf *config.Config) error {
	dir := o.state
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "remora-agent-pipe-"); err != nil {
			return fmt.Errorf("make a state directory: %w (name one with --state)", err)
		}
	}
	conf.State = dir
	log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: conf.LogLevel}))
	outputs, err := fleet.Piped(conf, fleet.Options{Version: or(version, "dev"), Logger: log, Output: p.stdout})
	if err != nil {
		return err
	}
	if len(outputs) == 0 {
		return errors.New("no output takes standard input: name stdin in the sources of one, or leave them out")
	}
	run := &pipe.Pipe{State: dir, Outputs: outputs, Input: p.stdin, Most: o.most, Drain: conf.DrainTimeout, Logger: log}
	if o.tee {
		run.Tee = p.stdout
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	switch err := run.Run(ctx); {
	case err == nil && o.state == "":
		return os.RemoveAll(dir)
	case o.state == "" && errors.Is(err, agent.ErrIncomplete):
		return fmt.Errorf("%w; send them with: remora-agent pipe --state %s < /dev/null", err, dir)
	default:
		return err
	}
}
