package cli

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

// exportCommand writes a session back as files.
func (a *app) exportCommand() *cobra.Command {
	e := exporting{app: a, output: newChoice("text", "json")}
	cmd := &cobra.Command{
		Use:   "export SESSION",
		Short: "Write a session that a server keeps back as an archive of its files",
		Long: `Write a session that a server keeps back as an archive of the files that Ray wrote,
as "remora import", "remora inspect" and tar read it.

SESSION is a name like session_2026-11-21_12-19-07_088365_18: the label session of
its lines. Generations that were rotated are one file. Bytes that are no UTF-8 come
back as U+FFFD, and what the server does not have is left out and told.`,
		Example: `  remora export session_2026-11-21_12-19-07_088365_18
  remora export session_2026-11-21_12-19-07_088365_18 --cluster prod --file prod.tar.gz
  remora export session_2026-11-21_12-19-07_088365_18 --file - | tar -t --zstd`,
		Args: exactly(1, "the name of a SESSION"),
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVar(&e.file, "file", "", "archive to write, .tar, .tar.gz or .tar.zst; - for standard output (default SESSION.tar.zst)")
	cmd.Flags().StringVar(&e.cluster, "cluster", "", "only lines of this cluster")
	cmd.Flags().BoolVar(&e.force, "force", false, "replace the archive where there is one")
	e.output.add(cmd, "output", "how to print the summary")
	e.server.add(cmd)
	return cmd
}

type exporting struct {
	*app
	server        serverFlags
	file, cluster string
	force         bool
	output        *choice
}

// exportSummary is what an export has done.
type exportSummary struct {
	Session string `json:"session"`
	File    string `json:"file"`
	Nodes   int    `json:"nodes"`
	Files   int    `json:"files"`
	Lines   int    `json:"lines"`
	Bytes   uint64 `json:"bytes"`
	Missing uint64 `json:"bytes_missing"` // between lines, before the first one too
	Twice   int    `json:"lines_left_out"`
}

func (e *exporting) run(ctx context.Context, name string) error {
	session, ok := ray.ParseSession(name)
	if !ok {
		return usagef("%q is no session: want a name like session_2026-11-21_12-19-07_088365_18", name)
	}
	if e.file == "" {
		e.file = name + ".tar.zst"
	}
	if _, err := packer(e.file, io.Discard); err != nil {
		return err
	}
	if _, err := os.Stat(e.file); err == nil && e.file != "-" && !e.force {
		return &hinted{fmt.Errorf("%s is there already", e.file), "--force replaces it; --file names another"}
	}
	c, err := e.server.client(e.app)
	if err != nil {
		return err
	}
	x, err := newExport(name)
	if err != nil {
		return err
	}
	defer x.close()
	if err := e.read(ctx, c, x, session.Started.Add(-24*time.Hour)); err != nil {
		return fmt.Errorf("read the lines of %s: %w", name, err)
	}
	if x.lines == 0 {
		return notFoundf("%s has no line of %s", c.Addr(), name)
	}
	s, err := e.write(ctx, x)
	if err != nil {
		return err
	}
	return e.summary(s)
}

// read takes all lines at once, or in pages from a server that gives them so only.
func (e *exporting) read(ctx context.Context, c *client.Client, x *export, start time.Time) error {
	q := client.RangeQuery{Query: e.query(x.session), Start: start, End: e.now().Add(time.Hour), Direction: logs.Forward}
	err := c.Lines(ctx, q, func(p *loki.Push) error {
		for i := range p.Streams {
			for _, entry := range p.Streams[i].Entries {
				if err := x.add(&client.Line{Time: entry.Time, Line: entry.Line, Stream: p.Streams[i].Labels, Metadata: entry.Metadata}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if !errors.Is(err, client.ErrNoLines) {
		return err
	}
	pages := paging{client: c, query: q.Query, direction: q.Direction, warn: e.notice, start: q.Start, end: q.End}
	_, err = pages.each(ctx, x.collect)
	return err
}

// query selects the session's lines; those that stand for missing bytes were in
// no file.
func (e *exporting) query(session string) string {
	selector := `{job="ray/logs"}`
	if e.cluster != "" {
		selector = `{job="ray/logs", RayCluster=` + strconv.Quote(e.cluster) + `}`
	}
	return selector + ` | session=` + strconv.Quote(session) + ` | gap=""`
}

// write makes the archive: it is there whole or not at all.
func (e *exporting) write(ctx context.Context, x *export) (exportSummary, error) {
	if e.file == "-" {
		return e.pack(ctx, x, e.stdout)
	}
	part := e.file + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return exportSummary{}, fmt.Errorf("write the archive: %w", err)
	}
	s, err := e.pack(ctx, x, f)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(part, e.file)
	}
	if err != nil {
		return exportSummary{}, errors.Join(fmt.Errorf("write the archive: %w", err), os.Remove(part))
	}
	return s, nil
}

func (e *exporting) pack(ctx context.Context, x *export, w io.Writer) (exportSummary, error) {
	buffered := bufio.NewWriterSize(w, 1<<16)
	packed, err := packer(e.file, buffered)
	if err != nil {
		return exportSummary{}, err
	}
	tw := tar.NewWriter(packed)
	s, err := x.writeTo(ctx, tw)
	if err = errors.Join(err, tw.Close(), packed.Close()); err == nil {
		err = buffered.Flush()
	}
	s.File = e.file
	return s, err
}

// packer compresses as the archive's name says.
func packer(name string, w io.Writer) (io.WriteCloser, error) {
	switch {
	case name == "-", strings.HasSuffix(name, ".tar.zst"):
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tgz"):
		return gzip.NewWriter(w), nil
	case strings.HasSuffix(name, ".tar"):
		return plain{w}, nil
	}
	return nil, usagef("--file %s: want a name that ends in .tar, .tar.gz or .tar.zst", name)
}

// plain is a writer with nothing to close.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }

func (e *exporting) summary(s exportSummary) error {
	if s.Missing > 0 {
		e.notice("%s between lines are not on the server: they were dropped, or never came", sizeText(s.Missing))
	}
	if s.Twice > 0 {
		e.notice("%s left out: another line has the same place in the same file", plural(s.Twice, "line"))
	}
	to := e.stdout
	if e.file == "-" {
		to = e.stderr // the archive is the data
	}
	if e.output.value == "json" {
		return json.NewEncoder(to).Encode(s)
	}
	fmt.Fprintf(to, "exported %s (%s) of %s, %s to %s\n", plural(s.Lines, "line"), sizeText(s.Bytes), plural(s.Files, "file"), plural(s.Nodes, "node"), s.File)
	return nil
}

// collect takes a page of lines.
func (x *export) collect(lines []client.Line) error {
	for i := range lines {
		if err := x.add(&lines[i]); err != nil {
			return err
		}
	}
	return nil
}
