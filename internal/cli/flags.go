package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/store"
)

// serverFlags say which server a command asks and as whom.
type serverFlags struct {
	addr, tenant, tokenFile string
}

func (f *serverFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.addr, "addr", "", "address of the server (REMORA_ADDR; default "+client.DefaultAddr+")")
	fs.StringVar(&f.tenant, "tenant", "", "tenant to ask for (REMORA_TENANT; default that of the server)")
	fs.StringVar(&f.tokenFile, "token-file", "", "file that holds the token to show (or REMORA_TOKEN, the token itself)")
}

// client returns a client for the flags, else the environment, else the default.
func (f *serverFlags) client(a *app) (*client.Client, error) {
	cfg := client.Config{
		Addr:      first(f.addr, a.getenv("REMORA_ADDR"), client.DefaultAddr),
		Tenant:    first(f.tenant, a.getenv("REMORA_TENANT")),
		Token:     a.getenv("REMORA_TOKEN"),
		UserAgent: "remora/" + a.build.Version,
	}
	if f.tokenFile != "" {
		token, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("read token: %w", err)
		}
		cfg.Token = strings.TrimSpace(string(token))
	}
	if cfg.Tenant != "" {
		for t := range strings.SplitSeq(cfg.Tenant, "|") {
			if err := store.ValidTenant(t); err != nil {
				return nil, &usageError{err}
			}
		}
	}
	c, err := client.New(cfg)
	if err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

// first returns the first of its arguments that is not empty.
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// choice is a flag with a few allowed values, the first being the default.
type choice struct {
	value   string
	allowed []string
}

func newChoice(allowed ...string) *choice { return &choice{allowed[0], allowed} }

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return strings.Join(c.allowed, "|") }

func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("want %s", strings.Join(c.allowed, " or "))
	}
	c.value = s
	return nil
}

// add puts the choice on a command, with completion of its values.
func (c *choice) add(cmd *cobra.Command, name, usage string) {
	cmd.Flags().Var(c, name, usage)
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(c.allowed, cobra.ShellCompDirectiveNoFileComp))
}
