package agent

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/ship"
	"github.com/remora-ray/remora/internal/agent/stage"
	"github.com/remora-ray/remora/internal/logs"
)

// Config says what to follow and where to send it. The zero value of each field
// that is not marked required works.
type Config struct {
	RayRoot string // directory that holds session_… directories; "" means /tmp/ray
	// Source, if not nil, says where the files are; RayRoot counts only for a discover.Ray.
	Source discover.Layout
	URL    string // required: http://HOST:PORT of the server, or "-" for Output
	State  string // required: directory for positions
	// Target, if not nil, is where lines go; URL, Tenant and TokenFile are not looked at.
	Target ship.Target
	// Place, where it is not nil, tells whose files are: those of a session by its path
	// below RayRoot, those of a discover.Placed by what that says. It is asked again
	// until it says that all is known.
	Place func(at string) Placement
	// Labels and Metadata are added to every line, and win over what Ray's files tell.
	Labels, Metadata logs.Labels
	Stages           *stage.Program // run for each line; nil for none
	Tenant           string         // X-Scope-OrgID; "" sends none

	// Node is what is known of this node; Cluster "" means the host's name, Type ""
	// is found out from the files.
	Node     parse.Node
	PodUID   string         // on Kubernetes; "" takes the machine's id
	Location *time.Location // zone of the node's time stamps; nil means the process's

	Once         bool          // read all that is there, deliver it, return
	DrainTimeout time.Duration // how long to go on after ctx ends; 0 means 25 s
	TokenFile    string        // file that holds a bearer token

	BatchBytes  int           // largest push before compression; 0 means 1 MiB
	BatchWait   time.Duration // longest time a line waits for its batch; 0 means 600 ms
	ScanEvery   time.Duration // 0 means 5 s
	Readers     int           // 0 means one per core, four at most
	MaxOpen     int           // descriptors held; 0 means 512
	HoldBytes   int64         // what deleted files may keep on disk while unread; 0 means 512 MiB
	Hold        func() int64  // HoldBytes where it changes while Run runs; nil means it does not
	Version     string
	Logger      *slog.Logger          // nil means slog.Default
	Registerer  prometheus.Registerer // nil registers nowhere
	Output      io.Writer             // for URL "-"; nil means standard output
	MinWait     time.Duration         // first wait after a failure to send; 0 means 200 ms
	MaxWait     time.Duration         // longest one; 0 means 30 s
	inFlight    time.Duration         // how long a dead agent's push may be on its way; 0 means inFlight
	QuietBefore time.Duration         // how long files must not grow before a drain ends; 0 means 1 s
	// Spent, if not nil, is called with the inode of each file that will not be read any
	// more: it was rotated, and all of it is acknowledged and on record. It must not wait.
	Spent func(inode uint64)
	// Health, if not nil, is given a Health that may be asked while Run runs.
	Health func(*Health)
}

// Placement is whose files are.
type Placement struct {
	Node parse.Node
	// Machine is the machine or pod that is part of their identity, and must always be
	// the same; "" for this one.
	Machine string
	// Apart tells them from other files of this machine, where Machine does not.
	Apart string
	Known bool // all that there is to know
	Wait  bool // until then nothing of them may be sent
}

// Check names what is wrong with the settings themselves, without a look at the
// machine.
func (c *Config) Check() error {
	var errs []error
	if c.Target == nil && c.URL == "" {
		errs = append(errs, errors.New("no server is named: give --url http://HOST:PORT, or --url - for standard output"))
	}
	if c.State == "" {
		errs = append(errs, errors.New("no state directory is named: give --state DIR"))
	}
	for name, v := range map[string]int64{
		"drain timeout": int64(c.DrainTimeout), "batch bytes": int64(c.BatchBytes), "batch wait": int64(c.BatchWait),
		"scan interval": int64(c.ScanEvery), "readers": int64(c.Readers), "open files": int64(c.MaxOpen), "held bytes": c.HoldBytes,
	} {
		if v < 0 {
			errs = append(errs, fmt.Errorf("%s must not be negative", name))
		}
	}
	if t := c.Node.Type; t != "" && t != "head" && t != "worker" {
		errs = append(errs, fmt.Errorf("node type %q is neither head nor worker", t))
	}
	if strings.ContainsAny(c.Tenant, "\r\n\x00/") {
		errs = append(errs, fmt.Errorf("tenant %q: not a tenant's name", c.Tenant))
	}
	if c.Target == nil && c.URL != "" && c.URL != "-" {
		if _, err := c.target(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// validate fills in defaults and names what is wrong.
func (c *Config) validate() error {
	errs := []error{c.Check()}
	c.defaults()
	if c.RayRoot == "" {
		return errors.Join(errs...)
	}
	if i, err := os.Stat(c.RayRoot); err == nil && !i.IsDir() {
		errs = append(errs, fmt.Errorf("ray root %s is not a directory: name the one that holds session_… directories with --ray-root", c.RayRoot))
	} else if err != nil && c.Once {
		errs = append(errs, fmt.Errorf("ray root: %w (name the directory that holds session_… directories with --ray-root)", err))
	}
	return errors.Join(errs...)
}

func (c *Config) defaults() {
	switch r, isRay := c.Source.(discover.Ray); {
	case c.Source == nil:
		or(&c.RayRoot, "/tmp/ray")
		c.RayRoot = filepath.Clean(c.RayRoot)
		c.Source = discover.Ray{Root: c.RayRoot}
	case isRay:
		c.RayRoot = filepath.Clean(r.Root)
	default:
		c.RayRoot = ""
	}
	or(&c.DrainTimeout, 25*time.Second)
	or(&c.BatchBytes, 1<<20)
	or(&c.BatchWait, 600*time.Millisecond)
	or(&c.ScanEvery, 5*time.Second)
	or(&c.MaxOpen, 512)
	or(&c.HoldBytes, 512<<20)
	if c.Hold == nil {
		limit := c.HoldBytes
		c.Hold = func() int64 { return limit }
	}
	or(&c.QuietBefore, time.Second)
	or(&c.inFlight, inFlight)
	or(&c.MinWait, 200*time.Millisecond)
	or(&c.MaxWait, 30*time.Second)
	or(&c.Version, "unknown")
	if c.Node.Cluster == "" {
		c.Node.Cluster, _ = os.Hostname()
	}
	if c.Location == nil {
		c.Location = time.Local
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Output == nil {
		c.Output = os.Stdout
	}
	if c.Spent == nil {
		c.Spent = func(uint64) {}
	}
	if c.Health == nil {
		c.Health = func(*Health) {}
	}
}

func or[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

func (c *Config) target() (ship.Target, error) {
	if c.Target != nil {
		return c.Target, nil
	}
	if c.URL == "-" {
		return ship.NewLines(c.Output), nil
	}
	return ship.NewClient(ship.Config{
		URL: c.URL, Tenant: c.Tenant, TokenFile: c.TokenFile, UserAgent: "remora-agent/" + c.Version,
	})
}

// machine names where files are: the pod, else the machine.
func (c *Config) machine() string {
	if c.PodUID != "" {
		return c.PodUID
	}
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if b, err := os.ReadFile(path); err == nil && len(strings.TrimSpace(string(b))) > 0 {
			return strings.TrimSpace(string(b))
		}
	}
	host, _ := os.Hostname()
	return host
}
