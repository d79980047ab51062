package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	output := newChoice("text", "json")
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  remora version\n  remora version --output json",
		Args:    exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output.value == "json" {
				return json.NewEncoder(a.stdout).Encode(map[string]string{
					"version": a.build.Version, "commit": a.build.Commit,
					"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
				})
			}
			_, err := fmt.Fprintf(a.stdout, "remora %s (commit %s, %s, %s/%s)\n",
				a.build.Version, a.build.Commit[:min(12, len(a.build.Commit))], runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	output.add(cmd, "output", "how to print")
	return cmd
}

// filled replaces what the linker was not told by what Go knows of the build.
func (b Build) filled() Build {
	info, ok := debug.ReadBuildInfo()
	if ok && b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	if b.Commit == "" && ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	b.Version = first(b.Version, "devel")
	b.Commit = first(b.Commit, "unknown")
	return b
}
