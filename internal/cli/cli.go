// Package cli is the commands of the program remora, one file each: it turns
// flags into the configuration of a package that does the work, and results
// into text or JSON.
//
// Invariant: data goes to standard output and everything else to standard
// error; the exit status is 0 done, 1 failed, 2 usage, 3 nothing found where
// something was asked for by name.
package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Build is what the linker was told about this program; empty fields are read
// from the build information that Go puts into every binary.
type Build struct {
	Version, Commit string
}

// app is what the commands share: the outside world, replaceable in tests.
type app struct {
	build  Build
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string
	now    func() time.Time
	width  int  // of the terminal behind stdout; 0 where there is none
	live   bool // stderr is a terminal
}

// Main runs the command that args name, without the program's name, and returns
// the exit status. SIGINT and SIGTERM end it cleanly, a second one at once.
func Main(args []string, b Build) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	a := &app{
		build:  b.filled(),
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
		getenv: os.Getenv,
		now:    time.Now,
		width:  terminalWidth(os.Stdout),
		live:   term.IsTerminal(int(os.Stderr.Fd())),
	}
	return a.run(ctx, args)
}

func terminalWidth(f *os.File) int {
	if !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return a.report(cmd, err)
}

// root is the table of contents of the program.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "remora",
		Short: "Keeps every line that Ray clusters log",
		Long: `Remora keeps every line that Ray clusters log, also of those that are gone, and
answers questions about them in LogQL: with its own page, in Grafana, or here.

On one machine, "remora up" is all there is to it; "remora up --demo" shows it
with a recorded Ray session.`,
		Example: `  remora up --demo
  remora query '{component="worker"} |= "Traceback"' --since 2h
  remora inspect /tmp/ray`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		// Two letters wrong still make a suggestion.
		SuggestionsMinimumDistance: 2,
		RunE:                       a.bare,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{flagError(err)} })
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run:"},
		&cobra.Group{ID: "ask", Title: "Ask:"},
		&cobra.Group{ID: "files", Title: "Files:"},
		&cobra.Group{ID: "other", Title: "Other:"},
	)
	cobra.EnableCommandSorting = false // the order below is that of use
	for _, c := range []struct {
		group      string
		cmd        *cobra.Command
		takesFiles bool
	}{
		{"run", a.upCommand(), false},
		{"run", a.serverCommand(), false},
		{"ask", a.queryCommand(), false},
		{"ask", a.tailCommand(), false},
		{"files", a.inspectCommand(), true},
		{"files", a.importCommand(), true},
		{"files", a.exportCommand(), false},
		{"files", a.backupCommand(), true},
		{"files", a.restoreCommand(), true},
		{"other", a.versionCommand(), false},
		{"other", a.completionCommand(), false},
	} {
		c.cmd.GroupID = c.group
		c.cmd.Flags().SortFlags = false
		if c.cmd.ValidArgsFunction == nil && !c.takesFiles {
			c.cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		root.AddCommand(c.cmd)
	}
	root.SetHelpCommandGroupID("other")
	root.SetHelpTemplate(helpTemplate)
	return root
}

const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{.UsageString}}
Exit status: 0 done, 1 failed, 2 usage, 3 nothing found where something was
asked for by name.
`

// bare answers "remora" without a command, and with one that does not exist.
func (a *app) bare(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	msg := fmt.Sprintf("there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		msg += fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usagef("%s", msg)
}

// flagError says what is wrong with a number in words of our own.
func flagError(err error) error {
	var number *strconv.NumError
	if !errors.As(err, &number) {
		return err
	}
	text, _, _ := strings.Cut(err.Error(), ": strconv.")
	return fmt.Errorf("%s: want a number", text)
}

// notice writes a line for the user, not for the next program.
func (a *app) notice(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}

// out returns a buffered standard output.
func (a *app) out() *bufio.Writer { return bufio.NewWriterSize(a.stdout, 64<<10) }
