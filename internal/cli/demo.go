package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/remora-ray/remora/internal/agent"
	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/demo"
	"github.com/remora-ray/remora/internal/logs"
)

// runDemo plays the recording into a directory of its own and follows it:
//
//	recording ─▶ DIR/ray/session_…/logs/** ─▶ agent ─▶ server ─▶ the page, queries
func (u *upping) runDemo(cmd *cobra.Command) error {
	if u.speed <= 0 {
		return usagef("--speed %g: want more than 0", u.speed)
	}
	if cmd.Flags().Changed("ray-root") {
		return usagef("--demo plays into a directory of its own: leave out --ray-root")
	}
	recording, err := demo.Load()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "remora-demo-")
	if err != nil {
		return &hinted{fmt.Errorf("make a directory for the demo: %w", err), "TMPDIR names another place for it"}
	}
	defer os.RemoveAll(dir)
	u.rayRoot = filepath.Join(dir, "ray")
	u.cluster = "demo"
	if u.serve.data == "" {
		u.serve.data = filepath.Join(dir, "data")
	}
	if err := os.Mkdir(u.rayRoot, 0o755); err != nil {
		return err
	}
	if err := u.makeToken(); err != nil {
		return err
	}
	log := u.serve.logger(u.stderr)
	registry := newRegistry()
	s, err := u.openDemo(cmd, log, registry)
	if err != nil {
		return err
	}
	err = alongside(cmd.Context(), s, func(ctx context.Context) error {
		if u.once {
			return u.playOnce(ctx, s, recording, registry)
		}
		return u.playLive(ctx, s, recording, registry)
	})
	return errors.Join(err, s.close())
}

// openDemo serves at the usual address, or where that is taken and was not asked
// for, at any.
func (u *upping) openDemo(cmd *cobra.Command, log *slog.Logger, registry *prometheus.Registry) (*serving, error) {
	if !cmd.Flags().Changed("listen") {
		if u.once || portTaken(u.serve.listen) {
			u.serve.listen = "127.0.0.1:0"
		}
	}
	return u.serve.open(u.app, log, registry)
}

func portTaken(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return true
	}
	l.Close()
	return false
}

// playOnce writes the whole recording, delivers it, and asks.
func (u *upping) playOnce(ctx context.Context, s *serving, r *demo.Recording, registry prometheus.Registerer) error {
	u.introduce(s, r)
	begin := time.Now()
	session, err := r.Play(ctx, u.rayRoot, demo.Options{Now: begin, Lead: r.Duration() + time.Second})
	if err != nil {
		return err
	}
	conf := u.agentConfig(s, registry)
	conf.Once = true
	if err := agent.Run(ctx, conf); err != nil {
		return err
	}
	u.notice("Delivered %s lines of %s in %.1f s.", countText(r.Lines()), session, time.Since(begin).Seconds())
	return u.askQuestions(ctx, s, r)
}

// playLive writes the recording at its own pace and follows it, until ctx ends.
func (u *upping) playLive(ctx context.Context, s *serving, r *demo.Recording, registry prometheus.Registerer) error {
	u.introduce(s, r)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	played := make(chan struct{})
	go func() {
		defer close(played)
		_, err := r.Play(ctx, u.rayRoot, demo.Options{Now: time.Now(), Lead: demoLead, Speed: u.speed})
		switch {
		case err == nil:
			u.notice("The recording has come to its end; the server goes on. ^C ends it.")
		case ctx.Err() == nil:
			cancel(err)
		}
	}()
	err := agent.Run(ctx, u.agentConfig(s, registry))
	cancel(nil)
	<-played
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, errServerEnded) {
		return cause // of the play
	}
	return err
}

// demoLead is how much of the recording is written at once when it is played
// live: Ray's start, so that there is something to see.
const demoLead = 50 * time.Second

// introduce says what to see and what to try.
func (u *upping) introduce(s *serving, r *demo.Recording) {
	var b strings.Builder
	fmt.Fprintf(&b, "A recorded Ray session of %s: four jobs, three of which fail, %s lines.\n",
		r.Duration().Round(time.Second), countText(r.Lines()))
	if !u.once {
		fmt.Fprintf(&b, "The first %s are there already, the rest follows live", demoLead)
		if u.speed != 1 {
			fmt.Fprintf(&b, ", %g times faster", u.speed)
		}
		b.WriteString(".\n")
	}
	fmt.Fprintf(&b, "\n  The page is at %s\n\n", s.url)
	if !u.once {
		b.WriteString("Try in another terminal:\n\n")
		for _, q := range r.Questions() {
			fmt.Fprintf(&b, "  # %s\n  %s\n", q.Asks, u.commandLine(s, q))
		}
		b.WriteString("\n^C ends it and removes everything.")
		if !strings.HasPrefix(u.serve.data, filepath.Dir(u.rayRoot)) {
			fmt.Fprintf(&b, " The lines stay in %s.", u.serve.data)
		}
	}
	u.notice("%s", strings.TrimSpace(b.String())+"\n")
}

// commandLine is what to type for a question.
func (u *upping) commandLine(s *serving, q demo.Question) string {
	line := fmt.Sprintf("%s query '%s'", os.Args[0], q.Query)
	if s.url != client.DefaultAddr {
		line += " --addr " + s.url
	}
	return line
}

// askQuestions asks over HTTP what a newcomer would, prints the answers, and
// fails where one is not what the recording says.
func (u *upping) askQuestions(ctx context.Context, s *serving, r *demo.Recording) error {
	c, err := client.New(client.Config{Addr: s.url, Tenant: u.tenant, Token: u.serve.token, UserAgent: "remora/" + u.build.Version})
	if err != nil {
		return err
	}
	out := u.out()
	defer out.Flush()
	var wrong []string
	for _, q := range r.Questions() {
		fmt.Fprintf(out, "\n# %s\n$ %s\n", q.Asks, u.commandLine(s, q))
		right, err := u.ask(ctx, c, out, q)
		if err != nil {
			return err
		}
		if !right {
			wrong = append(wrong, q.Query)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("not the answer that the recording gives: %s", strings.Join(wrong, "; "))
	}
	return nil
}

// ask prints the answer to a question and reports whether it is right.
func (u *upping) ask(ctx context.Context, c *client.Client, out *bufio.Writer, q demo.Question) (bool, error) {
	now := u.now()
	if selectsLines(q.Query) {
		p := newPrinter(u.app, out, "text", "auto")
		pages := paging{
			client: c, query: q.Query, direction: logs.Backward, start: now.Add(-time.Hour), end: now,
			limit: 100, warn: u.notice,
		}
		_, err := pages.each(ctx, p.print)
		return q.Right(p.lines, nil), err
	}
	res, err := c.Query(ctx, q.Query, now)
	if err != nil {
		return false, err
	}
	values := map[string]string{}
	for _, series := range res.Series {
		values[series.Metric.Get("component")] = series.Points[0].V
	}
	return q.Right(0, values), printFigures(out, res, u.width, now.Location())
}
