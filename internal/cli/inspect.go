package cli

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/remora-ray/remora/internal/archive"
	"github.com/remora-ray/remora/internal/inspect"
)

// inspectCommand says what is in recorded sessions, with no server.
func (a *app) inspectCommand() *cobra.Command {
	output := newChoice("text", "json")
	all := false
	cmd := &cobra.Command{
		Use:   "inspect PATH…",
		Short: "Say what is in Ray sessions, offline: versions, nodes, jobs, actors, errors",
		Long: `Say what is in recorded Ray sessions: Ray's version, nodes and time span; files
by component with lines and bytes; the jobs, actors and workers seen; and errors,
by their first line. No server is needed.

PATH is a Ray temp directory or session directory, a .tar, .tar.gz or .tar.zst of
one or of several pods, or a folder of such archives with the output of
containers (container[.POD].log) and drivers (driverN.log) beside them.`,
		Example: `  remora inspect /tmp/ray
  remora inspect session.tar.zst session.worker-1.tar.zst
  remora inspect ./postmortem --output json | jq '.sessions[].errors'`,
		Args: atLeast(1, "the PATH of a Ray temp or session directory, or of an archive of one"),
		RunE: func(cmd *cobra.Command, paths []string) error { return a.inspect(paths, output.value, all) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "list every actor, worker and error, not the first few")
	output.add(cmd, "output", "how to print")
	return cmd
}

func (a *app) inspect(paths []string, output string, all bool) error {
	if err := exist(paths); err != nil {
		return err
	}
	s, err := inspect.Paths(paths, archive.Options{})
	if errors.Is(err, archive.ErrNoSession) {
		return &notFoundError{err}
	}
	if err != nil {
		return err
	}
	if output == "json" {
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	}
	out := a.out()
	if err := s.WriteText(out, inspect.TextOptions{Width: a.width, All: all}); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return out.Flush()
}
