package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/remora-ray/remora/internal/agent"
	"github.com/remora-ray/remora/internal/agent/config"
	"github.com/remora-ray/remora/internal/agent/fleet"
)

const statusUsage = `remora-agent status asks the running agent how it stands.

Usage:
  remora-agent status [flags]

For each source and output: how much is behind, for how long, and how far a catch-up
is. For each file: where it stands, how much is behind, and what it waits for:
reading, sending, idle, asking (the server, where to go on), unreadable, or rescued
(deleted while unread, kept until it is delivered).

It answers to the same machine or pod alone: in Kubernetes run it in the pod,
kubectl exec POD -c remora-agent -- remora-agent status.

Examples:
  remora-agent status
  remora-agent status --files 0
  remora-agent status --addr 127.0.0.1:9081 --output json | jq '.engines[].behind_bytes'

Flags:
`

const statusNotes = `
Exit status: 0 done, 1 the agent could not be asked, 2 usage.
`

func status(p *process, args []string) int {
	fs := flag.NewFlagSet("status", flag.ContinueOnError)
	addr := fs.String("addr", "127.0.0.1:9081", "`ADDRESS` that the agent listens on")
	output := fs.String("output", "text", "`FORMAT`: text or json")
	files := fs.Int("files", 20, "`NUMBER` of files to list, those furthest behind first; 0 for all")
	rest, exit, done := p.arguments(fs, args, statusUsage, statusNotes)
	switch {
	case done:
		return exit
	case len(rest) > 0:
		return p.usage("status", fmt.Errorf("unexpected argument %q", rest[0]))
	case *output != "text" && *output != "json":
		return p.usage("status", fmt.Errorf("--output is %q: give text or json", *output))
	}
	body, err := ask(*addr)
	var s fleet.Status
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	if err != nil {
		p.tell(fmt.Errorf("ask the agent at %s: %w", *addr, err))
		return exitFailed
	}
	if *output == "json" {
		_, err = p.stdout.Write(body)
	} else {
		err = writeStatus(p.stdout, &s, *files, time.Now())
	}
	if err != nil {
		p.tell(err)
		return exitFailed
	}
	return exitDone
}

// ask gets the status; an address without a host is one of this machine.
func ask(addr string) ([]byte, error) {
	addr = strings.TrimPrefix(addr, "http://")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(or(host, "127.0.0.1"), port)+"/status", nil)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{} // no proxy stands between
	defer t.CloseIdleConnections()
	resp, err := t.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("%w (does it run, and is this the address of --listen?)", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, errors.New(resp.Status + ": " + strings.TrimSpace(string(body[:min(len(body), 300)])))
	}
	return body, nil
}

func writeStatus(w io.Writer, s *fleet.Status, files int, now time.Time) error {
	fmt.Fprintf(w, "remora-agent %s, up %s\n", s.Version, ago(now.Sub(s.Began)))
	if s.Config.File != "" {
		fmt.Fprintf(w, "configuration %s, read %s ago\n", s.Config.File, ago(now.Sub(s.Config.Read)))
	}
	if s.Config.Error != "" {
		fmt.Fprintf(w, "  it was refused, the one before is in force:\n  %s\n", strings.ReplaceAll(s.Config.Error, "\n", "\n  "))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nSOURCE\tOUTPUT\tTO\tBEHIND\tOLDEST\tSTATE")
	for i := range s.Engines {
		e := &s.Engines[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Source, e.Output, or(e.Target, "?")+" "+e.To, bytesOf(e.Behind), oldest(e.OldestUnread), engineState(e))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	writeFiles(t, s, files)
	return t.Flush()
}

func engineState(e *fleet.EngineStatus) string {
	state := "delivering"
	switch c := e.CatchUp; {
	case e.Error != "":
		state = strings.ReplaceAll(e.Error, "\n", "; ")
	case e.Ending:
		state = "ending"
	case c != nil && c.Growing:
		state = fmt.Sprintf("falls behind: %s/s are delivered, more comes", bytesOf(int64(c.Rate)))
	case c != nil && c.Remaining > 0:
		state = fmt.Sprintf("catching up, %.0f %%, %s/s, about %s left", c.Percent, bytesOf(int64(c.Rate)), ago(c.Remaining))
	case c != nil:
		state = fmt.Sprintf("catching up, %.0f %%", c.Percent)
	case e.Behind == 0:
		state = "level"
	}
	return state
}

type fileOf struct {
	*agent.FileStatus
	output string
}

// writeFiles lists files of all outputs, those furthest behind first.
func writeFiles(t *tabwriter.Writer, s *fleet.Status, limit int) {
	var all []fileOf
	more := 0
	for i := range s.Engines {
		e := &s.Engines[i]
		more += e.FilesUnlisted
		for j := range e.Files {
			all = append(all, fileOf{&e.Files[j], e.Output})
		}
	}
	if len(all) == 0 {
		fmt.Fprintln(t, "\nno files yet")
		return
	}
	slices.SortStableFunc(all, func(a, b fileOf) int { return cmp.Compare(b.Behind, a.Behind) })
	if limit > 0 && len(all) > limit {
		more += len(all) - limit
		all = all[:limit]
	}
	fmt.Fprintln(t, "\nFILE\tOUTPUT\tPOSITION\tBEHIND\tOLDEST\tSTATE")
	for _, f := range all {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", or(f.Path, strings.TrimPrefix(f.Session+"/"+f.Name, "/")), f.output, f.Position, bytesOf(f.Behind), oldest(f.OldestUnread), f.State)
	}
	if more > 0 {
		fmt.Fprintf(t, "… and %d more (--files 0 lists all)\n", more)
	}
}

func oldest(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return ago(d)
}

// ago is a time to read.
func ago(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	default:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
}

// bytesOf is a size to read: three digits and a unit.
func bytesOf(n int64) string {
	if n < 1<<10 {
		return config.Size(n).String() + "B"
	}
	x, unit := float64(n)/(1<<10), 0
	for x >= 1000 && unit < 3 {
		x, unit = x/(1<<10), unit+1
	}
	return fmt.Sprintf("%.3g%s", x, [...]string{"KiB", "MiB", "GiB", "TiB"}[unit])
}
