package convert

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// Each configuration of testdata becomes the YAML beside it.
func TestConfigurationsBecomeYAML(t *testing.T) {
	for _, name := range configurations(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, notes, err := Convert(name, text)
			if err != nil {
				t.Fatal(err)
			}
			golden := name + ".golden.yaml"
			if *rewrite {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got (rewrite with -rewrite):\n%s", diff)
			}
			for _, n := range notes {
				if !strings.Contains(string(got), oneLine(n.What)) {
					t.Errorf("the YAML does not tell of %v", n)
				}
			}
		})
	}
}

// configurations lists those of testdata; included files are in directories below.
func configurations(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range all {
		if i, err := os.Stat(name); err == nil && !i.IsDir() && !strings.HasSuffix(name, ".golden.yaml") {
			names = append(names, name)
		}
	}
	if len(names) < 5 {
		t.Fatalf("only %d configurations", len(names))
	}
	return names
}

func TestMistakesAreTold(t *testing.T) {
	fluent := "[INPUT]\n    Name tail\n    Path /a\n[OUTPUT]\n    Name loki\n"
	alloy := "loki.source.file \"a\" {\n  targets = [{__path__ = \"/a\"}]\n  forward_to = [loki.write.w.receiver]\n}\nloki.write \"w\" {\n  endpoint {\n    url = \"http://l\"\n  }\n}\n"
	for _, c := range []struct{ name, text, says string }{
		{"a.conf", "[INPUT]\n  Name\n", "a.conf:2:3: the key \"Name\" has no value"},
		{"a.conf", "[INPUT\n", "neither Fluent Bit"},
		{"a.conf", "[SERVICE]\n[IN PUT]\n", "a.conf:2:1: \"[IN PUT]\" is not a section"},
		{"a.conf", "@SET a\n[INPUT]\n", "a.conf:1:1: @SET wants name=value"},
		{"a.conf", "@SET a=b\nName tail\n", "a.conf:2:1: this stands before the first section"},
		{"a.conf", "@INCLUDE none.conf\n", "a.conf:1:1: include: none.conf is not there"},
		{"a.conf", "@FETCH none.conf\n", "a.conf:1:1: unknown command"},
		{"a.conf", "[INPUT]\n  Name tail\n", "a.conf:1:1: this tail has no Path"},
		{"a.conf", "[INPUT]\n  Name cpu\n", "no [INPUT] reads files"},
		{"a.conf", "[INPUT]\n  Name tail\n  Path /a\n[OUTPUT]\n  Name es\n", "no [OUTPUT] is one of loki and stdout"},
		{"a.conf", fluent + "    Match none\n[OUTPUT]\n Name stdout\n[INPUT]\n Name tail\n Path /b\n Tag b\n[OUTPUT]\n Name loki\n Match b\n", "a.conf:15:2: this output takes some inputs only"},
		{"a.conf", fluent + "    Labels =x\n", "a.conf:6:5: label \"=x\" is not name=value"},
		{"a.conf", fluent + "    Labels a=${b-c}\n", "a.conf:6:5: ${b-c} does not name a variable"},
		{"a.conf", fluent + "    Match a\xed\n", "a.conf:6:12: this byte is not UTF-8"},
		{"a.yaml", "pipeline:\n  inputs: x\n", "a.yaml:2:11: inputs must be a list"},
		{"a.yaml", "pipeline:\n  inputs:\n    - name: tail\n      path: [[x]]\n", "a.yaml:4:14: path: an item must be plain text"},
		{"a.yaml", "pipeline:\n  inputs:\n  - a: [\n", "a.yaml:"},
		{"a.yaml", "sources: []\n", "remora-agent's own format"},
		{"a.txt", "hello\n", "neither Fluent Bit"},
		{"a.alloy", "loki.write \"w\" {\n", "a.alloy:2:1: the block loki.write of line 1 is not closed"},
		{"a.alloy", "}\n", "a.alloy:1:1: unexpected \"}\""},
		{"a.alloy", "a = 1\na = 2\n", "a.alloy:2:1: a is set twice"},
		{"a.alloy", "a = [1, 2\n", "a.alloy:2:1: expected a comma or \"]\", not the end of the file"},
		{"a.alloy", "a = \"x\n", "a.alloy:1:5: this string has no end on its line"},
		{"a.alloy", "a = \"\\q\"\n", "a.alloy:1:5: this string holds an escape"},
		{"a.alloy", "a = 1 b = 2\n", "a.alloy:1:7: unexpected \"b\": a new line must begin here"},
		{"a.alloy", "a = " + strings.Repeat("[", 200) + "\n", "nested more than 100 deep"},
		{"a.alloy", "/* a\n", "this comment has no end"},
		{"a.alloy", alloy + alloy, "loki.source.file.a is there already, on line 1"},
		{"a.alloy", strings.Replace(alloy, "http://l\"", "http://l\"\n    batch_size = \"lots\"", 1), "a.alloy:8:5: batch_size: it is not a size"},
		{"a.alloy", strings.Replace(alloy, "w.receiver", "v.receiver", 1), "a.alloy:3:3: forward_to names loki.write.v.receiver, which is not in this file"},
		{"a.alloy", "logging {\n}\n", "there is no loki.source.file"},
		{"a.alloy", "loki.source.file \"pods\" {\n  targets = discovery.kubernetes.pods.targets\n  forward_to = []\n}\n", "a.alloy:1:1: loki.source.file.pods cannot be carried: discovery.kubernetes.pods.targets is not known before the agent runs; for the containers"},
	} {
		_, _, err := Convert(c.name, []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q\ngot  %v\nwant %s", c.text, err, c.says)
		}
	}
	for _, text := range []string{fluent, alloy} {
		if _, _, err := Convert("a", []byte(text)); err != nil {
			t.Errorf("%v of\n%s", err, text)
		}
	}
}

func TestIncludes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("loop.conf", "@INCLUDE loop.conf\n")
	write("bad.conf", "[INPUT]\n  Name tail\n  Path\n")
	main := write("main.conf", "@INCLUDE loop.conf\n")
	for _, c := range []struct{ text, says string }{
		{"@INCLUDE loop.conf\n", "loop.conf:1:1: " + filepath.Join(dir, "loop.conf") + " includes itself"},
		{"[SERVICE]\n@INCLUDE bad.conf\n", "bad.conf:3:3: the key \"Path\" has no value"},
		{"@INCLUDE /dev/zero\n", "/dev/zero is not a regular file"},
	} {
		_, _, err := Convert(main, []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: got %v, want %s", c.text, err, c.says)
		}
		if e := new(Error); !errors.As(err, &e) || e.Pos.Line == 0 || e.Pos.File == "" {
			t.Errorf("%q: %v has no place", c.text, err)
		}
	}
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Kind
	}{
		{"fluent-bit.conf", "# c\n\n[SERVICE]\n  Flush 1\n", FluentBit},
		{"x", "@SET a=b\n", FluentBit},
		{"fluent-bit.yaml", "service:\n  flush: 1\npipeline:\n  inputs:\n    - name: tail\n", FluentBitYAML},
		{"agent.yaml", "state: /s\nsources:\n  - ray: {}\noutputs:\n  - stdout: {}\n", Remora},
		{"agent.yaml", "pipeline:\n  - drop: {level: debug}\n", Remora},
		{"config.alloy", "", Alloy},
		{"config", "// a\nloki.write \"default\" {\n}\n", Alloy},
		{"agent.conf", "cluster = demo\n", Unknown},
		{"", "", Unknown},
	} {
		if got := Detect(c.name, []byte(c.text)); got != c.want {
			t.Errorf("%s %q: %v, want %v", c.name, c.text, got, c.want)
		}
	}
}

func TestNoteHoldsNoSecret(t *testing.T) {
	for name, text := range map[string]string{
		"a.conf":  "[INPUT]\n Name tail\n Path /a\n[OUTPUT]\n Name loki\n http_user u\n http_passwd hunter2\n",
		"b.conf":  "[INPUT]\n Name tail\n Path /a\n[OUTPUT]\n Name loki\n bearer_token hunter2\n header X-Key hunter2\n",
		"c.alloy": "loki.source.file \"a\" {\n targets = [{__path__ = \"/a\"}]\n forward_to = [loki.write.w.receiver]\n}\nloki.write \"w\" {\n endpoint {\n url = \"http://l\"\n basic_auth {\n username = \"u\"\n password = \"hunter2\"\n}\n}\n}\n",
	} {
		out, notes, err := Convert(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(out), "hunter2") {
			t.Errorf("%s: the secret is not carried:\n%s", name, out)
		}
		for _, n := range notes {
			if strings.Contains(n.String(), "hunter2") {
				t.Errorf("%s: %v", name, n)
			}
		}
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "fluent-bit.conf")
	if err := os.WriteFile(conf, []byte("[INPUT]\n Name tail\n Path /tmp/ray/session_latest/logs/*\n Path_Key true\n[OUTPUT]\n Name stdout\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	into := filepath.Join(dir, "agent.yaml")
	for _, c := range []struct {
		args []string
		in   string
		exit int
		out  string
		errs string
	}{
		{[]string{conf}, "", exitDone, "root: /tmp/ray\n", "fluent-bit.conf:4:2: changed: tail Path_Key"},
		{[]string{"-"}, "[INPUT]\n Name tail\n Path /a\n[OUTPUT]\n Name stdout\n", exitDone, "include: [/a]", "stdin:4:1: changed"},
		{[]string{"--output", into, conf}, "", exitDone, "", "changed"},
		{[]string{"--help"}, "", exitDone, "Exit status", ""},
		{nil, "", exitUsage, "", "give one file"},
		{[]string{"--nope"}, "", exitUsage, "", "Try: remora-agent convert --help"},
		{[]string{filepath.Join(dir, "none")}, "", exitFailed, "", "no such file"},
		{[]string{dir}, "", exitFailed, "", "is not a regular file"},
	} {
		var out, errs bytes.Buffer
		if got := Main(c.args, strings.NewReader(c.in), &out, &errs); got != c.exit || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.errs) {
			t.Errorf("%q: exit %d\n%s%s", c.args, got, &out, &errs)
		}
	}
	if b, err := os.ReadFile(into); err != nil || !strings.Contains(string(b), "ray:") {
		t.Errorf("--output wrote %q, %v", b, err)
	}
}

func FuzzFluentBit(f *testing.F) {
	seed(f, "testdata/*.conf", "testdata/*.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, kind := range []Kind{FluentBit, FluentBitYAML} {
			w := &writer{file: "f"}
			if convertFluent(w, kind, "f", text, &files{}) == nil {
				checkOutput(t, w, kind)
			}
		}
	})
}

func FuzzAlloy(f *testing.F) {
	seed(f, "testdata/*.alloy")
	f.Fuzz(func(t *testing.T, text []byte) {
		w := &writer{file: "f"}
		if convertAlloy(w, "f", text) == nil {
			checkOutput(t, w, Alloy)
		}
	})
}

func seed(f *testing.F, patterns ...string) {
	for _, p := range patterns {
		names, _ := filepath.Glob(p)
		for _, name := range names {
			if b, err := os.ReadFile(name); err == nil {
				f.Add(b)
			}
		}
	}
}

// checkOutput reads what was written as YAML of one mapping with sources and outputs.
func checkOutput(t *testing.T, w *writer, kind Kind) {
	t.Helper()
	out, err := w.encode(kind)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := yaml.Unmarshal(out, &back); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if len(back["sources"].([]any)) == 0 || len(back["outputs"].([]any)) == 0 {
		t.Fatalf("no sources or outputs in\n%s", out)
	}
}
