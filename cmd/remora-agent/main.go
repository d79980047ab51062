// Command remora-agent follows the log files of a Ray node and sends each line to
// a Remora server, or to a Loki, once. It links no Kubernetes client and no store.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/remora-ray/remora/internal/agent/config"
	"github.com/remora-ray/remora/internal/agent/convert"
	"github.com/remora-ray/remora/internal/agent/install"
)

// Set by the linker: -X main.version=… -X main.commit=….
var version, commit string

// Exit status.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// process is what a command has of its process.
type process struct {
	env            func(string) (string, bool)
	stdin          io.Reader
	stdout, stderr io.Writer
}

// command is a word behind remora-agent.
type command struct {
	name  string
	about string
	main  func(p *process, args []string) int // gets what is behind the word, returns the exit status
}

// commands are all there are. The first runs where none is named.
func commands() []command {
	return []command{
		{"run", "follow log files and send each line once (what happens without a command)", run},
		{"check", "tell what is wrong with a configuration", check},
		{"try", "show what would be sent of log files, and what not", try},
		{"status", "ask the running agent how it stands", status},
		{"pipe", "send what a program writes to it, each line once", pipes},
		{"convert", "turn a configuration of Fluent Bit or Grafana Alloy into the agent's own", elsewhere(convert.Main)},
		{"install", "make the agent a service of systemd", elsewhere(install.Main)},
		{"reference", "print all there is to configure", reference},
		{"version", "print the version", printVersion},
	}
}

// elsewhere makes a command of a package's Main.
func elsewhere(main func(args []string, stdin io.Reader, stdout, stderr io.Writer) int) func(*process, []string) int {
	return func(p *process, args []string) int { return main(args, p.stdin, p.stdout, p.stderr) }
}

func main() {
	p := &process{os.LookupEnv, os.Stdin, os.Stdout, os.Stderr}
	os.Exit(p.main(os.Args[1:]))
}

func (p *process) main(args []string) int {
	all := commands()
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		if len(args) == 1 && args[0] == "--version" {
			args = nil
			return printVersion(p, args)
		}
		return all[0].main(p, args)
	}
	name, rest := args[0], args[1:]
	if name == "help" {
		if len(rest) == 0 {
			return all[0].main(p, []string{"--help"})
		}
		name, rest = rest[0], []string{"--help"}
	}
	names := []string{"help"}
	for _, c := range all {
		if c.name == name {
			return c.main(p, rest)
		}
		names = append(names, c.name)
	}
	return p.usage("", fmt.Errorf("unknown command %q, did you mean %q?", name, nearest(name, names)))
}

// usage tells of a wrong use of a command and returns its exit status.
func (p *process) usage(name string, err error) int {
	p.tell(err)
	fmt.Fprintf(p.stderr, "Try: remora-agent %s\n", strings.TrimSpace(name+" --help"))
	return exitUsage
}

// tell writes an error, each of several on a line of its own.
func (p *process) tell(err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(p.stderr, "remora-agent: %s\n", strings.TrimSuffix(line, "\n"))
	}
}

// arguments parses flags and returns what is none; flags may stand behind it. done
// says that the command is over, with that exit status: help was asked for, or the
// arguments are wrong.
func (p *process) arguments(fs *flag.FlagSet, args []string, before, after string) (rest []string, exit int, done bool) {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	for {
		err := fs.Parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp):
			var flags strings.Builder
			fs.SetOutput(&flags)
			fs.PrintDefaults()
			fmt.Fprint(p.stdout, before, strings.ReplaceAll("\n"+flags.String(), "\n  -", "\n  --")[1:], after)
			return nil, exitDone, true
		case err != nil:
			name := fs.Name()
			if name == "run" {
				name = ""
			}
			return nil, p.usage(name, hint(fs, err)), true
		case fs.NArg() == 0:
			return rest, 0, false
		case len(args) > fs.NArg() && args[len(args)-fs.NArg()-1] == "--":
			return append(rest, fs.Args()...), 0, false
		}
		rest, args = append(rest, fs.Arg(0)), fs.Args()[1:]
	}
}

// hint adds the nearest flag to the error about an unknown one.
func hint(fs *flag.FlagSet, err error) error {
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return err
	}
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return fmt.Errorf("unknown flag --%s, did you mean --%s?", name, nearest(name, names))
}

func nearest(name string, known []string) string {
	best, least := "", 1<<30
	for _, k := range known {
		if d := config.Distance(name, k); d < least {
			best, least = k, d
		}
	}
	return best
}

func printVersion(p *process, _ []string) int {
	fmt.Fprintln(p.stdout, "remora-agent", or(version, "dev"), or(commit, "unknown"))
	return exitDone
}

func reference(p *process, args []string) int {
	fs := flag.NewFlagSet("reference", flag.ContinueOnError)
	const about = "remora-agent reference prints all there is to configure, in Markdown.\n\nUsage:\n  remora-agent reference\n\n" +
		"Examples:\n  remora-agent reference | less\n\nExit status: 0 done, 2 usage.\n"
	rest, exit, done := p.arguments(fs, args, about, "")
	if done {
		return exit
	}
	if len(rest) > 0 {
		return p.usage("reference", fmt.Errorf("unexpected argument %q", rest[0]))
	}
	fmt.Fprint(p.stdout, config.Reference())
	return exitDone
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
