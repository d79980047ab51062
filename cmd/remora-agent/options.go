package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/agent"
)

// options is what flags, environment and the configuration file say.
type options struct {
	conf    agent.Config
	listen  string
	level   slog.Level
	version bool
}

// environment names the variable of a flag; flags win over it, it over --config.
var environment = map[string]string{
	"url":        "REMORA_URL",
	"tenant":     "REMORA_TENANT",
	"cluster":    "REMORA_CLUSTER",
	"namespace":  "REMORA_NAMESPACE",
	"pod":        "REMORA_POD",
	"pod-uid":    "REMORA_POD_UID",
	"container":  "REMORA_CONTAINER",
	"node-type":  "REMORA_NODE_TYPE",
	"group":      "REMORA_GROUP",
	"token-file": "REMORA_TOKEN_FILE",
}

const usage = `remora-agent follows the log files of a Ray node and sends each line once.

Usage:
  remora-agent --url URL --state DIR [flags]

Examples:
  remora-agent --url http://logs:3100 --state /var/lib/remora-agent
  remora-agent --ray-root /tmp/ray --url http://logs:3100 --state ./state --cluster my-cluster --tenant team-a
  remora-agent --ray-root /tmp/ray --url - --state ./state --once > lines.json

Flags:
`

const notes = `
Each flag may stand in the file of --config as "name = value", one a line, # before
a comment. In the environment: REMORA_URL, REMORA_TENANT, REMORA_CLUSTER,
REMORA_NAMESPACE, REMORA_POD, REMORA_POD_UID, REMORA_CONTAINER, REMORA_NODE_TYPE,
REMORA_GROUP, REMORA_TOKEN_FILE. Flags win over the environment, the environment
over the file. Time stamps without a zone are read in the zone of TZ.

SIGTERM reads on until the files are quiet and everything is acknowledged, at most
for --drain-timeout; a second signal ends at once. Nothing is lost either way: the
next run goes on where the last acknowledgement was.

Exit status: 0 done, 1 failed or (at the end, or with --once) not everything was
acknowledged, 2 usage.
`

func flags(o *options) (*flag.FlagSet, *string) {
	fs := flag.NewFlagSet("remora-agent", flag.ContinueOnError)
	c := &o.conf
	fs.StringVar(&c.RayRoot, "ray-root", "/tmp/ray", "`DIR` that holds Ray's session_… directories; may appear later")
	fs.StringVar(&c.URL, "url", "", "`URL` of the server, http://HOST:PORT, or - for JSON lines on standard output")
	fs.StringVar(&c.State, "state", "", "`DIR` for positions; one agent each")
	fs.StringVar(&c.Node.Cluster, "cluster", "", "`NAME` of the cluster (default the host's name)")
	fs.StringVar(&c.Tenant, "tenant", "", "`NAME` of the tenant, sent as X-Scope-OrgID")
	fs.StringVar(&c.TokenFile, "token-file", "", "`FILE` that holds a bearer token, read again for each request")
	fs.StringVar(&c.Node.Namespace, "namespace", "", "Kubernetes `NAMESPACE`")
	fs.StringVar(&c.Node.Pod, "pod", "", "`NAME` of the pod")
	fs.StringVar(&c.PodUID, "pod-uid", "", "`UID` of the pod; part of each file's identity")
	fs.StringVar(&c.Node.Container, "container", "", "`NAME` of the container whose files these are")
	fs.StringVar(&c.Node.Type, "node-type", "", "head or worker (default: found out from the files)")
	fs.StringVar(&c.Node.Group, "group", "", "`NAME` of the worker group")
	fs.BoolVar(&c.Once, "once", false, "read all that is there to its end, deliver it, and exit")
	fs.StringVar(&o.listen, "listen", ":9081", "`ADDRESS` of /metrics, /healthz and /readyz; empty for none")
	fs.DurationVar(&c.DrainTimeout, "drain-timeout", 0, "longest time to go on after SIGTERM, or with --once without progress (default 25s)")
	fs.IntVar(&c.BatchBytes, "batch-bytes", 0, "largest push in `BYTES` before compression (default 1048576)")
	fs.DurationVar(&c.BatchWait, "batch-wait", 0, "longest time a line waits for its batch (default 1s)")
	fs.DurationVar(&c.ScanEvery, "scan-interval", 0, "time between two looks at everything (default 5s)")
	fs.IntVar(&c.Readers, "readers", 0, "files read at once (default one per core, at most 4)")
	fs.IntVar(&c.MaxOpen, "max-open", 0, "log files held open at most (default 512)")
	fs.Int64Var(&c.HoldBytes, "hold-bytes", 0, "`BYTES` that deleted files may keep on disk while unread (default 536870912)")
	fs.TextVar(&o.level, "log-level", slog.LevelInfo, "debug, info, warn or error")
	file := fs.String("config", "", "`FILE` with the same settings")
	fs.BoolVar(&o.version, "version", false, "print the version and exit")
	return fs, file
}

func parse(args []string, env func(string) string, stdout io.Writer) (*options, error) {
	o := &options{}
	fs, file := flags(o)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	if len(args) == 1 && (args[0] == "version" || args[0] == "help") {
		args = []string{"--" + args[0]}
	}
	if err := fs.Parse(args); err != nil {
		if err == flag.ErrHelp {
			fmt.Fprint(stdout, usage)
			fs.SetOutput(stdout)
			fs.PrintDefaults()
			fmt.Fprint(stdout, notes)
		}
		return nil, hint(fs, err)
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: everything is a flag", fs.Arg(0))
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, variable := range environment {
		if v := env(variable); v != "" && !given[name] {
			given[name] = true
			if err := fs.Set(name, v); err != nil {
				return nil, fmt.Errorf("%s: %w", variable, err)
			}
		}
	}
	if *file != "" {
		if err := readFile(fs, *file, given); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// readFile sets what the file says and nothing else has said.
func readFile(fs *flag.FlagSet, path string, given map[string]bool) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read --config: %w", err)
	}
	sc := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok:
			return fmt.Errorf("%s:%d: %q is not name = value", path, n, line)
		case fs.Lookup(name) == nil || name == "config" || name == "version":
			return fmt.Errorf("%s:%d: unknown setting %q, did you mean %q?", path, n, name, nearest(fs, name))
		case given[name]:
			continue
		}
		if err := fs.Set(name, value); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", path, n, name, err)
		}
	}
	return sc.Err()
}

// hint adds the nearest flag to the error about an unknown one.
func hint(fs *flag.FlagSet, err error) error {
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return err
	}
	return fmt.Errorf("unknown flag --%s, did you mean --%s?", name, nearest(fs, name))
}

func nearest(fs *flag.FlagSet, name string) string {
	best, least := "", 1<<30
	fs.VisitAll(func(f *flag.Flag) {
		if d := distance(name, f.Name); d < least {
			best, least = f.Name, d
		}
	})
	return best
}

// distance is how many letters must be put in, taken out or changed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{cost, row[j] + 1, row[j+1] + 1})
		}
	}
	return row[len(b)]
}
