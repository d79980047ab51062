package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/remora-ray/remora/internal/agent"
	"github.com/remora-ray/remora/internal/agent/fleet"
)

// ran is what came of a command.
type ran struct {
	exit     int
	out, err string
}

// says is everything that was written.
func (r ran) says() string { return r.out + r.err }

// command runs the program with an environment of pairs.
func runs(t *testing.T, stdin string, env map[string]string, args ...string) ran {
	t.Helper()
	var out, errs bytes.Buffer
	p := &process{
		func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		strings.NewReader(stdin), &out, &errs,
	}
	return ran{p.main(args), out.String(), errs.String()}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "agent.yaml"), `
cluster: from-file
group: from-file
state: from-file
outputs:
- name: a
  remora: {url: "http://from-file:1", tenant: from-file}
- name: b
  loki: {url: "http://from-file:2"}
`)
	env := map[string]string{"REMORA_TENANT": "from-env", "REMORA_GROUP": "from-env", "REMORA_NODE_TYPE": "worker", "REMORA_CLUSTER": ""}
	lookup := func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	o := &options{file: file, given: map[string]string{"group": "from-flag"}}
	o.environment(lookup)
	c, err := o.load(lookup)
	if err != nil {
		t.Fatal(err)
	}
	if c.Cluster != "from-file" || c.Group != "from-flag" || c.NodeType != "worker" || c.Plain {
		t.Errorf("%+v", c)
	}
	for _, out := range c.Outputs {
		if out.HTTP().Tenant != "from-env" {
			t.Errorf("tenant of %s is %s", out.Name, out.HTTP().Tenant)
		}
	}
	o.given["url"] = "http://user:pw@from-flag:3"
	if c, err = o.load(lookup); err != nil {
		t.Fatal(err)
	}
	h := c.Outputs[0].HTTP()
	if len(c.Outputs) != 1 || h.URL != "http://from-flag:3" || h.BasicAuth.Username != "user" || string(h.BasicAuth.Password) != "pw" || h.Tenant != "from-env" {
		t.Errorf("%+v", c.Outputs)
	}
}

func TestATokenIsForTheServerItWasMeantFor(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "agent.yaml"), "state: s\noutputs: [{name: a, loki: {url: 'http://a'}}, {name: b, loki: {url: 'http://b'}}]\n")
	got := runs(t, "", map[string]string{"REMORA_TOKEN_FILE": "/token"}, "check", file)
	if got.exit != exitFailed || !strings.Contains(got.err, "name it there as bearer_token_file") {
		t.Errorf("%+v", got)
	}
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	bad := write(t, filepath.Join(dir, "bad.yaml"), "clustr: x\nreaders: ${SECRET}\n")
	file := write(t, filepath.Join(dir, "file"), "")
	for _, c := range []struct {
		args []string
		exit int
		says string
	}{
		{[]string{"--help"}, exitDone, "Exit status: 0 done"},
		{[]string{"help"}, exitDone, "reference  print all there is to configure"},
		{[]string{"version"}, exitDone, "remora-agent dev"},
		{[]string{"--version"}, exitDone, "remora-agent dev"},
		{[]string{"run", "--help"}, exitDone, "Exit status: 0 done"},
		{[]string{"help", "check"}, exitDone, "Exit status: 0 the file is right"},
		{[]string{"check", "--help"}, exitDone, "Examples:"},
		{[]string{"try", "--help"}, exitDone, "Examples:"},
		{[]string{"status", "--help"}, exitDone, "Examples:"},
		{[]string{"convert", "--help"}, exitDone, "Examples:"},
		{[]string{"install", "--help"}, exitDone, "Examples:"},
		{[]string{"pipe", "--help"}, exitDone, "Examples:"},
		{[]string{"reference", "--help"}, exitDone, "Examples:"},
		{[]string{"reference"}, exitDone, "| `hold_bytes` | size | 512MiB |"},
		{[]string{"chek"}, exitUsage, `unknown command "chek", did you mean "check"?`},
		{[]string{"--ray-rot", "x"}, exitUsage, "unknown flag --ray-rot, did you mean --ray-root?"},
		{[]string{"check"}, exitUsage, "give one file to check"},
		{[]string{"check", "--stat", "x", bad}, exitUsage, "unknown flag --stat, did you mean --state?"},
		{[]string{"check", filepath.Join(dir, "no")}, exitFailed, "no such file"},
		{[]string{"check", bad}, exitFailed, "bad.yaml:1:1: clustr: unknown key, did you mean cluster?"},
		{[]string{"--config", bad}, exitUsage, "bad.yaml:1:1: clustr: unknown key, did you mean cluster?"},
		{[]string{"--config", filepath.Join(dir, "no")}, exitUsage, "no such file"},
		{[]string{"surplus"}, exitUsage, `unknown command "surplus"`},
		{[]string{"run", "surplus"}, exitUsage, `unexpected argument "surplus"`},
		{[]string{"--drain-timeout", "soon"}, exitUsage, "invalid value"},
		{[]string{"--listen", ""}, exitUsage, "--url http://HOST:PORT"},
		{[]string{"--listen", "", "--url", "-"}, exitUsage, "--state DIR"},
		{[]string{"--listen", "", "--url", "nonsense", "--state", dir}, exitUsage, "is not http://HOST:PORT"},
		{[]string{"--url", "u:hunter2@h:1", "--state", dir}, exitUsage, "is not http://HOST:PORT"},
		{[]string{"--url", "http://u:hunter2@h:bad", "--state", dir}, exitUsage, "is not a URL"},
		{[]string{"--listen", "", "--url", "-", "--state", dir, "--ray-root", file}, exitFailed, "is not a directory"},
		{[]string{"--once", "--url", "-", "--state", dir, "--ray-root", filepath.Join(dir, "none")}, exitFailed, "no such file or directory"},
		{[]string{"--url", "-", "--state", dir, "--listen", "256.0.0.1:1"}, exitFailed, "choose another address with --listen"},
		{[]string{"status", "--addr", "127.0.0.1:1"}, exitFailed, "ask the agent at 127.0.0.1:1"},
		{[]string{"status", "--output", "xml"}, exitUsage, "give text or json"},
		{[]string{"try", "--to", "x", "f"}, exitUsage, `there is no output "x"`},
		{[]string{"try", filepath.Join(dir, "no")}, exitFailed, "no such file"},
	} {
		got := runs(t, "", map[string]string{"SECRET": "hunter2"}, c.args...)
		if got.exit != c.exit || !strings.Contains(got.says(), c.says) {
			t.Errorf("%q: exit %d, want %d saying %q\n%s", c.args, got.exit, c.exit, c.says, got.says())
		}
		if strings.Contains(got.says(), "hunter2") {
			t.Errorf("%q tells a secret:\n%s", c.args, got.says())
		}
	}
}

func TestCheck(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "agent.yaml"), `
state: /var/lib/remora-agent
sources: [{ray: }, {name: app, files: {include: [/var/log/app/*.log]}}]
outputs:
- name: main
  loki:
    url: http://loki:3100
    basic_auth: {username: u, password: "${PASSWORD}"}
    headers: {X-Key: other-secret}
`)
	got := runs(t, "", map[string]string{"PASSWORD": "hunter2"}, "check", file)
	want := file + ` is right
  ray → main (http://loki:3100), positions in /var/lib/remora-agent/ray.main
  app → main (http://loki:3100), positions in /var/lib/remora-agent/app.main
`
	if diff := cmp.Diff(ran{out: want}, got, cmp.AllowUnexported(ran{})); diff != "" {
		t.Error(diff)
	}
	if got = runs(t, "", nil, "check", file); got.exit != exitFailed || !strings.Contains(got.err, ":8:41: PASSWORD is not set") {
		t.Errorf("%+v", got)
	}
}

const session = "session_2026-11-21_05-06-01_604983_1"

func TestOnceToStandardOutput(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ray", session, "logs/raylet.out"), "one\ntwo")
	args := []string{"--ray-root", filepath.Join(dir, "ray"), "--url", "-", "--state", filepath.Join(dir, "state"), "--cluster", "c", "--once"}
	got := runs(t, "", nil, args...)
	if got.exit != exitDone || strings.Count(got.out, "\n") != 2 || !strings.Contains(got.out, `"line":"two"`) {
		t.Fatalf("%+v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "state/positions")); err != nil {
		t.Errorf("flags alone keep their state elsewhere: %v", err)
	}
	if got = runs(t, "", nil, args...); got.exit != exitDone || got.out != "" {
		t.Errorf("a second run: %+v", got)
	}
}

// TestMain is the program itself where its arguments are in the environment.
func TestMain(m *testing.M) {
	if args, given := os.LookupEnv("REMORA_TEST_ARGUMENTS"); given {
		terminationLog = os.Getenv("REMORA_TEST_TERMINATION_LOG")
		os.Args = append(os.Args[:1], strings.Split(args, " ")...)
		main()
	}
	os.Exit(m.Run())
}

func TestWhatWasNotAcknowledgedIsItsLastWord(t *testing.T) {
	dir := t.TempDir()
	const text = "one\ntwo\nthree\n"
	write(t, filepath.Join(dir, "ray", session, "logs/raylet.out"), text)
	last := write(t, filepath.Join(dir, "termination-log"), "")
	asked := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	c := exec.Command("/proc/self/exe")
	c.Env = []string{
		"REMORA_TEST_TERMINATION_LOG=" + last,
		"REMORA_TEST_ARGUMENTS=--listen= --drain-timeout 1s --url " + server.URL + " --state " + dir + "/state --ray-root " + dir + "/ray",
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // its exit status is looked at below
	word, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("not everything was delivered within 1s: %d bytes are not acknowledged", len(text)); c.ProcessState.ExitCode() != exitFailed || string(word) != want {
		t.Errorf("exit status %d, last word %q, want %q", c.ProcessState.ExitCode(), word, want)
	}
}

func TestOnceNamesAFileThatItMayNotRead(t *testing.T) {
	dir := t.TempDir()
	logs := filepath.Join(dir, "ray/session_2026-11-21_05-06-01_604983_1/logs")
	write(t, filepath.Join(logs, "raylet.out"), "one\n")
	write(t, filepath.Join(logs, "secret.log"), "two\n")
	for path, mode := range map[string]os.FileMode{"raylet.out": 0o644, "secret.log": 0} {
		if err := os.Chmod(filepath.Join(logs, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	state := t.TempDir()
	for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, state: 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	// As somebody who is not user 0, who may read everything.
	c := exec.Command("/proc/self/exe")
	c.Env = []string{"REMORA_TEST_ARGUMENTS=--once --url - --state " + state + "/s --ray-root " + dir + "/ray"}
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	err := c.Run()
	if c.ProcessState.ExitCode() != exitFailed {
		t.Errorf("%v, want exit status 1", err)
	}
	if want := "cannot read " + filepath.Join(logs, "secret.log") + ","; !strings.Contains(said.String(), want) {
		t.Errorf("it says\n%s\nwithout %q", said.String(), want)
	}
	if !strings.Contains(out.String(), `"line":"one"`) {
		t.Errorf("what can be read is not delivered: %s", out.String())
	}
}

func TestOnceByAFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ray", session, "logs/raylet.out"), "one\n")
	write(t, filepath.Join(dir, "app/x.log"), "two\n")
	file := write(t, filepath.Join(dir, "agent.yaml"), `
cluster: c
state: `+dir+`/state
labels: {team: "${TEAM}"}
sources:
- ray: {root: `+dir+`/ray}
- name: app
  files: {include: [`+dir+`/app/*.log]}
  labels: {job: app}
outputs:
- stdout: {format: json}
`)
	got := runs(t, "", map[string]string{"TEAM": "a"}, "--config", file, "--once")
	if got.exit != exitDone || strings.Count(got.out, "\n") != 2 || strings.Count(got.out, `"team":"a"`) != 2 || strings.Count(got.out, `"job":"app"`) != 1 {
		t.Fatalf("%+v", got)
	}
	for _, engine := range []string{"ray.stdout", "app.stdout"} {
		if _, err := os.Stat(filepath.Join(dir, "state", engine, "positions")); err != nil {
			t.Error(err)
		}
	}
}

func TestTry(t *testing.T) {
	dir := t.TempDir()
	log := write(t, filepath.Join(dir, "ray", session, "logs/raylet.out"),
		"[2026-11-21 05:06:01,604 I 22 22] (raylet) main.cc:1: started\n[2026-11-21 05:06:02,604 D 22 22] (raylet) main.cc:2: chatter\n[2026-11-21 05:06:03,604 E 22 22] (raylet) main.cc:1: ended")
	file := write(t, filepath.Join(dir, "agent.yaml"), `
cluster: c
timezone: UTC
state: `+dir+`/state
sources: [{ray: {root: `+dir+`/ray}, labels: {team: a}}]
pipeline:
- drop: {level: [debug], reason: chatty}
outputs:
- name: main
  remora: {url: "http://192.0.2.1:1"}
`)
	got := runs(t, "", nil, "try", "--config", file, log)
	want := "== " + log + ` (ray)
2026-11-21T05:06:01.604000000Z  [2026-11-21 05:06:01,604 I 22 22] (raylet) main.cc:1: started
    labels    {RayCluster="c", component="raylet", job="ray/logs", node_type="worker", service_name="ray-cluster", team="a"}
    metadata  {detected_level="info", filename="raylet.out", pid="22", session="` + session + `", stream="out"}
dropped: chatty  [2026-11-21 05:06:02,604 D 22 22] (raylet) main.cc:2: chatter
2026-11-21T05:06:03.604000000Z  [2026-11-21 05:06:03,604 E 22 22] (raylet) main.cc:1: ended
    metadata  {detected_level="error", filename="raylet.out", pid="22", session="` + session + `", stream="out"}
`
	if got.exit != exitDone || got.out != want || got.err != "2 sent, 1 dropped (chatty 1)\n" {
		t.Errorf("%+v\n%s", got, cmp.Diff(want, got.out))
	}
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
		t.Error("a trial left a state")
	}
	got = runs(t, "hello\n", nil, "try", "--config", file, "--output", "json", "--as", "gcs_server.out")
	var line tried
	if err := json.Unmarshal([]byte(got.out), &line); err != nil || line.Line != "hello" || line.Labels["component"] != "gcs" || line.File != "-" {
		t.Errorf("%+v: %+v, %v", got, line, err)
	}
}

func TestTryTellsOutputsApart(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "agent.yaml"), `
outputs:
- name: a
  stdout:
- name: b
  stdout:
- name: c
  stdout:
  pipeline: [drop: {regex: secret}]
`)
	got := runs(t, "a secret\n", nil, "try", "--config", file, "--output", "json")
	var all []string
	for l := range strings.Lines(got.out) {
		var x tried
		if err := json.Unmarshal([]byte(l), &x); err != nil {
			t.Fatal(err)
		}
		all = append(all, x.Outputs+" "+x.Dropped)
	}
	if diff := cmp.Diff([]string{"a, b ", "c drop"}, all); diff != "" {
		t.Errorf("%s%s", diff, got.says())
	}
	if got = runs(t, "a secret\n", nil, "try", "--config", file, "--to", "c"); !strings.Contains(got.err, "0 sent, 1 dropped (drop 1)") {
		t.Errorf("%+v", got)
	}
}

func TestTryLongLines(t *testing.T) {
	long := strings.Repeat("x", 700<<10)
	got := runs(t, long+"\nshort\n", nil, "try", "--output", "json")
	var joined string
	for l := range strings.Lines(got.out) {
		var x tried
		if err := json.Unmarshal([]byte(l), &x); err != nil {
			t.Fatal(err)
		}
		joined += x.Line
	}
	if joined != long+"short" || got.exit != exitDone {
		t.Errorf("%d bytes of %d, %s", len(joined), len(long)+5, got.err)
	}
}

func TestStatus(t *testing.T) {
	now := time.Now()
	st := fleet.Status{
		Version: "v1", Began: now.Add(-90 * time.Minute), Config: fleet.ConfigStatus{File: "/etc/agent.yaml", Read: now.Add(-2 * time.Minute), Error: "agent.yaml:1:1: clustr: unknown key"},
		Engines: []fleet.EngineStatus{
			{
				Source: "ray", Output: "main", To: "http://remora:3100", CatchUp: &fleet.CatchUp{Percent: 60, Rate: 2 << 20, Remaining: 20 * time.Second},
				Status: agent.Status{Target: "remora", Behind: 40 << 20, OldestUnread: 3 * time.Second, Files: []agent.FileStatus{
					{Session: "s", Name: "raylet.out", Path: "/tmp/ray/s/logs/raylet.out", State: agent.FileReading, Position: 60, Behind: 40 << 20, OldestUnread: 3 * time.Second},
					{Session: "s", Name: "gcs_server.out", State: agent.FileIdle, Position: 7},
				}},
			},
			{Source: "ray", Output: "copy", To: "http://loki:3100", Status: agent.Status{Error: "the server has not taken lines for 5s", FilesUnlisted: 3}},
		},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(st)
	}))
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	got := runs(t, "", nil, "status", "--addr", addr, "--files", "1")
	want := `remora-agent v1, up 1h30m
configuration /etc/agent.yaml, read 2m0s ago
  it was refused, the one before is in force:
  agent.yaml:1:1: clustr: unknown key

SOURCE  OUTPUT  TO                         BEHIND  OLDEST  STATE
ray     main    remora http://remora:3100  40MiB   3s      catching up, 60 %, 2MiB/s, about 20s left
ray     copy    ? http://loki:3100         0B      -       the server has not taken lines for 5s

FILE                        OUTPUT  POSITION  BEHIND  OLDEST  STATE
/tmp/ray/s/logs/raylet.out  main    60        40MiB   3s      reading
… and 4 more (--files 0 lists all)
`
	if diff := cmp.Diff(ran{out: want}, got, cmp.AllowUnexported(ran{})); diff != "" {
		t.Error(diff)
	}
	got = runs(t, "", nil, "status", "--addr", addr, "--output", "json")
	var back fleet.Status
	if err := json.Unmarshal([]byte(got.out), &back); err != nil || len(back.Engines) != 2 || back.Engines[0].Behind != 40<<20 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestMemoryOfTheControlGroup(t *testing.T) {
	dir := t.TempDir()
	member := write(t, filepath.Join(dir, "cgroup"), "0::/a/b\n")
	write(t, filepath.Join(dir, "fs/a/memory.max"), "100000000\n")
	write(t, filepath.Join(dir, "fs/a/b/memory.max"), "max\n")
	if got := cgroupMemory(member, filepath.Join(dir, "fs")); got != 100000000 {
		t.Errorf("the limit of the group above is %d", got)
	}
	write(t, filepath.Join(dir, "fs/a/b/memory.max"), "50000000\n")
	if got := cgroupMemory(member, filepath.Join(dir, "fs")); got != 50000000 {
		t.Errorf("the limit is %d", got)
	}
	old := write(t, filepath.Join(dir, "old"), "5:cpu:/x\n4:memory:/y\n")
	write(t, filepath.Join(dir, "fs/memory/y/memory.limit_in_bytes"), "64000000\n")
	write(t, filepath.Join(dir, "fs/memory/memory.limit_in_bytes"), "9223372036854771712\n")
	if got := cgroupMemory(old, filepath.Join(dir, "fs")); got != 64000000 {
		t.Errorf("the limit of version 1 is %d", got)
	}
	if got := cgroupMemory(filepath.Join(dir, "none"), dir); got != 0 {
		t.Errorf("without a group it is %d", got)
	}
	if heapLimit(0, 1) != heapOfOne || heapLimit(0, 3) != heapOfOne+2*heapOfAnother || heapLimit(100, 3) != 90 {
		t.Error("heap limits are wrong")
	}
}

// A configuration of Fluent Bit is taken as it is; in its own place it is found where
// nothing else is given.
func TestAConfigurationOfFluentBit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fluent-bit.conf")
	text := "[INPUT]\n    Name tail\n    Path /tmp/ray/session_latest/logs/*\n    Path_Key true\n" +
		"[OUTPUT]\n    Name loki\n    Match *\n    Host loki-gateway\n    Port 80\n    Labels RayCluster=mine\n    tenant_id test\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(string) (string, bool) { return "", false }
	old := fluentBitFile
	defer func() { fluentBitFile = old }()
	fluentBitFile = file
	for _, o := range []*options{{file: file}, {}} {
		c, err := o.load(env)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Outputs) != 1 || c.Outputs[0].Loki == nil || c.Outputs[0].Loki.URL != "http://loki-gateway:80" ||
			c.Outputs[0].Loki.Tenant != "test" || c.Cluster != "mine" || c.Sources[0].Ray == nil || c.Sources[0].Ray.Root != "/tmp/ray" {
			t.Errorf("%+v", c)
		}
	}
	o := &options{given: map[string]string{"url": "http://elsewhere:3100", "state": t.TempDir()}}
	if c, err := o.load(env); err != nil || c.Outputs[0].Loki != nil {
		t.Errorf("with --url: %+v, %v", c, err)
	}
}
