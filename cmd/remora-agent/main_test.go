package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func none(string) string { return "" }

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.conf")
	text := "# comment\ncluster = from-file\n\ntenant = from-file\nurl = http://from-file:1\nonce = true\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"REMORA_TENANT": "from-env", "REMORA_URL": "http://from-env:1", "REMORA_NODE_TYPE": "worker"}
	o, err := parse([]string{"--config", file, "--url", "http://from-flag:1", "--state", "s"}, func(k string) string { return env[k] }, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := o.conf
	if c.Node.Cluster != "from-file" || c.Tenant != "from-env" || c.URL != "http://from-flag:1" || c.Node.Type != "worker" || !c.Once {
		t.Errorf("%+v", c)
	}
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.conf")
	if err := os.WriteFile(bad, []byte("ray-rot = /tmp/ray\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		exit int
		says string
	}{
		{[]string{"--help"}, exitDone, "Exit status: 0 done"},
		{[]string{"version"}, exitDone, "remora-agent dev"},
		{[]string{"--ray-rot", "x"}, exitUsage, "unknown flag --ray-rot, did you mean --ray-root?"},
		{[]string{"--config", bad}, exitUsage, `unknown setting "ray-rot", did you mean "ray-root"?`},
		{[]string{"--config", filepath.Join(dir, "no")}, exitUsage, "no such file"},
		{[]string{"surplus"}, exitUsage, `unexpected argument "surplus"`},
		{[]string{"--drain-timeout", "soon"}, exitUsage, "invalid value"},
		{[]string{"--listen", ""}, exitUsage, "give --url http://HOST:PORT"},
		{[]string{"--listen", "", "--url", "-"}, exitUsage, "give --state DIR"},
		{[]string{"--listen", "", "--url", "nonsense", "--state", dir}, exitUsage, "is not http://HOST:PORT"},
		{[]string{"--listen", "", "--url", "-", "--state", dir, "--ray-root", file}, exitFailed, "is not a directory"},
		{[]string{"--once", "--url", "-", "--state", dir, "--ray-root", filepath.Join(dir, "none")}, exitFailed, "no such file or directory"},
		{[]string{"--url", "-", "--state", dir, "--listen", "256.0.0.1:1"}, exitFailed, "choose another address with --listen"},
	} {
		var out, errs bytes.Buffer
		if got := run(c.args, none, &out, &errs); got != c.exit || !strings.Contains(out.String()+errs.String(), c.says) {
			t.Errorf("%q: exit %d, want %d saying %q\n%s%s", c.args, got, c.exit, c.says, &out, &errs)
		}
	}
}

func TestOnceToStandardOutput(t *testing.T) {
	dir := t.TempDir()
	logs := filepath.Join(dir, "ray/session_2026-11-21_05-06-01_604983_1/logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(logs, "raylet.out"), []byte("one\ntwo"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--ray-root", filepath.Join(dir, "ray"), "--url", "-", "--state", filepath.Join(dir, "state"), "--cluster", "c", "--once"}
	var out, errs bytes.Buffer
	if got := run(args, none, &out, &errs); got != exitDone {
		t.Fatalf("exit %d: %s", got, &errs)
	}
	if n := strings.Count(out.String(), "\n"); n != 2 || !strings.Contains(out.String(), `"line":"two"`) {
		t.Errorf("%d lines: %s", n, &out)
	}
	out.Reset()
	if got := run(args, none, &out, &errs); got != exitDone || out.Len() != 0 {
		t.Errorf("a second run: exit %d, wrote %q", got, &out)
	}
}
