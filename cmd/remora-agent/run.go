package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/remora-ray/remora/internal/agent/config"
	"github.com/remora-ray/remora/internal/agent/fleet"
)

const runUsage = `remora-agent follows the log files of a Ray node and sends each line once.

Usage:
  remora-agent [run] --url URL --state DIR [flags]
  remora-agent [run] --config FILE [flags]
  remora-agent COMMAND [--help]

Commands:
`

const runExamples = `
Examples:
  remora-agent --url http://logs:3100 --state /var/lib/remora-agent
  remora-agent --ray-root /tmp/ray --url http://logs:3100 --state ./state --cluster my-cluster --tenant team-a
  remora-agent --config /etc/remora/agent.yaml
  remora-agent --ray-root /tmp/ray --url - --state ./state --once > lines.json

Flags:
`

const runNotes = `
Flags win over the environment (REMORA_URL, REMORA_TENANT, REMORA_CLUSTER,
REMORA_NAMESPACE, REMORA_POD, REMORA_POD_UID, REMORA_CONTAINER, REMORA_NODE_TYPE,
REMORA_GROUP, REMORA_TOKEN_FILE), the environment over the file of --config. What may
stand in the file: remora-agent reference. Time stamps without a zone are read in the
zone of TZ.

The file is read again when it changes, on SIGHUP, and on POST /-/reload from the same
machine. One with a mistake changes nothing; "remora-agent check FILE" tells it before.

SIGTERM reads on until the files are quiet and everything is acknowledged, at most
for --drain-timeout; a second signal ends at once. Nothing is lost either way: the
next run goes on where the last acknowledgement was.

Exit status: 0 done, 1 failed or (at the end, or with --once) not everything was
acknowledged, 2 usage or a wrong configuration.
`

func run(p *process, args []string) int {
	o := &options{}
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	o.register(fs)
	fs.StringVar(&o.file, "config", "", "YAML `FILE` to configure the agent by")
	fs.BoolVar(&o.once, "once", false, "read all that is there to its end, deliver it, and exit")
	fs.Bool("version", false, "print the version and exit")
	rest, exit, done := p.arguments(fs, args, runHelp(), runNotes)
	switch {
	case done:
		return exit
	case fs.Lookup("version").Value.String() == "true":
		return printVersion(p, nil)
	case len(rest) > 0:
		return p.usage("", fmt.Errorf("unexpected argument %q: everything is a flag", rest[0]))
	}
	o.environment(p.env)
	conf, err := o.load(p.env)
	if err != nil {
		return p.usage("", err)
	}
	if err := p.serve(o, conf); err != nil {
		p.tell(err)
		leaveWord(err)
		return exitFailed
	}
	return exitDone
}

// terminationLog is where Kubernetes takes a container's last words from; nothing is
// there elsewhere.
var terminationLog = "/dev/termination-log"

// leaveWord says to Kubernetes why the agent failed, and so how much it left unsent.
func leaveWord(err error) {
	if f, e := os.OpenFile(terminationLog, os.O_WRONLY|os.O_TRUNC, 0); e == nil {
		_, _ = f.WriteString(err.Error()) // standard error has it too
		_ = f.Close()
	}
}

func runHelp() string {
	s := runUsage
	for _, c := range commands() {
		s += fmt.Sprintf("  %-10s %s\n", c.name, c.about)
	}
	return s + runExamples
}

// serve runs the agent until a signal or, with --once, to the end.
func (p *process) serve(o *options, conf *config.Config) error {
	level := &slog.LevelVar{}
	level.Set(conf.LogLevel)
	log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
	slog.SetDefault(log)
	p.boundMemory(conf.Engines())

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once; the state is safe at any moment.
	context.AfterFunc(ctx, stop)
	f := fleet.Options{Once: o.once, Version: or(version, "dev"), Logger: log, Level: level, Output: p.stdout}
	if o.file != "" {
		hangup := make(chan os.Signal, 1)
		signal.Notify(hangup, syscall.SIGHUP)
		defer signal.Stop(hangup)
		f.Hangup = hangup
		f.Load = func() (*config.Config, error) { return o.load(p.env) }
	}
	return fleet.Run(ctx, conf, f)
}
