package cli

import (
	"context"

	"github.com/spf13/cobra"
)

// serverCommand runs a server until it is told to end.
func (a *app) serverCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run a server: Loki's API, the page, and the store behind them",
		Long: `Run a server that takes lines from agents and other clients of Loki's push API,
keeps them, and answers Loki's query API. Its page is at /, its figures for
Prometheus at /metrics.

It ends on SIGINT and SIGTERM once everything is on disk.`,
		Example: `  remora server --data /var/lib/remora
  remora server --data /var/lib/remora --listen :3100 --auth /etc/remora/tokens
  remora server --data /var/lib/remora --listen :3100 --no-auth --retention 30d`,
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), &f) },
	}
	cmd.Flags().StringVar(&f.cert, "tls-cert", "", "certificate to serve TLS with, in PEM; read again when it changes")
	cmd.Flags().StringVar(&f.key, "tls-key", "", "its key")
	f.add(cmd, "", "directory to keep the lines in; made where it is not there", "info")
	return cmd
}

func (a *app) serve(ctx context.Context, f *serveFlags) error {
	if f.data == "" {
		return usagef("needs a directory to keep the lines in: --data DIR")
	}
	if err := f.check(); err != nil {
		return err
	}
	log := f.logger(a.stderr)
	s, err := f.open(a, log, newRegistry())
	if err != nil {
		return err
	}
	log.Info("serving", "url", s.url, "data", f.data, "version", a.build.Version)
	select {
	case <-ctx.Done():
		log.Info("ending")
	case <-s.ended: // by itself
	}
	if err := s.close(); err != nil {
		return err
	}
	log.Info("ended")
	return nil
}
