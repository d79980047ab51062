package cli

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that completes commands, flags and label names in a shell",
		Example: `  source <(remora completion bash)
  remora completion zsh > "${fpath[1]}/_remora"
  remora completion fish > ~/.config/fish/completions/remora.fish`,
		Args:      exactly(1, "the name of a shell: bash, zsh, fish or powershell"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			}
			return usagef("there is no completion for %q: want bash, zsh, fish or powershell", args[0])
		},
	}
}

var (
	// {component="worker",no▮ and {no▮
	openName = regexp.MustCompile(`^(.*[{,]\s*)([a-zA-Z_][a-zA-Z0-9_]*)?$`)
	// {component="wor▮
	openValue = regexp.MustCompile(`^(.*[{,]\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)\s*")([^"]*)$`)
)

// completeQuery offers label names and values of the last day inside a selector.
// A server that does not answer at once offers nothing.
func (a *app) completeQuery(flags *serverFlags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		c, err := flags.client(a)
		if len(args) > 0 || err != nil {
			return nil, directive
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 700*time.Millisecond)
		defer cancel()
		end := a.now()
		start := end.Add(-24 * time.Hour)
		if m := openValue.FindStringSubmatch(typed); m != nil {
			values, _ := c.LabelValues(ctx, m[2], start, end)
			return complete(m[1], m[3], values, `"`), directive
		}
		if typed == "" {
			typed = "{"
		}
		if m := openName.FindStringSubmatch(typed); m != nil {
			names, _ := c.LabelNames(ctx, start, end)
			return complete(m[1], m[2], names, `="`), directive
		}
		return nil, directive
	}
}

func complete(before, typed string, all []string, after string) []cobra.Completion {
	var out []cobra.Completion
	for _, s := range all {
		if strings.HasPrefix(s, typed) {
			out = append(out, before+s+after)
		}
	}
	return out
}
