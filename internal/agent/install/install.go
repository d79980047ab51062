// Package install puts the agent onto a machine with systemd: the program, and a
// unit that confines it.
//
// Invariant: nothing is written before all of it is known to be right, and each file
// is replaced as a whole.
package install

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const usage = `remora-agent install puts the agent onto this machine as a systemd service.

Usage:
  remora-agent install --url URL [flags]
  remora-agent install --config FILE [flags]

It copies the program to PREFIX/bin and writes
PREFIX/lib/systemd/system/remora-agent.service; then it says how to start it.

Examples:
  sudo ./remora-agent install --url http://logs:3100 --cluster my-cluster
  sudo ./remora-agent install --config /etc/remora/agent.yaml --user ray
  ./remora-agent install --url http://logs:3100 --user ray --dry-run

Flags:
`

// Exit status of Main.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// options is what the flags say.
type options struct {
	url, config, tenant, cluster, tokenFile string
	user, rayRoot, state, prefix            string
	drain                                   time.Duration
	dryRun                                  bool
}

func flags(o *options) *flag.FlagSet {
	fs := flag.NewFlagSet("install", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.url, "url", "", "`URL` of the server, http://HOST:PORT")
	fs.StringVar(&o.config, "config", "", "configuration `FILE`, in place of --url; it stays where it is")
	fs.StringVar(&o.tenant, "tenant", "", "`NAME` of the tenant")
	fs.StringVar(&o.cluster, "cluster", "", "`NAME` of the cluster (default the host's name)")
	fs.StringVar(&o.tokenFile, "token-file", "", "`FILE` that holds a bearer token; the user must be able to read it")
	fs.StringVar(&o.user, "user", "", "`NAME` of the user that Ray runs as (default the owner of the Ray root, else who called sudo)")
	fs.StringVar(&o.rayRoot, "ray-root", "/tmp/ray", "`DIR` that holds Ray's session_… directories; may appear later")
	fs.StringVar(&o.state, "state", defaultState, "`DIR` for positions")
	fs.StringVar(&o.prefix, "prefix", "/usr/local", "`DIR` to install below")
	fs.DurationVar(&o.drain, "drain-timeout", 25*time.Second, "longest time to go on after SIGTERM")
	fs.BoolVar(&o.dryRun, "dry-run", false, "print the unit and what would be done, and do nothing")
	return fs
}

// Main runs "remora-agent install" with the arguments behind that word and returns
// its exit status: 0 done, 1 failed, 2 usage.
func Main(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	o := &options{}
	fs := flags(o)
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		var flags strings.Builder
		fs.SetOutput(&flags)
		fs.PrintDefaults()
		fmt.Fprint(stdout, usage, strings.ReplaceAll("\n"+flags.String(), "\n  -", "\n  --")[1:], "\nExit status: 0 done, 1 failed, 2 usage.\n")
		return exitDone
	}
	if err == nil {
		err = o.check(fs.Args())
	}
	if err != nil {
		fmt.Fprintf(stderr, "remora-agent install: %v\nTry: remora-agent install --help\n", err)
		return exitUsage
	}
	if err := o.run(stdout); err != nil {
		fmt.Fprintf(stderr, "remora-agent install: %v\n", err)
		return exitFailed
	}
	return exitDone
}

func (o *options) check(surplus []string) error {
	switch {
	case len(surplus) > 0:
		return fmt.Errorf("unexpected argument %q: everything is a flag", surplus[0])
	case (o.url == "") == (o.config == ""):
		return errors.New("give --url http://HOST:PORT or --config FILE, one of them")
	case o.url != "" && !strings.HasPrefix(o.url, "http://") && !strings.HasPrefix(o.url, "https://"):
		return fmt.Errorf("url %q is not http://HOST:PORT or https://HOST:PORT", o.url)
	case o.drain < time.Second:
		return errors.New("--drain-timeout must be a second at least")
	case o.config != "" && !filepath.IsAbs(o.config), o.tokenFile != "" && !filepath.IsAbs(o.tokenFile):
		return errors.New("the service has no working directory: give absolute paths")
	}
	return nil
}

// unit is what the options ask for.
func (o *options) unit() (*Unit, error) {
	if o.user == "" {
		o.user = whose(o.rayRoot)
	}
	if o.user == "" {
		return nil, fmt.Errorf("%s is not there to tell which user Ray runs as: name it with --user", o.rayRoot)
	}
	u := &Unit{
		Program: filepath.Join(o.prefix, "bin/remora-agent"), User: o.user, RayRoot: o.rayRoot, State: o.state, Drain: o.drain,
	}
	for _, f := range []struct{ name, value string }{
		{"--config", o.config},
		{"--url", o.url},
		{"--tenant", o.tenant},
		{"--cluster", o.cluster},
		{"--token-file", o.tokenFile},
		{"--ray-root", o.rayRoot},
		{"--state", o.state},
		{"--drain-timeout", o.drain.String()},
	} {
		// A file says where Ray's logs are; what is given here would win over it.
		if f.value != "" && (f.name != "--ray-root" || o.config == "") {
			u.Args = append(u.Args, f.name, f.value)
		}
	}
	return u, nil
}

// whose tells the owner of Ray's directory, else who called sudo; "" is nobody known.
func whose(root string) string {
	if i, err := os.Stat(root); err == nil {
		if st, ok := i.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
			if u, err := user.LookupId(strconv.Itoa(int(st.Uid))); err == nil {
				return u.Username
			}
		}
	}
	if name := os.Getenv("SUDO_USER"); name != "root" {
		return name
	}
	return ""
}

func (o *options) run(stdout io.Writer) error {
	u, err := o.unit()
	if err != nil {
		return err
	}
	text, err := u.Text()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	service := filepath.Join(o.prefix, "lib/systemd/system/remora-agent.service")
	if o.dryRun {
		fmt.Fprintf(stdout, "# would copy %s to %s\n# would write %s:\n%s", self, u.Program, service, text)
		return nil
	}
	if err := makeState(u); err != nil {
		return err
	}
	if err := copyProgram(self, u.Program); err != nil {
		return err
	}
	if err := replace(service, strings.NewReader(text), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "installed %s and %s; the agent will run as %s. Start it now and at each boot:\n"+
		"  systemctl daemon-reload\n  systemctl enable --now remora-agent\n", u.Program, service, u.User)
	return nil
}

// makeState makes a state directory that systemd does not make itself.
func makeState(u *Unit) error {
	if u.State == defaultState {
		return nil
	}
	owner, err := user.Lookup(u.User)
	if err != nil {
		return fmt.Errorf("make %s: %w", u.State, err)
	}
	uid, errUID := strconv.Atoi(owner.Uid)
	gid, errGID := strconv.Atoi(owner.Gid)
	err = errors.Join(errUID, errGID, os.MkdirAll(u.State, 0o700))
	if err == nil {
		err = os.Chown(u.State, uid, gid)
	}
	if err != nil {
		return fmt.Errorf("make %s: %w (run it as root)", u.State, err)
	}
	return nil
}

// copyProgram copies the program that runs, unless it is the one installed.
func copyProgram(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("read this program: %w", err)
	}
	defer src.Close()
	a, errA := src.Stat()
	b, errB := os.Stat(to)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return nil
	}
	return replace(to, src, 0o755)
}

// replace writes a file beside its place and renames it, so that it is whole or as it was.
func replace(to string, from io.Reader, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("install %s: %w", to, err)
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".remora-agent-*")
	if err != nil {
		return fmt.Errorf("install %s: %w (run it as root, or choose another --prefix)", to, err)
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, from)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), to)
	}
	if err != nil {
		return fmt.Errorf("install %s: %w", to, err)
	}
	return nil
}
