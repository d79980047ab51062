package convert

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

const usage = `remora-agent convert turns a configuration of Fluent Bit or Grafana Alloy into the agent's own.

Usage:
  remora-agent convert [--output FILE] FILE

FILE is fluent-bit.conf, fluent-bit.yaml or config.alloy; - reads standard input.
The YAML goes to standard output, or to the FILE of --output, with a comment for each
setting: kept, changed with the reason, or not carried. What was changed and not
carried also goes to standard error.

Examples:
  remora-agent convert /fluent-bit/etc/fluent-bit.conf > agent.yaml
  remora-agent convert --output /etc/remora/agent.yaml config.alloy

Flags:
`

// Exit status of Main.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main runs "remora-agent convert" with the arguments behind that word and returns
// its exit status: 0 done, 1 failed, 2 usage.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("convert", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	output := fs.String("output", "-", "`FILE` to write; - is standard output")
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		var flags strings.Builder
		fs.SetOutput(&flags)
		fs.PrintDefaults()
		fmt.Fprint(stdout, usage, strings.ReplaceAll("\n"+flags.String(), "\n  -", "\n  --")[1:], "\nExit status: 0 done, 1 failed, 2 usage.\n")
		return exitDone
	case err == nil && fs.NArg() != 1:
		err = fmt.Errorf("give one file to convert, not %d", fs.NArg())
	}
	if err != nil {
		fmt.Fprintf(stderr, "remora-agent convert: %v\nTry: remora-agent convert --help\n", err)
		return exitUsage
	}
	if err := run(fs.Arg(0), *output, stdin, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "remora-agent convert: %v\n", err)
		return exitFailed
	}
	return exitDone
}

func run(name, output string, stdin io.Reader, stdout, stderr io.Writer) error {
	text, name, err := read(name, stdin)
	if err != nil {
		return err
	}
	out, notes, err := Convert(name, text)
	if err != nil {
		return err
	}
	for _, n := range notes {
		if n.Fate != Kept {
			fmt.Fprintln(stderr, n)
		}
	}
	if output == "-" {
		_, err = stdout.Write(out)
		return err
	}
	// It may hold the secrets of the file it was made from.
	return os.WriteFile(output, out, 0o600)
}

// read reads the file, or standard input.
func read(name string, stdin io.Reader) ([]byte, string, error) {
	if name == "-" {
		var b bytes.Buffer
		if _, err := io.Copy(&b, io.LimitReader(stdin, maxFile+1)); err != nil {
			return nil, "", fmt.Errorf("read standard input: %w", err)
		}
		return b.Bytes(), "stdin", nil
	}
	text, err := (&files{}).open(name)
	if err != nil {
		return nil, "", errors.New(strings.TrimPrefix(err.Error(), "stat "))
	}
	return text, name, nil
}
