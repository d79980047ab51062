package exec

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

func mustCompile(t testing.TB, query string) pipeline {
	t.Helper()
	e, err := syntax.Parse(`{a="b"} ` + query)
	if err != nil {
		t.Fatal(err)
	}
	p, err := compile(e.(*syntax.LogQuery).Stages)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func process(p pipeline, text string) *line {
	l := &line{}
	l.reset(&logs.Record{Stream: logs.LabelsOf("a", "b"), Entry: logs.Entry{Line: text}})
	p.run(l)
	return l
}

// FuzzJSON compares the scanner with encoding/json: what that takes for an
// object must be no error, and its strings, numbers and truths must be labels.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, `{"a":{"b":"c","d":[1,2]},"e":null,"f":true}`, `{"a":"\u00e9\ud83d\ude00\n"}`, `{"a":-1.5e+10,"a":2}`,
		`[1]`, `"x"`, `{"a"`, `{"a":"b`, `{"a":{"b":`, " {\t\"x y\" : \"z\" } ", `{"a":"\`, `{"k":["]","}"]}`, `{"":1,"9":2}`,
	} {
		f.Add(s)
	}
	stages := mustCompile(f, `| json`)
	exprs := mustCompile(f, `| json x="a.b", y="[0]", z="k[1].c"`)
	unpack := mustCompile(f, `| unpack`)
	f.Fuzz(func(t *testing.T, text string) {
		process(exprs, text)
		process(unpack, text)
		l := process(stages, text)
		var object map[string]any
		if json.Unmarshal([]byte(text), &object) != nil || object == nil || !utf8.ValidString(text) {
			return
		}
		if l.err != "" {
			t.Fatalf("%q is an object, but: %s %s", text, l.err, l.details)
		}
		for key, value := range object {
			s, ok := value.(string)
			if !ok || !logs.ValidName(key) || strings.Count(text, `"`+key+`"`) != 1 {
				continue
			}
			name := key
			if key == "a" {
				name = "a_extracted"
			}
			if got := l.get(name); got != s && !strings.Contains(text, `\`) && !strings.Contains(text, "_") {
				t.Fatalf("%q: %s is %q, want %q", text, key, got, s)
			}
		}
	})
}

func FuzzLogfmt(f *testing.F) {
	for _, s := range []string{`a=1 b="x y" c`, `a="\"" b=`, `=x "y" z=`, `a=b=c d`, `a="`, "a=\xff\x00 b=1", `k="\ud83d`} {
		f.Add(s)
	}
	pipes := []pipeline{mustCompile(f, `| logfmt`), mustCompile(f, `| logfmt --strict --keep-empty`), mustCompile(f, `| logfmt x="a", b`)}
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range pipes {
			for _, x := range process(p, text).parsed {
				if !logs.ValidName(x.Name) || !utf8.ValidString(x.Value) {
					t.Fatalf("%q makes label %q=%q", text, x.Name, x.Value)
				}
			}
		}
	})
}

// FuzzPattern sees that what passes the pattern filter has the pattern's texts,
// in their order and with something between them.
func FuzzPattern(f *testing.F) {
	f.Add("<_> a <_>", "x a y")
	f.Add("a<_>a", "aXa aa")
	f.Add("<_>aa", "aaa")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		p, err := syntax.ParseLinePattern(pattern)
		if err != nil || !utf8.ValidString(pattern) || !utf8.ValidString(text) {
			return
		}
		var expr strings.Builder
		for _, part := range p.Parts {
			if part.Name != "" {
				expr.WriteString(".+")
			} else {
				expr.WriteString(regexp.QuoteMeta(part.Text))
			}
		}
		may := regexp.MustCompile("(?s:" + expr.String() + ")$").MatchString(text)
		if matchesPattern(p, text) && !may {
			t.Fatalf("%q |> %q passes", text, pattern)
		}
		if q, err := syntax.ParsePattern(pattern); err == nil {
			process(pipeline{&patternStage{q.Parts}}, text)
		}
	})
}

// FuzzTemplate wants every template to end, with any text.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		"{{.a}} x", `{{range 1000000}}{{printf "%s%s" .a .a}}{{end}}`, `{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`,
		`{{$x := "ab"}}{{$x = printf "%s%s" $x $x}}{{$x}}`, `{{regexReplaceAll "(" .a ""}}`, `{{substr -1 9 .a}}{{trunc -3 .a}}`,
		`{{index .a 5}}{{slice .a 1}}`, `{{with $x := fromJson "{\"a\":[1]}"}}{{$x.a}}{{end}}`, `{{alignLeft -5 .a}}{{indent -1 "x"}}`,
		`{{mod 5 "x"}}{{div -9223372036854775808 -1}}`, `{{repeat -1 "x"}}{{round 1.5 400}}`, `{{date "x" now}}{{unixToTime "1"}}`,
	} {
		f.Add(s)
	}
	l := process(nil, "some text")
	f.Fuzz(func(t *testing.T, text string) {
		fm, err := newFormatter("line", text)
		if err != nil {
			return
		}
		out, err := fm.format(l)
		if err == nil && len(out) > maxTemplateBytes {
			t.Fatalf("made %d bytes", len(out))
		}
	})
}
