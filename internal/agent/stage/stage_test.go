package stage

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/agent/cri"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/ray"
)

func decode(text string) (*Program, error) {
	var list []yaml.Node
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	return Decode(list)
}

func compile(t testing.TB, text string) *Program {
	t.Helper()
	p, err := decode(text)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return p
}

var began = time.Date(2026, 11, 21, 5, 6, 0, 0, time.UTC).UnixNano()

// entries are lines as the agent attributes them.
func entries(p *Program, lines []string) []Entry {
	parser := ray.NewParser(ray.ParsePath("dashboard.log"), ray.Context{})
	var out []Entry
	at := uint64(0)
	add := func(text []byte, ns int64, meta logs.Labels) {
		var l ray.Line
		parser.Line(text, &l)
		if l.Time != 0 {
			ns = l.Time
		}
		if l.Level != "" {
			meta = withLabel(meta, nameLevel, l.Level)
		}
		out = append(out, Entry{Time: ns, Line: bytes.Clone(text), Labels: ExampleLabels(), Metadata: meta, Offset: at, Continues: l.Continuation})
	}
	if p.CRI() {
		text := []byte(strings.Join(lines, "\n"))
		var r cri.Reader
		for int(at) < len(text) {
			rec, n := r.Next(text[at:], at, true)
			if !rec.Nothing {
				add(rec.Text, rec.Time, logs.LabelsOf("stream", rec.Output.String()))
			}
			at += uint64(n)
		}
		return out
	}
	ns := began
	for _, l := range lines {
		add([]byte(l), ns, nil)
		ns = out[len(out)-1].Time
		at += uint64(len(l)) + 1
	}
	return out
}

// run shows what becomes of lines.
func run(p *Program, lines []string) []string {
	var out []string
	r := p.New()
	for _, e := range entries(p, lines) {
		before := e
		before.Metadata = before.Metadata.Clone()
		if p.CRI() {
			before.Metadata, before.Time = nil, 0
		}
		drop := r.Process(&e)
		if before.Metadata.Get(nameLevel) == e.Metadata.Get(nameLevel) && e.Metadata.Get(nameLevel) != "" && len(e.Metadata) > 1 {
			before.Metadata, e.Metadata = without(before.Metadata, nameLevel), without(e.Metadata, nameLevel)
		}
		out = append(out, Show(&before, &e, drop))
	}
	return out
}

func TestExamples(t *testing.T) {
	for _, d := range Docs() {
		if d.Summary == "" || d.Example.YAML == "" || len(d.Example.Out) == 0 || !strings.HasSuffix(d.Summary, ".") {
			t.Errorf("%s has no summary or example", d.Name)
		}
		for _, k := range d.Keys {
			if k.Text == "" || k.Type == "" {
				t.Errorf("%s.%s is not explained", d.Name, k.Name)
			}
		}
		if diff := cmp.Diff(d.Example.Out, run(compile(t, d.Example.YAML), d.Example.In)); diff != "" {
			t.Errorf("%s (-documented +is):\n%s", d.Name, diff)
		}
	}
}

func TestStages(t *testing.T) {
	const debug, info = "2026-11-21 05:06:01,604\tDEBUG a.py:1 -- x", "2026-11-21 05:06:02,604\tINFO a.py:1 -- x"
	for _, c := range []struct {
		name, config string
		in, want     []string
	}{
		{"json, all members", "- json\n- metadata: {fields: [a_b, c, d, e]}", []string{`{"a":{"b":"x"},"c":1.50,"d":[1,"y"],"e":null}`}, []string{"{\"a\":{\"b\":\"x\"},\"c\":1.50,\"d\":[1,\"y\"],\"e\":null}\tmetadata {a_b=\"x\", c=\"1.50\", d=\"[1,\\\"y\\\"]\"}"}},
		{"json from a field", "- regex: {expression: '^(?P<body>.*)$'}\n- json: {source: body, fields: {x: a.0}}\n- metadata: {fields: [x]}", []string{`{"a":[7]}`}, []string{"{\"a\":[7]}\tmetadata {x=\"7\"}"}},
		{"logfmt, odd words", "- logfmt\n- metadata: {fields: [a, c_d]}", []string{`x a=1 "q" =y b c-d="e \"f\" \n" g`, `a="open`}, []string{"x a=1 \"q\" =y b c-d=\"e \\\"f\\\" \\n\" g\tmetadata {a=\"1\", c_d=\"e \\\"f\\\" \\n\"}", "a=\"open\tmetadata {a=\"\\\"open\"}"}},
		{"a layout with a zone's name", "- regex: {expression: '^(?P<t>\\S+ \\S+)'}\n- timestamp: {source: t, format: '2006-01-02 15:04:05.000', location: Europe/Berlin}", []string{"2026-11-21 05:06:01.604 x"}, []string{"2026-11-21 05:06:01.604 x\ttime 2026-11-21T04:06:01.604Z"}},
		{"a layout without year", "- regex: {expression: '^(?P<t>\\w+ +\\d+ \\S+)'}\n- timestamp: {source: t, format: Stamp}", []string{"Jan  2 03:04:05 x"}, []string{"Jan  2 03:04:05 x\ttime 2027-01-02T03:04:05Z"}},
		{"unix seconds with decimals", "- json\n- timestamp: {source: t, format: unix}", []string{`{"t":1795237561.123456789}`}, []string{"{\"t\":1795237561.123456789}\ttime 2026-11-21T05:06:01.123456789Z"}},
		{"no time, keep", "- json\n- timestamp: {source: t, format: unix, otherwise: keep}", []string{`{"t":1795237561}`, "x"}, []string{"{\"t\":1795237561}\ttime 2026-11-21T05:06:01Z", "x"}},
		{"labels never all gone", "- labels: {drop: [job, component]}", []string{"x"}, []string{"x\tlabels {service_name=\"unknown_service\"}"}},
		{"a label that is not there sets nothing", "- labels: {fields: {a: b}}", []string{"x"}, []string{"x"}},
		{"relabel", "- relabel: {source_labels: [job, component], separator: '-', regex: 'ray/(.*)', target_label: jc}", []string{"x"}, []string{"x\tlabels {component=\"raylet\", jc=\"logs-raylet\", job=\"ray/logs\"}"}},
		{"relabel keep", "- relabel: {source_labels: [component], regex: gcs, action: keep, reason: not-gcs}", []string{"x"}, []string{"dropped: not-gcs"}},
		{"relabel names", "- relabel: [{regex: comp(.*), replacement: 'k$1', action: labelmap}, {regex: 'k.*', action: labelkeep}]", []string{"x"}, []string{"x\tlabels {konent=\"raylet\"}"}},
		{"relabel hashmod into a field", "- relabel: [{source_labels: [component], modulus: 1, target_label: __shard, action: hashmod}, {source_labels: [__shard], regex: '0', action: drop}]", []string{"x"}, []string{"dropped: relabel"}},
		{"relabel case", "- relabel: {source_labels: [component], target_label: component, action: uppercase}", []string{"x"}, []string{"x\tlabels {component=\"RAYLET\", job=\"ray/logs\"}"}},
		{"match by level, nested", "- match: {level: debug, stages: [{match: {selector: '{component=~\"ray.*\", detected_level!=\"info\"}', stages: [{drop: {regex: x, reason: why}}]}}]}", []string{debug, " more", info}, []string{"dropped: why", "dropped: why", info}},
		{"a selector's line filters", "- drop: {selector: '|= \"a\" != \"b\" |~ \"c.\" !~ `d$`'}", []string{"acx", "abcx", "ac", "acxd"}, []string{"dropped: drop", "abcx", "ac", "acxd"}},
		{"drop by length", "- drop: {longer_than: 3}", []string{"abc", "abcd"}, []string{"abc", "dropped: drop"}},
		{"drop by field", "- json\n- drop: {fields: {status: '2..'}}", []string{`{"status":204}`, `{"status":2044}`}, []string{"dropped: drop", `{"status":2044}`}},
		{"drop by a field that is not there", "- logfmt\n- drop: {fields: {user: ''}}", []string{"user=ann", "x"}, []string{"user=ann", "dropped: drop"}},
		{"a static label without value is removed", "- labels: {static: {component: }}\n- logfmt\n- metadata: {fields: {user: }}", []string{"user=ann"}, []string{"user=ann\tlabels {job=\"ray/logs\"}\tmetadata {user=\"ann\"}"}},
		{"drop by a level that a stage found", "- json\n- metadata: {fields: {detected_level: l}}\n- drop: {level: warn}", []string{`{"l":"WARNING"}`}, []string{"dropped: drop"}},
		{"template with conditions", "- template: {template: '{{if and (contains \"b\" .line) (ne .job \"\")}}{{replace \"b\" \"xx\" .line | quote}}{{else}}{{.line | trunc 2 | lower}}{{end}}'}", []string{"abc", "ÄACD"}, []string{`"axxc"`, "äa"}},
		{"template into a field", "- template: {template: '{{.component}}/1', into: f}\n- labels: {fields: [f], drop: [job, component]}", []string{"x"}, []string{"x\tlabels {f=\"raylet/1\"}"}},
		{"truncate keeps characters whole", "- truncate: {to: 2}", []string{"aéb"}, []string{"a…"}},
		{"sample nothing, all", "- sample: {level: debug, rate: 0}\n- sample: {rate: 1}", []string{debug, "  more", info}, []string{"dropped: sample", "dropped: sample", info}},
		{"aliases", "- drop: &d {regex: x}\n- drop: *d", []string{"x", "y"}, []string{"dropped: drop", "y"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, run(compile(t, c.config), c.in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReplacePatterns(t *testing.T) {
	const body = "MIIEpAIBAAKCAQEA7bq9hXkG0l8vYQ=="
	for _, c := range []struct {
		patterns string
		in, want []string
	}{
		{"tokens", []string{`password: "geheim" user=x`, "api_key=ab12cd34ef, n=3", "AWS_SECRET=q"}, []string{`password: "***" user=x`, "api_key=***, n=3", "AWS_SECRET=***"}},
		{"tokens", []string{"max_tokens=256 token=17", "token: not-found", "hf_abcdefghijklmnopqrstuvwx!", "x eyJhbGciOiJI.eyJzdWIiOiIx.abc y"}, []string{"max_tokens=256 token=17", "token: not-found", "***!", "x *** y"}},
		{"aws_keys", []string{"id AKIAABCDEFGHIJKLMNOP.", `"aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"`}, []string{"id ***.", `"aws_secret_access_key": "***"`}},
		{"passwords_in_urls", []string{"redis://:p1@h:6379 http://h:80/a@b", "postgres://u:p@h/db"}, []string{"redis://:***@h:6379 http://h:80/a@b", "postgres://u:***@h/db"}},
		{"bearer", []string{"authorization: bearer abc123def456", "Authorization: Basic dXNlcjpwYXNz", "the bearer authentication failed"}, []string{"authorization: bearer ***", "Authorization: Basic ***", "the bearer authentication failed"}},
		{"emails", []string{"from ann.b@example.org to x@1.2.3.4"}, []string{"from *** to x@1.2.3.4"}},
		{
			"private_keys",
			[]string{`k="-----BEGIN PRIVATE KEY-----\n` + body + `\n-----END PRIVATE KEY-----"`, "-----BEGIN RSA PRIVATE KEY-----", body, body, "-----END RSA PRIVATE KEY-----", "after", "-----BEGIN PRIVATE KEY-----", "it (was) a word"},
			[]string{`k="-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----"`, "-----BEGIN RSA PRIVATE KEY-----", "***", "***", "***", "after", "-----BEGIN PRIVATE KEY-----", "it (was) a word"},
		},
	} {
		if diff := cmp.Diff(c.want, run(compile(t, "- replace: {patterns: ["+c.patterns+"]}"), c.in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.patterns, diff)
		}
	}
}

func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{"- drop: {levl: debug}", `line 1, column 10: unknown key "levl" in drop; did you mean "level"?`},
		{"- ray\n- dorp: {level: debug}", `line 2, column 3: unknown stage "dorp"; did you mean "drop"?`},
		{"- drop: {level: loud}", `line 1, column 17: drop.level cannot be "loud"`},
		{"- drop:\n    regex: '('", `line 2, column 12: drop.regex is no regular expression of RE2`},
		{"- drop", `line 1, column 3: drop needs one of level`},
		{"- drop: {selector: '{a=b}'}", `does not begin with a string`},
		{"- drop: [a]", `line 1, column 9: drop takes keys and values`},
		{"- drop: {level: debug}\n  keep: {level: info}", `begin each stage with "- "`},
		{"- 3: {}", `unknown stage "3"`},
		{"- [drop]", `a stage is one key`},
		{"- ray\n- cri", `line 2, column 3: cri must be the first stage`},
		{"- timestamp: {source: t, format: today}", `neither RFC3339`},
		{"- timestamp: {format: unix}", `timestamp needs the key "source"`},
		{"- timestamp: {source: t, location: Mars}", `no known time zone`},
		{"- metadata: {static: {offset: 1}}", `metadata cannot set "offset"`},
		{"- labels: {static: {a-b: 1}}", `the name "a-b" does not match`},
		{"- labels: {fields: {a: [b]}}", `must map names to plain values`},
		{"- drop: {fields: [a]}", `drop.fields must map names to values`},
		{"- sample: {rate: 2}", `sample.rate is from 0 to 1`},
		{"- sample: {rate: many}", `sample.rate must be a number`},
		{"- limit: {burst: 3}", `limit needs one of rate, repeated`},
		{"- truncate: {to: big}", `truncate.to must be a size`},
		{"- template: {template: '{{range .x}}{{end}}'}", `is not known here`},
		{"- template: {template: '{{.x'}", `template.template cannot be read`},
		{"- template: {template: '{{upper}}'}", `upper takes 1 arguments, not 0`},
		{"- replace: {patterns: [email]}", `replace.patterns has no "email"; did you mean "emails"?`},
		{"- relabel: [{action: drop}]", `relabel needs the key "source_labels"`},
		{"- relabel: [{source_label: [a], target_label: b}]", `did you mean "source_labels"?`},
		{"- match: {level: debug, stages: [{nope: 1}]}", `unknown stage "nope"`},
		{"- drop: {level: debug, reason: 'a b'}", `drop.reason is a short name`},
		{"- drop: {level: debug, level: info}", `is there twice`},
	} {
		_, err := decode(c.config)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.config, err, c.want)
		}
		var pos *PosError
		if errors.As(err, &pos) && (pos.Line == 0 || pos.Column == 0) {
			t.Errorf("%s: no place in %v", c.config, err)
		}
	}
}

func TestAProgramIsBounded(t *testing.T) {
	nested := "- match: {level: debug, stages: [{drop: {level: debug}}]}"
	for range 20 {
		nested = "- match:\n    level: debug\n    stages:\n      " + strings.ReplaceAll(nested, "\n", "\n      ")
	}
	for _, config := range []string{nested, strings.Repeat("- ray\n", maxStages+1)} {
		if _, err := decode(config); err == nil {
			t.Errorf("%.80s… is taken", config)
		}
	}
}

const everything = `
- json
- logfmt
- regex: {expression: '(?P<first>\w+) (?P<second>\S+)'}
- timestamp: {source: ts, format: unix}
- timestamp: {source: second, format: Stamp}
- labels: {fields: {app: first}}
- metadata: {fields: [second, user], static: {zone: b}}
- relabel: [{source_labels: [app, second], target_label: x}, {regex: a.*, action: labelmap, replacement: b}]
- template: {template: '{{.second | replace "a" "bb" | default "none"}}', into: t}
- match: {regex: a, stages: [{sample: {rate: 0.7}}, {limit: {rate: 100, burst: 3}}]}
- replace: {patterns: [all], regex: '(b+)', with: '<$1>'}
- keep: {regex: '[^q]'}
- sample: {rate: 0.5, level: debug}
- limit: {rate: 10, burst: 5, repeated: 3}
- truncate: {to: 100}
- drop: {regex: z, fields: {t: no.*}}
`

// A run that is saved and restored between any two lines decides as one that goes on.
func FuzzProcess(f *testing.F) {
	f.Add("a b\nts=1795237561 user=x\n2026-11-21 05:06:01,604\tDEBUG x\n Trace\n{\"ts\":1}\n", uint8(2))
	f.Add("-----BEGIN PRIVATE KEY-----\nabc=\npassword=x\nbbbb", uint8(1))
	p := compile(f, everything)
	f.Fuzz(func(t *testing.T, text string, cut uint8) {
		a, b := p.New(), p.New()
		lines := strings.Split(text, "\n")
		for i, e := range entries(p, lines) {
			if i == int(cut)%len(lines) {
				state := b.AppendState(nil)
				b = p.New()
				if err := b.Restore(state); err != nil {
					t.Fatal(err)
				}
			}
			other := e
			dropA, dropB := a.Process(&e), b.Process(&other)
			if dropA != dropB || e.Time != other.Time || !bytes.Equal(e.Line, other.Line) || !e.Labels.Equal(other.Labels) || !e.Metadata.Equal(other.Metadata) {
				t.Fatalf("line %d: %q %+v, after a restart %q %+v", i, dropA, e, dropB, other)
			}
			if dropA == "" && (len(e.Labels) == 0 || len(e.Line) > maxReplaced+len(lines[i])) {
				t.Fatalf("line %d: %d labels, %d bytes", i, len(e.Labels), len(e.Line))
			}
		}
		_ = b.Restore([]byte(text))
	})
}

// FuzzDecode takes any text for a pipeline: it is compiled and runs, or the
// mistake has a place.
func FuzzDecode(f *testing.F) {
	for _, d := range Docs() {
		f.Add(d.Example.YAML, strings.Join(d.Example.In, "\n"))
	}
	f.Add(everything, "a b")
	f.Fuzz(func(t *testing.T, config, text string) {
		var list []yaml.Node
		if yaml.Unmarshal([]byte(config), &list) != nil {
			return
		}
		p, err := Decode(list)
		var pos *PosError
		if err != nil {
			if !errors.As(err, &pos) || pos.Msg == "" {
				t.Fatalf("error %v", err)
			}
			return
		}
		run(p, strings.Split(text, "\n"))
	})
}

// A sample is decided by a line's place, so that it takes about the part asked for.
func TestSampleTakesItsPart(t *testing.T) {
	p := compile(t, "- sample: {rate: 0.1}")
	r, kept := p.New(), 0
	for i := range 20000 {
		if r.Process(&Entry{Line: []byte("x"), Labels: ExampleLabels(), Offset: uint64(i * 83)}) == "" {
			kept++
		}
	}
	if kept < 1800 || kept > 2200 {
		t.Errorf("%d of 20000 lines are kept", kept)
	}
}

func TestLimitGoesByTheLinesOwnTime(t *testing.T) {
	p := compile(t, "- limit: {rate: 10, burst: 2}")
	r := p.New()
	var kept []string
	for _, ms := range []int64{0, 0, 0, 50, 100, 150, 5000, 5000, 5000, 4990, 3600_000, 3600_000, 3600_000, 6000, 6000, 6000} {
		if r.Process(&Entry{Line: []byte("x"), Labels: ExampleLabels(), Time: began + ms*1e6}) == "" {
			kept = append(kept, fmt.Sprint(ms))
		}
	}
	if got, want := strings.Join(kept, " "), "0 0 100 5000 5000 3600000 3600000 6000 6000"; got != want {
		t.Errorf("kept are the lines at %s ms, want %s", got, want)
	}
}

func TestTheStateOfAnotherPipelineCountsForNothing(t *testing.T) {
	a, b := compile(t, "- limit: {rate: 1}").New(), compile(t, "- limit: {rate: 2}").New()
	a.Process(&Entry{Labels: ExampleLabels(), Time: began})
	if err := b.Restore(a.AppendState(nil)); err != nil {
		t.Error(err)
	}
	if drop := b.Process(&Entry{Labels: ExampleLabels(), Time: began}); drop != "" {
		t.Errorf("the first line is dropped: %s", drop)
	}
}

func BenchmarkProcess(b *testing.B) {
	for _, c := range []struct{ name, config string }{
		{"drop", "- drop: {level: debug}"},
		{"replace", "- replace: {patterns: [all]}"},
		{"labels", "- labels: {static: {team: a}}"},
		{"regex", "- regex: {expression: 'worker (?P<w>\\w+)'}"},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := compile(b, c.config).New()
			e := Entry{
				Line:   []byte("[2026-11-21 05:06:02,123 I 22 31] (raylet) node_manager.cc:1477: Disconnecting worker, graceful=true, disconnect_type=1, has_creation_task_exception=false"),
				Labels: ExampleLabels(), Metadata: logs.LabelsOf("detected_level", "info", "pid", "22"),
			}
			b.ReportAllocs()
			for b.Loop() {
				x := e
				r.Process(&x)
			}
		})
	}
}
