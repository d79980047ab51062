package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/remora-ray/remora/internal/archive"
	"github.com/remora-ray/remora/internal/ray"
)

// importCommand loads recorded sessions into a server.
func (a *app) importCommand() *cobra.Command {
	i := importing{app: a, output: newChoice("text", "json")}
	cmd := &cobra.Command{
		Use:   "import PATH…",
		Short: "Load Ray sessions from directories or archives into a server",
		Long: `Load recorded Ray sessions into a server, with every line attributed as the agent
would have done. PATH is a Ray temp directory or session directory, a .tar,
.tar.gz or .tar.zst of one or of several pods, or a folder of such archives with
the output of containers (container[.POD].log) and drivers (driverN.log) beside
them. Each archive or pod is a node of one cluster.

Importing again doubles nothing: only what the server does not have yet is sent,
so an import that was interrupted goes on where it stopped. A session that an
agent shipped while it ran is refused, as it would be there twice; --force
imports it all the same.`,
		Example: `  remora import ./postmortem --cluster prod-train
  remora import session.tar.zst session.worker-1.tar.zst --addr http://logs:3100
  remora import /tmp/ray --zone Europe/London`,
		Args: atLeast(1, "the PATH of a Ray temp or session directory, or of an archive of one"),
		RunE: func(cmd *cobra.Command, args []string) error { return i.run(cmd.Context(), args) },
	}
	cmd.Flags().StringVar(&i.cluster, "cluster", "", "name of the cluster on each line (default the folder's name)")
	cmd.Flags().StringVar(&i.zone, "zone", "UTC", "time zone of the nodes, whose time stamps name none, like Europe/London or Local")
	cmd.Flags().BoolVar(&i.force, "force", false, "import sessions too that an agent has shipped")
	i.patience = span(5 * time.Minute)
	cmd.Flags().Var(&i.patience, "retry-for", "how long to go on trying while the server is away or its disk is full")
	i.output.add(cmd, "output", "how to print the summary")
	i.server.add(cmd)
	return cmd
}

type importing struct {
	*app
	server        serverFlags
	cluster, zone string
	force         bool
	patience      span
	output        *choice
}

func (i *importing) run(ctx context.Context, paths []string) error {
	zone, err := time.LoadLocation(i.zone)
	if err != nil {
		return usagef("--zone %q is no time zone: want a name like Europe/London, UTC or Local", i.zone)
	}
	c, err := i.server.client(i.app)
	if err != nil {
		return err
	}
	a, err := openArchive(paths)
	if err != nil {
		return err
	}
	defer a.Close()
	cluster := i.cluster
	if cluster == "" {
		if cluster, err = folderName(paths[0]); err != nil {
			return err
		}
	}
	sources := importSources(a.Nodes(), cluster, zone)
	p := newProgress(i.app, "import", totalBytes(sources))
	defer p.end()
	imp := importer{client: c, sources: sources, now: i.now, notice: p.notice, progress: p.set, patience: time.Duration(i.patience)}
	if err := imp.ask(ctx); err != nil {
		return err
	}
	if !i.force {
		if err := imp.refuseLive(ctx); err != nil {
			return err
		}
	}
	p.set(0, "reading what files tell of each other")
	facts, err := a.Facts(ray.Context{Location: zone})
	if err != nil {
		return err
	}
	for _, s := range sources {
		s.facts = facts[s.within]
	}
	if err := imp.run(ctx); err != nil {
		p.end()
		if imp.sent.Lines > 0 {
			i.notice("%s imported so far; the same command goes on from there", plural(imp.sent.Lines, "line"))
		}
		return err
	}
	p.end()
	return i.summary(a, &imp, cluster)
}

// importSummary is what an import has done.
type importSummary struct {
	Cluster  string   `json:"cluster"`
	Sessions []string `json:"sessions"`
	Nodes    int      `json:"nodes"`
	Files    int      `json:"files"`
	Lines    int      `json:"lines_imported"`
	Bytes    uint64   `json:"bytes_imported"`
	Before   uint64   `json:"bytes_there_before"`
}

func (i *importing) summary(a *archive.Archive, imp *importer, cluster string) error {
	s := importSummary{Cluster: cluster, Sessions: []string{}, Nodes: len(a.Nodes()), Files: len(imp.sources), Lines: imp.sent.Lines, Bytes: imp.sent.Bytes, Before: imp.before}
	seen := map[string]bool{}
	for _, n := range a.Nodes() {
		for _, session := range n.Sessions {
			if !seen[session.Name] {
				seen[session.Name] = true
				s.Sessions = append(s.Sessions, session.Name)
			}
		}
	}
	if i.output.value == "json" {
		return json.NewEncoder(i.stdout).Encode(s)
	}
	what := fmt.Sprintf("%s (%s)", plural(s.Lines, "line"), sizeText(s.Bytes))
	if s.Before > 0 {
		what += fmt.Sprintf(", %s were there before", sizeText(s.Before))
	}
	fmt.Fprintf(i.stdout, "imported %s of %s, %s, %s as cluster %q\n",
		what, plural(s.Files, "file"), plural(s.Nodes, "node"), plural(len(s.Sessions), "session"), cluster)
	for _, name := range s.Sessions {
		fmt.Fprintf(i.stdout, "  %s\n", name)
	}
	if len(s.Sessions) > 0 {
		started, _ := ray.ParseSession(s.Sessions[0])
		fmt.Fprintf(i.stdout, "ask: remora query '{RayCluster=%q} | detected_level=\"error\"' --from %s\n",
			cluster, started.Started.Add(-24*time.Hour).Format(time.DateOnly))
	}
	return nil
}

// openArchive opens what the arguments name; what is not there was asked for by
// name.
func openArchive(paths []string) (*archive.Archive, error) {
	if err := exist(paths); err != nil {
		return nil, err
	}
	a, err := archive.Open(paths, archive.Options{})
	if errors.Is(err, archive.ErrNoSession) {
		return nil, &notFoundError{err}
	}
	return a, err
}

func exist(paths []string) error {
	for _, p := range paths {
		if _, err := os.Stat(p); os.IsNotExist(err) {
			return notFoundf("%s: there is no such file or directory", p)
		}
	}
	return nil
}

// folderName is the name of the folder that path is, or lies in where it is an
// archive or a session directory.
func folderName(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return "", err
	}
	if _, session := ray.ParseSession(filepath.Base(abs)); session || !info.IsDir() {
		abs = filepath.Dir(abs)
	}
	if abs == "/" {
		return "", usagef("%s lies in no folder whose name could name the cluster: give one with --cluster", path)
	}
	return filepath.Base(abs), nil
}

func totalBytes(sources []*importSource) (total uint64) {
	for _, s := range sources {
		total += uint64(s.stream.Size())
	}
	return total
}
