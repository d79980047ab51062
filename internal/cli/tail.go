package cli

import (
	"context"
	"errors"
	"hash/maphash"
	"maps"
	"time"

	"github.com/spf13/cobra"

	"github.com/remora-ray/remora/internal/client"
)

// tailCommand follows a query until it is interrupted.
func (a *app) tailCommand() *cobra.Command {
	t := tailing{app: a, output: newChoice("text", "json", "raw"), color: newChoice("auto", "always", "never")}
	cmd := &cobra.Command{
		Use:   "tail LOGQL",
		Short: "Print lines as they arrive",
		Long: `Print the lines of a query as they arrive, oldest first, until interrupted.

When the connection breaks it is made again, and what was logged in between
follows without a line twice.`,
		Example: `  remora tail '{component="worker"}'
  remora tail '{job="ray/logs"} | detected_level=~"error|critical"' --limit 0
  remora tail '{component="job"} | submission_id="nightly-etl"' --output raw`,
		Args: exactly(1, "a LogQL query, in quotes"),
		RunE: func(cmd *cobra.Command, args []string) error { return t.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().IntVar(&t.limit, "limit", 10, "begin with at most so many lines of the past")
	t.since = span(time.Hour)
	cmd.Flags().Var(&t.since, "since", "how far back those may lie, like 15m, 7d")
	t.output.add(cmd, "output", "how to print: raw is the lines alone, json one object a line")
	t.color.add(cmd, "color", "colour the text")
	t.server.add(cmd)
	cmd.ValidArgsFunction = a.completeQuery(&t.server)
	return cmd
}

type tailing struct {
	*app
	server        serverFlags
	limit         int
	since         span
	output, color *choice
}

const (
	// A connection made again asks for what was logged from this long before the
	// last line: files arrive side by side and not in order of time.
	tailOverlap = 10 * time.Second
	tailCatchUp = 5000 // lines
	tailBackoff = 500 * time.Millisecond
	tailMaxWait = 15 * time.Second
)

func (t *tailing) run(ctx context.Context, arg string) error {
	query, err := t.readQuery(arg)
	if err != nil {
		return err
	}
	if t.limit < 0 {
		return usagef("--limit %d: want 0 or more", t.limit)
	}
	if time.Duration(t.since) > pageRange {
		return usagef("--since %s: a tail begins at most 30d back, ask for what is older with \"remora query\"", t.since.String())
	}
	if !selectsLines(query) {
		return usagef("only lines can be followed, the query must begin with a selector like {component=\"worker\"}")
	}
	c, err := t.server.client(t.app)
	if err != nil {
		return err
	}
	out := t.out()
	defer out.Flush()
	p := newPrinter(t.app, out, t.output.value, t.color.value)
	f := follower{client: c, now: t.now, notice: t.notice, yield: func(lines []client.Line) error {
		if err := p.print(lines); err != nil {
			return err
		}
		return out.Flush()
	}}
	err = f.follow(ctx, client.TailQuery{Query: query, Start: t.now().Add(-time.Duration(t.since)), Limit: t.limit})
	if errors.Is(err, context.Canceled) {
		return nil // the way a tail ends
	}
	return pointAt(query, err)
}

// follower keeps a tail going over connections that break.
type follower struct {
	client    *client.Client
	now       func() time.Time
	notice    func(format string, args ...any)
	yield     func([]client.Line) error
	passed    recent
	connected bool // at least once
	begin     int64
	wait      time.Duration
}

// follow ends with ctx, with an error of yield, or where asking again is of no
// use: the server was never there, or refuses the query.
func (f *follower) follow(ctx context.Context, q client.TailQuery) error {
	if q.Limit == 0 {
		// The API has no "none": ask for lines from now on.
		q.Start, q.Limit = f.now(), tailCatchUp
	}
	var own error
	for {
		f.passed.newConnection()
		err := f.client.Tail(ctx, q, func(b client.TailBatch) error {
			own = f.batch(b)
			return own
		})
		if own != nil {
			return own
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !f.again(err) {
			return err
		}
		f.wait = min(max(2*f.wait, tailBackoff), tailMaxWait)
		f.notice("remora: %s; trying again in %s", err, f.wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.wait):
		}
		if f.passed.last != 0 {
			q.Start = time.Unix(0, max(f.passed.last-int64(tailOverlap), f.begin))
		}
		q.Limit = tailCatchUp
	}
}

func (f *follower) batch(b client.TailBatch) error {
	f.connected = true
	if len(b.Lines) > 0 {
		f.wait = 0
	}
	if b.Dropped > 0 {
		f.notice("remora: the server left out %d lines: they came faster than they could be sent", b.Dropped)
	}
	if f.begin == 0 && len(b.Lines) > 0 {
		f.begin = b.Lines[0].Time
	}
	return f.yield(f.passed.fresh(b.Lines))
}

// again reports whether another connection may get further than this one.
func (f *follower) again(err error) bool {
	var status *client.StatusError
	if errors.As(err, &status) {
		return f.connected && status.Temporary()
	}
	var closed *client.ClosedError
	if errors.As(err, &closed) && closed.Failed && f.passed.last == 0 {
		return false // it will not come further with the same query
	}
	return f.connected
}

// recent remembers the lines of the last seconds, so that those that come again
// over a new connection are known.
type recent struct {
	last   int64
	passed map[passedLine]int // how often each line was passed on
	again  map[passedLine]int // how often it may come again over this connection
}

type passedLine struct {
	time int64
	hash uint64
}

var lineSeed = maphash.MakeSeed()

func (r *recent) newConnection() {
	if r.passed == nil {
		r.passed = map[passedLine]int{}
	}
	r.again = maps.Clone(r.passed)
}

// fresh returns the lines that were not passed on before, in place.
func (r *recent) fresh(lines []client.Line) []client.Line {
	out := lines[:0]
	for _, l := range lines {
		k := passedLine{l.Time, maphash.String(lineSeed, lineKey(&l))}
		if r.again[k] > 0 {
			r.again[k]--
			continue
		}
		r.passed[k]++
		r.last = max(r.last, l.Time)
		out = append(out, l)
	}
	if len(r.passed) > 4*tailCatchUp {
		maps.DeleteFunc(r.passed, func(k passedLine, _ int) bool { return k.time < r.last-int64(tailOverlap) })
	}
	return out
}
