package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/remora-ray/remora/internal/agent"
	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/store"
)

// upCommand runs everything that one machine needs.
func (a *app) upCommand() *cobra.Command {
	u := upping{app: a}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run server and agent for the Ray on this machine",
		Long: `Run a server and an agent in one process: everything that Ray on this machine
logs below --ray-root is kept, also of sessions that ended, and can be asked for
on the page and with "remora query". Ray may be started before or after.

With --demo a recorded Ray session is played instead, in a directory of its own:
four jobs, three of which fail.`,
		Example: `  remora up
  remora up --ray-root /mnt/ray --data /mnt/remora --cluster train
  remora up --demo
  remora up --demo --once`,
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error { return u.run(cmd) },
	}
	fs := cmd.Flags()
	fs.StringVar(&u.rayRoot, "ray-root", "/tmp/ray", "Ray's temp directory, that holds session_* directories")
	fs.StringVar(&u.cluster, "cluster", "", "name of the cluster on each line (default this machine's name)")
	fs.StringVar(&u.tenant, "tenant", "", "tenant to keep the lines for (REMORA_TENANT; default that of the server)")
	u.serve.add(cmd, "", "directory to keep everything in (default "+a.defaultData()+")", "warn")
	fs.BoolVar(&u.demo, "demo", false, "play a recorded Ray session and follow it")
	fs.Float64Var(&u.speed, "speed", 1, "play so many times faster, with --demo")
	fs.BoolVar(&u.once, "once", false, "with --demo: play at full speed, ask three questions, print the answers and end")
	_ = cmd.MarkFlagDirname("ray-root")
	return cmd
}

type upping struct {
	*app
	serve            serveFlags
	rayRoot, cluster string
	tenant           string
	demo, once       bool
	speed            float64
	tokenFile        string // with the token of our own agent, where --auth asks for one
}

// defaultData follows the XDG base directory specification.
func (a *app) defaultData() string {
	home := a.getenv("HOME")
	switch base := a.getenv("XDG_DATA_HOME"); {
	case filepath.IsAbs(base): // others are to be ignored, it says
		return filepath.Join(base, "remora")
	case home != "" && home != "/":
		return filepath.Join(home, ".local", "share", "remora")
	}
	return "/var/lib/remora"
}

func (u *upping) run(cmd *cobra.Command) error {
	if err := u.serve.check(); err != nil {
		return err
	}
	if !u.demo {
		for _, name := range []string{"speed", "once"} {
			if cmd.Flags().Changed(name) {
				return usagef("--%s goes with --demo", name)
			}
		}
	}
	u.tenant = first(u.tenant, u.getenv("REMORA_TENANT"))
	if u.tenant != "" {
		if err := store.ValidTenant(u.tenant); err != nil {
			return &usageError{err}
		}
	}
	if u.cluster == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("this machine has no name, give one with --cluster: %w", err)
		}
		u.cluster = host
	}
	if u.demo {
		return u.runDemo(cmd)
	}
	if u.serve.data == "" {
		u.serve.data = u.defaultData()
	}
	if err := checkRayRoot(u.rayRoot); err != nil {
		return err
	}
	if err := u.makeToken(); err != nil {
		return err
	}
	log := u.serve.logger(u.stderr)
	registry := newRegistry()
	s, err := u.serve.open(u.app, log, registry)
	if err != nil {
		return err
	}
	u.notice("The page is at %s, lines are kept in %s.", s.url, u.serve.data)
	if _, err := os.Stat(u.rayRoot); err != nil {
		u.notice("Waiting for Ray: %s is not there yet.", u.rayRoot)
	} else {
		u.notice("Following %s. ^C ends it.", u.rayRoot)
	}
	err = alongside(cmd.Context(), s, func(ctx context.Context) error {
		return agent.Run(ctx, u.agentConfig(s, registry))
	})
	return errors.Join(err, s.close())
}

// makeToken makes a token for our own agent, where --auth asks for one, and keeps
// it in a file that only this user may read.
func (u *upping) makeToken() error {
	if u.serve.auth == "" {
		return nil
	}
	u.serve.token = rand.Text()
	u.tokenFile = filepath.Join(u.serve.data, "agent-token")
	if err := os.MkdirAll(u.serve.data, 0o755); err != nil {
		return openHint(err, u.serve.data)
	}
	if err := os.WriteFile(u.tokenFile, []byte(u.serve.token+"\n"), 0o600); err != nil {
		return openHint(err, u.serve.data)
	}
	return nil
}

// alongside runs f until ctx ends or the server fails, which ends f too.
func alongside(ctx context.Context, s *serving, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-ctx.Done():
		case <-s.ended:
			cancel(errServerEnded)
		}
	}()
	err := f(ctx)
	if errors.Is(context.Cause(ctx), errServerEnded) || errors.Is(err, context.Canceled) {
		return nil // close of the server says what was wrong
	}
	return err
}

var errServerEnded = errors.New("the server has ended")

// checkRayRoot tells a wrong --ray-root from one that Ray has not made yet.
func checkRayRoot(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("--ray-root: %w", err)
	case !info.IsDir():
		return usagef("--ray-root %s is not a directory: want Ray's temp directory, like /tmp/ray", dir)
	}
	if _, err := os.ReadDir(dir); err != nil {
		return &hinted{fmt.Errorf("--ray-root: %w", err), "run remora as the user who runs Ray, or as root"}
	}
	return nil
}

func (u *upping) agentConfig(s *serving, registry prometheus.Registerer) agent.Config {
	return agent.Config{
		RayRoot:      u.rayRoot,
		URL:          s.url,
		State:        filepath.Join(u.serve.data, "agent"),
		Node:         parse.Node{Cluster: u.cluster},
		Tenant:       u.tenant,
		DrainTimeout: 10 * time.Second,
		TokenFile:    u.tokenFile,
		Version:      u.build.Version,
		Logger:       s.log,
		Registerer:   registry,
	}
}
