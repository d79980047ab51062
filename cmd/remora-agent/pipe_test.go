package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPipe(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	file := write(t, filepath.Join(t.TempDir(), "agent.yaml"), `
state: /nowhere/that/matters
labels: {team: a}
sources: [{name: app, files: {include: ["/var/log/app/*.log"]}}]
pipeline: [drop: {regex: chatter}]
outputs:
- name: both
  stdout: {format: json}
- name: shout
  stdout: {format: raw}
  sources: [app, stdin]
  pipeline: [replace: {regex: one, with: ONE}]
- name: files
  stdout: {format: logfmt}
  sources: [app]
`)
	for _, c := range []struct {
		args string
		exit int
		says []string
	}{
		{"--help", exitDone, []string{"Exit status: 0 done", "-config"}},
		{"--url - --tee", exitUsage, []string{"write to the same place"}},
		{"--config " + file + " --tee", exitUsage, []string{"(both) write to the same place"}},
		{"--ur x", exitUsage, []string{"did you mean --url?"}},
		{"more", exitUsage, []string{`unexpected argument "more"`}},
		{"--url - --spool-bytes 1KiB", exitUsage, []string{"1MiB or more"}},
		{"--url - --spool-bytes many", exitUsage, []string{"is not a size"}},
		{"--url - --label 1=2", exitUsage, []string{"is not NAME=VALUE"}},
		{"--url nonsense", exitUsage, []string{"is not http://HOST:PORT"}},
		{"", exitUsage, []string{"no output is named"}},
		{"--url - --label team=b --metadata run=7", exitDone, []string{`"line":"one"`, `"team":"b"`, `"run":"7"`, `"line":"chatter"`}},
		{"--config " + file, exitDone, []string{`"line":"one"`, `"team":"a"`, "stdin: ONE\n"}},
	} {
		got := runs(t, "one\nchatter\n", map[string]string{"REMORA_CLUSTER": "from-env"}, append([]string{"pipe"}, strings.Fields(c.args)...)...)
		if got.exit != c.exit {
			t.Errorf("pipe %s: exit %d, want %d\n%s", c.args, got.exit, c.exit, got.says())
		}
		for _, says := range c.says {
			if !strings.Contains(got.says(), says) {
				t.Errorf("pipe %s: nothing of %q in\n%s", c.args, says, got.says())
			}
		}
		if strings.Contains(c.args, file) && strings.Contains(got.out, "chatter") || strings.Contains(got.out, "line=one") {
			t.Errorf("pipe %s: a line that is dropped, or an output that does not take it:\n%s", c.args, got.out)
		}
	}
	if dirs, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(dirs) > 0 {
		t.Errorf("left behind: %v %v", dirs, err)
	}
}
