package install

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

var units = map[string]Unit{
	"url.service": {
		Program: "/usr/local/bin/remora-agent", User: "ray", RayRoot: "/tmp/ray", State: "/var/lib/remora-agent", Drain: 25 * time.Second,
		Args: []string{"--url", "http://logs:3100", "--cluster", "100% $HOME \"x\"", "--ray-root", "/tmp/ray", "--state", "/var/lib/remora-agent"},
	},
	"config.service": {
		Program: "/opt/remora/bin/remora-agent", User: "ubuntu", RayRoot: "/ray", State: "/mnt/state of agents", Drain: 2 * time.Minute,
		Args: []string{"--config", "/etc/remora/agent.yaml"},
	},
}

// flagged is the unit of every flag that becomes one of the agent's.
func flagged(t *testing.T) Unit {
	t.Helper()
	o := &options{}
	if err := flags(o).Parse([]string{
		"--url", "http://logs:3100", "--cluster", "c", "--tenant", "t", "--token-file", "/etc/token", "--user", "ray",
		"--ray-root", "/mnt/ray", "--state", "/mnt/state", "--drain-timeout", "1m",
	}); err != nil {
		t.Fatal(err)
	}
	u, err := o.unit()
	if err != nil {
		t.Fatal(err)
	}
	return *u
}

func TestUnits(t *testing.T) {
	all := maps.Clone(units)
	all["flags.service"] = flagged(t)
	for name, u := range all {
		got, err := u.Text()
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name)
		if *rewrite {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s -want +got (rewrite with -rewrite):\n%s", name, diff)
		}
		if i := strings.Index(got, "@"); i >= 0 && !strings.HasPrefix(got[i:], "@system-service") {
			t.Errorf("%s: a place is left open: %.20q", name, got[i:])
		}
	}
}

// systemd takes the unit without a complaint and finds it well confined.
func TestSystemdTakesTheUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("not run, as systemd-analyze is not installed")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "remora-agent")
	if err := os.WriteFile(program, []byte("#!/bin/true\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, u := range units {
		u.Program, u.User = program, "daemon"
		text, err := u.Text()
		if err != nil {
			t.Fatal(err)
		}
		unit := filepath.Join(dir, name)
		if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput()
		if err != nil || strings.Contains(string(out), name) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		out, err = exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestInstall(t *testing.T) {
	prefix := t.TempDir()
	args := []string{"--url", "http://logs:3100", "--user", "ray", "--prefix", prefix}
	var out, errs bytes.Buffer
	if got := Main(append(args, "--dry-run"), nil, &out, &errs); got != exitDone || !strings.Contains(out.String(), "User=ray\n") {
		t.Fatalf("dry run: exit %d\n%s%s", got, &out, &errs)
	}
	if left, _ := os.ReadDir(prefix); len(left) > 0 {
		t.Errorf("a dry run wrote %v", left)
	}
	for range 2 { // the second time over the first
		out.Reset()
		if got := Main(args, nil, &out, &errs); got != exitDone || !strings.Contains(out.String(), "systemctl enable --now remora-agent") {
			t.Fatalf("exit %d\n%s%s", got, &out, &errs)
		}
	}
	program, err := os.Stat(filepath.Join(prefix, "bin/remora-agent"))
	if err != nil || program.Mode().Perm() != 0o755 || program.Size() == 0 {
		t.Errorf("program: %v, %v", program, err)
	}
	unit, err := os.ReadFile(filepath.Join(prefix, "lib/systemd/system/remora-agent.service"))
	if err != nil || !strings.Contains(string(unit), "ExecStart="+prefix+"/bin/remora-agent --url http://logs:3100 --ray-root /tmp/ray --state /var/lib/remora-agent --drain-timeout 25s\n") {
		t.Errorf("unit: %v\n%s", err, unit)
	}
	if left, _ := filepath.Glob(filepath.Join(prefix, "*/.remora-agent-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestAStateOfItsOwnIsMade(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if got := Main([]string{"--url", "http://l", "--user", me.Username, "--prefix", dir, "--state", state}, nil, &out, &errs); got != exitDone {
		t.Fatalf("exit %d\n%s%s", got, &out, &errs)
	}
	if i, err := os.Stat(state); err != nil || i.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", i, err)
	}
	if got := Main([]string{"--url", "http://l", "--user", "no-such-user", "--prefix", dir, "--state", state}, nil, &out, &errs); got != exitFailed {
		t.Errorf("a user that is not there: exit %d", got)
	}
}

func TestUsage(t *testing.T) {
	t.Setenv("SUDO_USER", "")
	none := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		args []string
		exit int
		says string
	}{
		{[]string{"--help"}, exitDone, "Exit status: 0 done"},
		{nil, exitUsage, "give --url http://HOST:PORT or --config FILE"},
		{[]string{"--url", "http://l", "--config", "/c"}, exitUsage, "one of them"},
		{[]string{"--url", "l:3100"}, exitUsage, "is not http://HOST:PORT"},
		{[]string{"--config", "agent.yaml"}, exitUsage, "give absolute paths"},
		{[]string{"--url", "http://l", "surplus"}, exitUsage, "unexpected argument"},
		{[]string{"--url", "http://l", "--drain-timeout", "0s"}, exitUsage, "a second at least"},
		{[]string{"--url", "http://l", "--ray-root", none, "--dry-run"}, exitFailed, "name it with --user"},
		{[]string{"--url", "http://l", "--user", "a b", "--dry-run"}, exitFailed, "is not a user's name"},
		{[]string{"--url", "http://l", "--user", "ray", "--state", "state", "--dry-run"}, exitFailed, "must be an absolute path"},
		{[]string{"--url", "http://l\n[Service]", "--user", "ray", "--dry-run"}, exitFailed, "control character"},
	} {
		var out, errs bytes.Buffer
		if got := Main(c.args, nil, &out, &errs); got != c.exit || !strings.Contains(out.String()+errs.String(), c.says) {
			t.Errorf("%q: exit %d\n%s%s", c.args, got, &out, &errs)
		}
	}
}
