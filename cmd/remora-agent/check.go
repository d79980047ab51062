package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"
)

const checkUsage = `remora-agent check tells what is wrong with a configuration file.

Usage:
  remora-agent check [flags] FILE

Each mistake is told with its file, line, column and key, all of them at once. Flags
and REMORA_* win over the file as they do when the agent runs. Nothing is connected to
and nothing is changed; values from the environment and from files are never shown.

Examples:
  remora-agent check /etc/remora/agent.yaml
  remora-agent check --state /tmp/x agent.yaml && echo good

Flags:
`

const checkNotes = `
Exit status: 0 the file is right, 1 it is not, 2 usage.
`

func check(p *process, args []string) int {
	o := &options{}
	fs := flag.NewFlagSet("check", flag.ContinueOnError)
	o.register(fs)
	fs.StringVar(&o.file, "config", "", "the `FILE`, where it is not the argument")
	rest, exit, done := p.arguments(fs, args, checkUsage, checkNotes)
	if done {
		return exit
	}
	if o.file == "" && len(rest) == 1 {
		o.file, rest = rest[0], nil
	}
	if o.file == "" || len(rest) > 0 {
		return p.usage("check", errors.New("give one file to check"))
	}
	o.environment(p.env)
	conf, err := o.load(p.env)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(p.stderr, strings.TrimSuffix(line, "\n"))
		}
		return exitFailed
	}
	fmt.Fprintf(p.stdout, "%s is right\n", o.file)
	for _, s := range conf.Sources {
		for i := range conf.Outputs {
			out := &conf.Outputs[i]
			if !out.Takes(s.Name) {
				continue
			}
			fmt.Fprintf(p.stdout, "  %s → %s (%s), positions in %s\n", s.Name, out.Name, out.Place(), conf.Dir(s.Name, out.Name))
		}
	}
	return exitDone
}
