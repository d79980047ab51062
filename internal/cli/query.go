package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/logs"
)

// maxQuery is what Loki takes of a query.
const maxQuery = 131071

// queryCommand asks a server once.
func (a *app) queryCommand() *cobra.Command {
	q := querying{app: a, output: newChoice("text", "json", "raw"), color: newChoice("auto", "always", "never")}
	cmd := &cobra.Command{
		Use:   "query LOGQL",
		Short: "Ask a server for lines, or for figures about them",
		Long: `Ask a server for log lines, newest first, or for figures about them.

LOGQL is a query like {component="worker"} |= "Traceback"; "-" reads it from
standard input. A query that counts, like sum by (component)
(count_over_time({job="ray/logs"}[1h])), is evaluated at --to, or with --step at
each step from --from to --to.

Labels: component, node_type, RayCluster, namespace, group select; session,
filename, job_id, submission_id, actor_name, task_name, pid, worker_id, node_id,
detected_level and more filter behind a |, as in
{component="job"} | submission_id="raysubmit_59i9W5YEkjLDUKFb".`,
		Example: `  remora query '{component="job"} |= "Error"'
  remora query '{job="ray/logs"} | detected_level="error"' --since 1d --limit 0 --forward
  remora query '{component="worker"} | actor_name="Trainer"' --output json | jq .line
  remora query 'sum by (component) (count_over_time({job="ray/logs"}[1h]))'
  remora query 'sum(rate({component="raylet"}[1m]))' --step 1m --since 6h`,
		Args: exactly(1, "a LogQL query, in quotes"),
		RunE: func(cmd *cobra.Command, args []string) error { return q.run(cmd.Context(), args[0]) },
	}
	q.when.add(cmd, time.Hour)
	cmd.Flags().IntVar(&q.limit, "limit", 100, "print at most so many lines, 0 for all")
	cmd.Flags().BoolVar(&q.forward, "forward", false, "oldest lines first")
	cmd.Flags().Var(&q.step, "step", "evaluate a counting query at each step of the range, like 1m")
	q.output.add(cmd, "output", "how to print: raw is the lines alone, json one object a line")
	q.color.add(cmd, "color", "colour the text")
	q.server.add(cmd)
	cmd.ValidArgsFunction = a.completeQuery(&q.server)
	return cmd
}

type querying struct {
	*app
	server        serverFlags
	when          rangeFlags
	limit         int
	forward       bool
	step          span
	output, color *choice
}

func (q *querying) run(ctx context.Context, arg string) error {
	query, err := q.readQuery(arg)
	if err != nil {
		return err
	}
	if q.limit < 0 {
		return usagef("--limit %d: want 0 for all lines, or more", q.limit)
	}
	start, end, err := q.when.window(q.now())
	if err != nil {
		return err
	}
	c, err := q.server.client(q.app)
	if err != nil {
		return err
	}
	if selectsLines(query) {
		err = q.lines(ctx, c, query, start, end)
	} else {
		err = q.figures(ctx, c, query, start, end)
	}
	return pointAt(query, err)
}

func (q *querying) lines(ctx context.Context, c *client.Client, query string, start, end time.Time) error {
	out := q.out()
	defer out.Flush()
	p := newPrinter(q.app, out, q.output.value, q.color.value)
	direction := logs.Backward
	if q.forward {
		direction = logs.Forward
	}
	pages := paging{client: c, query: query, direction: direction, start: start, end: end, limit: q.limit, warn: q.notice}
	more, err := pages.each(ctx, p.print)
	if err != nil {
		return err
	}
	switch {
	case p.lines == 0:
		q.notice("no line matches between %s and %s: look further back with --since, like --since 7d",
			start.Format(time.DateTime), end.Format(time.DateTime))
	case more:
		q.notice("that is %s, there may be more: --limit 0 prints all", plural(p.lines, "line"))
	}
	return nil
}

func (q *querying) figures(ctx context.Context, c *client.Client, query string, start, end time.Time) error {
	var r *client.Result
	var err error
	if q.step > 0 {
		r, err = c.QueryRange(ctx, client.RangeQuery{Query: query, Start: start, End: end, Step: time.Duration(q.step)})
	} else {
		r, err = c.Query(ctx, query, end)
	}
	if err != nil {
		return err
	}
	for _, w := range r.Warnings {
		q.notice("warning: %s", w)
	}
	if len(r.Series) == 0 {
		q.notice("no line to count: look at the range in [] of the query, and at --to")
		return nil
	}
	out := q.out()
	defer out.Flush()
	if q.output.value == "json" {
		return printFiguresJSON(out, r)
	}
	return printFigures(out, r, q.width, q.now().Location())
}

// readQuery returns the query that arg is, or that standard input holds.
func (a *app) readQuery(arg string) (string, error) {
	query := arg
	if arg == "-" {
		all, err := io.ReadAll(io.LimitReader(a.stdin, 16<<20))
		if err != nil {
			return "", fmt.Errorf("read the query from standard input: %w", err)
		}
		query = strings.TrimSpace(string(all))
	}
	switch {
	case strings.TrimSpace(query) == "":
		return "", usagef("the query is empty: want one like {component=\"worker\"} |= \"Error\"")
	case len(query) > maxQuery:
		return "", usagef("the query has %d bytes, at most %d are taken", len(query), maxQuery)
	}
	return query, nil
}

// selectsLines tells a log query from one that counts: only the former begins
// with a selector, perhaps in parentheses or after a comment.
func selectsLines(query string) bool {
	for {
		query = strings.TrimLeft(query, " \t\r\n(")
		if !strings.HasPrefix(query, "#") {
			return strings.HasPrefix(query, "{")
		}
		_, query, _ = strings.Cut(query, "\n")
	}
}

var errorPlace = regexp.MustCompile(`at line (\d+), col (\d+)`)

// pointAt shows the place in the query that the server does not understand.
func pointAt(query string, err error) error {
	var status *client.StatusError
	if !errors.As(err, &status) || status.Status != http.StatusBadRequest {
		return err
	}
	m := errorPlace.FindStringSubmatch(status.Message)
	if m == nil {
		return err
	}
	row, _ := strconv.Atoi(m[1])
	col, _ := strconv.Atoi(m[2])
	lines := strings.Split(query, "\n")
	if row < 1 || row > len(lines) || col < 1 || col > len([]rune(lines[row-1]))+1 {
		return err
	}
	text := []rune(strings.ReplaceAll(lines[row-1], "\t", " "))
	from := max(0, col-1-60)
	text = text[from:min(len(text), from+76)]
	return &hinted{err, string(text) + "\n  " + strings.Repeat(" ", col-1-from) + "^"}
}
