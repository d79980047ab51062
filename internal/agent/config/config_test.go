package config

import (
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
)

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func environ(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

const whole = `
cluster: my-cluster
namespace: ray
pod: p
pod_uid: 1234
container: ray-head
node_type: head
group: g
state: /var/lib/remora-agent
listen: ""
log_level: warn
timezone: Europe/Berlin
drain_timeout: 20s
scan_interval: 500ms
hold_bytes: 1.5GiB
max_open_files: 100
readers: 2
labels: {team: a}
metadata: {zone: b}
sources:
  - ray:
  - name: app
    files: {include: ["/var/log/app/**/*.log"], exclude: ["**/*.tmp"], component: app, follow_symlinks: true}
    labels: {job: app}
  - name: pods
    containers: {include: ["ray_*"]}
outputs:
  - name: main
    remora: {url: "http://remora:3100", tenant: team-a}
  - loki: {url: "https://loki:3100"}
  - name: console
    stdout:
`

func TestLoad(t *testing.T) {
	path := write(t, whole)
	c, err := Load(path, environ())
	if err != nil {
		t.Fatal(err)
	}
	if c.Cluster != "my-cluster" || c.PodUID != "1234" || c.NodeType != "head" || c.Listen != "" || c.LogLevel != slog.LevelWarn ||
		c.Timezone.String() != "Europe/Berlin" || c.DrainTimeout != 20*time.Second || c.ScanInterval != 500*time.Millisecond ||
		c.HoldBytes != 3<<29 || c.MaxOpenFiles != 100 || c.Readers != 2 || c.BatchBytes != 1<<20 {
		t.Errorf("%+v", c)
	}
	if diff := cmp.Diff(logs.LabelsOf("team", "a"), c.Labels); diff != "" {
		t.Error(diff)
	}
	want := []Source{
		{Name: "ray", Ray: &Ray{Root: "/tmp/ray"}},
		{
			Name: "app", Labels: logs.LabelsOf("job", "app"),
			Files: &Files{Include: []string{"/var/log/app/**/*.log"}, Exclude: []string{"**/*.tmp"}, Component: "app", FollowSymlinks: true},
		},
		{Name: "pods", Containers: &Containers{Root: "/var/log/pods", Include: []string{"ray_*"}}},
	}
	if diff := cmp.Diff(want, c.Sources); diff != "" {
		t.Error(diff)
	}
	if len(c.Outputs) != 3 || c.Outputs[0].Remora.Tenant != "team-a" || c.Outputs[1].Name != "loki" || c.Outputs[2].Stdout == nil {
		t.Errorf("%+v", c.Outputs)
	}
	if got := c.Dir("ray", "main"); got != "/var/lib/remora-agent/ray.main" {
		t.Errorf("state of the first engine is %s", got)
	}
	if len(c.Files) != 1 || c.Files[0] != FileAt(path) {
		t.Errorf("%+v", c.Files)
	}
}

// base is what every configuration needs.
const base = "state: s\noutputs: [{stdout: {}}]\n"

func TestMistakesAreTold(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{base + "clustr: x", "agent.yaml:3:1: clustr: unknown key, did you mean cluster?"},
		{base + "qwertyuiop: x", "3:1: qwertyuiop: unknown key, known are batch_bytes, batch_wait, cluster,"},
		{"state: s\noutputs:\n  - remora: {url: http://x, tennant: y}", "3:29: outputs[0].remora.tennant: unknown key, did you mean tenant?"},
		{base + "sources:\n- files:\n    includes: [x]", "5:5: sources[0].files.includes: unknown key, did you mean include?"},
		{base + "cluster: a\ncluster: b", "4:1: cluster: is there twice"},
		{"state: s\nsources: [{name: app, files: {include: [/x/*]}}]\noutputs:\n  - stdout:\n    sources: [ap]", `5:15: outputs[0].sources[0]: no source has the name "ap", did you mean app?`},
		{"state: s\nsources:\n  - ray:\n  - name: app\n    files: {include: [/x/*]}\noutputs: [{stdout: {}, sources: [ray]}]", `4:5: sources[1]: no output takes its lines: name "app" in the sources of one`},
		{base + "readers: many", `3:10: readers: "many" is not a whole number`},
		{base + "readers: -1", "3:1: readers: too small"},
		{base + "hold_bytes: 5 potatoes", `hold_bytes: "5 potatoes" is not a size: write 512MiB`},
		{base + "drain_timeout: 25", `drain_timeout: "25" is not a duration: write 25s`},
		{base + "drain_timeout: -1s", `"-1s" is negative`},
		{base + "log_level: loud", `log_level: "loud" is not a level: write debug, info, warn or error`},
		{base + "timezone: Mars/Base", `timezone: "Mars/Base" is not a time zone`},
		{base + "node_type: boss", `3:1: node_type: "boss" is neither head nor worker`},
		{base + "labels: [a]", "3:9: labels: must be a mapping of names to values"},
		{base + "labels: {a-b: c}", "labels.a-b: is not a label's name"},
		{base + "sources: {}", "3:10: sources: must be a list"},
		{base + "cluster: {}", "cluster: must be a single value"},
		{base + "sources: [{name: a}]", "3:11: sources[0]: give exactly one of ray, files, containers"},
		{base + "sources: [{name: a/b, ray: }]", `sources[0].name: "a/b" must be letters`},
		{base + "sources: [{ray: }, {ray: }]", `sources[1].name: "ray" is there twice`},
		{base + "sources: [{files: {}}]", "sources[0].files: no files are named: give include"},
		{base + "sources: [{ray: {volumes: a/b}}]", `3:18: sources[0].ray.volumes: "a/b" is not the name of a volume`},
		{"state: s\noutputs: [{stdout: , loki: {url: http://x}}]", "outputs[0]: give exactly one of remora, loki, stdout"},
		{"state: s\noutputs: [{loki: {url: x}}]", "2:19: outputs[0].loki.url: "},
		{"state: s", "agent.yaml: no output is named"},
		{"outputs: [{stdout: {}}]", "agent.yaml: no state directory is named"},
		{"", "no output is named"},
		{"# nothing\n", "no output is named"},
		{base + "cluster: &a x\npod: *a", "3:10: anchors and aliases are not supported"},
		{base + "cluster: [", "agent.yaml:3: not YAML"},
		{base + "cluster: b\n  c: d", "agent.yaml:4: not YAML"},
		{base + "---\ncluster: b", "a second document"},
		{"just a word", "1:1: must be a mapping"},
		{base + "pipeline:\n- dorp: {level: [debug]}", `4:3: pipeline: unknown stage "dorp"; did you mean "drop"?`},
		{"state: s\noutputs:\n- stdout:\n  pipeline:\n  - drop: {levl: [debug]}", `5:12: outputs[0].pipeline: `},
		{base + "labels: {a: ${NOT_SET}}", "yaml:3: not YAML: did not find expected ',' or '}' (between braces or brackets a value with ${…} needs quotes)"},
		{base + "cluster: ${NOT_SET}", "3:10: NOT_SET is not set in the environment"},
		{base + "cluster: ${file:/nonexistent/x}", "3:10: open /nonexistent/x: no such file"},
		{base + "cluster: ${a b}", "${a b}: not a name of a variable"},
		{base + "cluster: ${", "a ${ without its }"},
	} {
		_, err := Load(write(t, c.text), environ())
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.says)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := Load(write(t, "clustr: x\nreaders: many\noutputs: [{stdot: {}}]\nhold_bytes: ${NOPE}\n"), environ())
	es, ok := err.(*Refusal)
	if !ok {
		t.Fatalf("%T: %v", err, err)
	}
	for _, says := range []string{"clustr", "readers", "outputs[0].stdot", "NOPE", "no state directory"} {
		if !slices.ContainsFunc(es.Errors, func(e *Error) bool { return strings.Contains(e.Msg, says) }) {
			t.Errorf("nothing of %s in:\n%v", says, err)
		}
	}
	if !slices.IsSortedFunc(es.Errors, func(a, b *Error) int { return a.Line - b.Line }) {
		t.Errorf("not in the order of the file:\n%v", err)
	}
}

// What follows from a mistake is not told beside it.
func TestAMistakeIsToldOnce(t *testing.T) {
	for _, text := range []string{
		"state: s\noutputs:\n- loki:\n    url: http://x\n    basic_auth: {username: u, password: \"${NOPE}\"}\n",
		"state: s\noutputs:\n- loki:\n    url: http://x\n    basic_auth: {username: u, passwort: x}\n",
		"state: ${NOPE}\noutputs:\n- stdout:\n",
		"state: s\noutputs: nowhere\n",
		"outputs:\n- [\n",
		base + "sources:\n- files: {inclde: [/x]}\n",
		base + "sources:\n- filez: {}\n",
	} {
		_, err := Load(write(t, text), environ())
		if es, ok := err.(*Refusal); !ok || len(es.Errors) != 1 {
			t.Errorf("%s\n%v", text, err)
		}
	}
}

func TestReferences(t *testing.T) {
	labels := filepath.Join(t.TempDir(), "labels")
	if err := os.WriteFile(labels, []byte("app=\"x\"\nray.io/cluster=\"my \\\"big\\\" one\"\nempty=\"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(write(t, base+`
cluster: ${file:`+labels+`#ray.io/cluster}
namespace: a-${NS}-${NS2:-b}
pod: ${EMPTY:-full}
container: $${NS} ${1}
group: ${file:`+labels+`#none:-nobody}
node_type: ${EMPTY}
readers: ${READERS}
scan_interval: ${SCAN:-7s}
metadata: {a: "${READERS}"}
`), environ("NS", "ns", "EMPTY", "", "READERS", "3"))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Cluster, c.Namespace, c.Pod, c.Container, c.Group, c.NodeType, c.Metadata.Get("a")}
	want := []string{`my "big" one`, "a-ns-b", "full", "${NS} ${1}", "nobody", "", "3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if c.Readers != 3 || c.ScanInterval != 7*time.Second {
		t.Errorf("%d readers, scan every %s", c.Readers, c.ScanInterval)
	}
	if len(c.Files) != 2 || c.Files[1].Path != labels {
		t.Errorf("files read: %v", c.Files)
	}
}

func TestErrorsTellNoSecrets(t *testing.T) {
	for _, text := range []string{
		"readers: ${SECRET}", "hold_bytes: ${SECRET}", "timezone: ${SECRET}", "log_level: ${SECRET}", "scan_interval: ${SECRET}", "node_type: ${SECRET}",
		"sources: [{name: '${SECRET} x', ray: }]", "sources: [{files: {follow_symlinks: '${SECRET}', include: [x]}}]",
	} {
		_, err := Load(write(t, base+text), environ("SECRET", "hunter2"))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, url := range []string{"ftp://u:${SECRET}@h", "http://u:${SECRET}@h/?a=b", "http://u:hunter2@h:bad", "${SECRET}"} {
		_, err := Load(write(t, "state: s\noutputs: [{loki: {url: '"+url+"'}}]"), environ("SECRET", "hunter2"))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestWhatWinsOverTheFile(t *testing.T) {
	c, err := Load(write(t, base+"cluster: a\nreaders: 2\n"), environ(), func(c *Config) error { c.Cluster = "b"; return nil })
	if err != nil || c.Cluster != "b" || c.Readers != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = Load(write(t, base+"node_type: head\n"), environ(), func(c *Config) error { c.NodeType = "boss"; return nil })
	if err == nil || strings.Contains(err.Error(), ":3:") {
		t.Errorf("the mistake is not of the file: %v", err)
	}
}

func TestSizes(t *testing.T) {
	for s, want := range map[string]Size{"0": 0, "4096": 4096, "64KiB": 64 << 10, "1.5 MiB": 3 << 19, "2Gi": 2 << 30, "100MB": 1e8, "7B": 7} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%s is %d, want %d (%v)", s, got, want, err)
		}
	}
	for _, s := range []string{"", "MiB", "-1", "1e3", "0x10", "NaN", "Inf", "10 PiB", "99999999TiB"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("%q is %d", s, got)
		}
	}
	for want, s := range map[string]Size{"512MiB": 512 << 20, "1025": 1025, "0": 0, "3GiB": 3 << 30} {
		if s.String() != want {
			t.Errorf("%d is written %s", int64(s), s)
		}
	}
}

var rewrite = flag.Bool("rewrite", false, "write docs/agent-configuration.md")

func TestReferenceIsUpToDate(t *testing.T) {
	const path = "../../../docs/agent-configuration.md"
	if *rewrite {
		if err := os.WriteFile(path, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), Reference()); diff != "" {
		t.Errorf("run go test ./internal/agent/config -rewrite\n%s", diff)
	}
}

func TestEveryKeyIsDescribed(t *testing.T) {
	for _, s := range sections() {
		var described []string
		for _, k := range s.Keys {
			described = append(described, k.Name)
			if k.Type == "" || !strings.HasSuffix(k.Doc, ".") {
				t.Errorf("%s: %s is not described", s.Title, k.Name)
			}
		}
		if diff := cmp.Diff(keysBelow(s.Of, ""), described); diff != "" {
			t.Errorf("%s (-keys +described):\n%s", s.Title, diff)
		}
	}
}

// keysBelow are the keys of a struct and of the structs that have no section.
func keysBelow(of reflect.Type, prefix string) (keys []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		name, inline := tag(f)
		at := f.Type
		if at.Kind() == reflect.Pointer {
			at = at.Elem()
		}
		own := slices.ContainsFunc(sections(), func(s Section) bool { return s.Of == at })
		switch {
		case inline:
			keys = append(keys, keysBelow(at, prefix)...)
		case name == "":
		case at.Kind() == reflect.Struct && !own && at != reflect.TypeFor[time.Location]():
			keys = append(keys, keysBelow(at, prefix+name+".")...)
		default:
			keys = append(keys, prefix+name)
		}
	}
	return keys
}

// What the table calls the default is the default.
func TestDefaultsAreThoseDescribed(t *testing.T) {
	var b strings.Builder
	for _, k := range settingKeys {
		if slices.Contains([]string{"address", "duration", "size", "number"}, k.Type) && !strings.Contains(k.Default, " ") {
			b.WriteString(k.Name + ": '" + k.Default + "'\n")
		}
	}
	b.WriteString("log_level: info\n")
	said, err := Load(write(t, base+b.String()), environ())
	if err != nil {
		t.Fatal(err)
	}
	given, err := Load(write(t, base), environ())
	if err != nil {
		t.Fatal(err)
	}
	said.Files, given.Files = nil, nil
	if !reflect.DeepEqual(said, given) {
		t.Errorf("described %+v\nin force %+v", said, given)
	}
}

func TestTheExampleLoads(t *testing.T) {
	c, err := Load(write(t, example), environ())
	if err != nil || len(c.Sources) != 2 || len(c.Outputs) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(whole), "x")
	f.Add([]byte(example), "http://h")
	f.Add([]byte(base+"cluster: ${A}${A:-b}$${A}${1}\n"), "")
	f.Add([]byte("a: &a [*a]\n---\n? {b: c}\n: d\n"), "")
	f.Add([]byte("outputs:\n- pipeline:\n  - drop: {level: [debug]}\n"), "")
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		if strings.Contains(string(text), "file:") {
			t.Skip("reads whatever it names")
		}
		c, err := load("f", text, environ("A", value))
		if (c == nil) == (err == nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if err != nil && err.Error() == "" {
			t.Fatal("an error that says nothing")
		}
	})
}
