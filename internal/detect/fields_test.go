package detect

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
)

// The answers are those of a Loki 3.7.8 for the same lines.
func TestFieldsOfJSON(t *testing.T) {
	fs := NewFields(1000)
	fs.Add(&Line{
		Text:   `{"a":1,"b":1.5,"c":true,"d":null,"e":[1,{"x":2}],"f":{"g":"h","i.j":2},"k-l":"x","ty":"clash","9":"q","é":"w","":"z"}`,
		Stream: logs.LabelsOf("ty", "y"), Metadata: logs.LabelsOf("b", "meta", "md", "5s"),
	})
	want := []Info{
		{"b", "float", 2, []string{"json"}, []string{"b"}},
		{"md", "duration", 1, nil, nil},
		{"a", "int", 1, []string{"json"}, []string{"a"}},
		{"c", "boolean", 1, []string{"json"}, []string{"c"}},
		{"f_g", "string", 1, []string{"json"}, []string{"f", "g"}},
		{"f_i_j", "int", 1, []string{"json"}, []string{"f", "i.j"}},
		{"k_l", "string", 1, []string{"json"}, []string{"k-l"}},
		{"ty_extracted", "string", 1, []string{"json"}, []string{"ty"}},
		{"_9", "string", 1, []string{"json"}, []string{"9"}},
		{"_", "string", 1, []string{"json"}, []string{"é"}},
	}
	if d := cmp.Diff(want, fs.List()); d != "" {
		t.Errorf("fields differ (-want +got):\n%s", d)
	}
}

func TestFieldsOfSeveralLines(t *testing.T) {
	fs := NewFields(5)
	for _, text := range []string{
		`a=1 b="two words" c d= e="" k-l=z a=2`, `a=x q=1`, `{"a":"3","q":"5s"}`, `plain text`, `k=v {"x":1}`,
		`beyond=the limit=of fields=five`,
	} {
		fs.Add(&Line{Text: text, Parsed: logs.LabelsOf("__error__", "none")})
	}
	fs.Add(&Line{Text: "x", Parsed: logs.LabelsOf("a", "4")})
	want := []Info{
		{"a", "int", 4, []string{"logfmt", "json"}, []string{"a"}},
		{"b", "string", 1, []string{"logfmt"}, nil},
		{"k_l", "string", 1, []string{"logfmt"}, nil},
		{"q", "duration", 2, []string{"logfmt", "json"}, []string{"q"}},
		{"k", "string", 1, []string{"logfmt"}, nil},
	}
	if d := cmp.Diff(want, fs.List()); d != "" {
		t.Errorf("fields differ (-want +got):\n%s", d)
	}
}

// What a query has found counts beside what stands in the line, found by what the
// line is; only names of the line lead to it.
func TestFieldsThatAQueryFound(t *testing.T) {
	fs := NewFields(9)
	fs.Add(&Line{Text: `{"a":1,"b":{"c":2},"d":[1,2]}`, Parsed: logs.LabelsOf("a", "2", "d", "[1,2]", "x", "y")})
	fs.Add(&Line{Text: `d=5`, Parsed: logs.LabelsOf("d", "7s")})
	want := []Info{
		{"a", "int", 2, []string{"json"}, []string{"a"}},
		{"b_c", "int", 1, []string{"json"}, []string{"b", "c"}},
		{"d", "duration", 3, []string{"json", "logfmt"}, nil},
		{"x", "string", 1, []string{"json"}, nil},
	}
	if d := cmp.Diff(want, fs.List()); d != "" {
		t.Errorf("fields differ (-want +got):\n%s", d)
	}
}

// Escapes are resolved as in queries; a text with a fault among them is empty as
// JSON and none as logfmt.
func TestValuesWithEscapes(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":"\ud83d\ude80 \u00e9\/"}`: "🚀 é/", `{"a":"\x"}`: "", `{"a":"x\ud83d"}`: "", `{"a":"tab\t"}`: "tab\t",
		`a="\ud83d\ude80 \u00e9"`: "🚀 é", `a="x\ud83d"`: "x ", `a="x y\q z" b=1`: "none", `a="x y" b=1`: "x y", `a="open b=1`: "none", `b="open a=1`: "none", `{} a=1`: "none",
		`{"a":"1"} tail`: "1", `{"a":"1"}{"a":"2"}`: "1",
		`{"a":1;"b":2}`: `1;"b":2`, "{\"a\":\"x\ty\"}": "x\ty", `{"a":1,}`: "1", `{"b":[1,x],"a":1}`: "1", `{"a":+1}`: "none",
	} {
		got := "none"
		Each(&Line{Text: text}, func(name, value, _ string, _ []string) {
			if name == "a" {
				got = value
			}
		})
		if got != want {
			t.Errorf("%s: a is %q, want %q", text, got, want)
		}
	}
}

func TestTypeOf(t *testing.T) {
	for kind, values := range map[string][]string{
		"int": {"1", "-3", "+4", "00"}, "float": {"1.5", "1e5", "NaN", ".5", "5."}, "boolean": {"true", "TRUE", "t", "f"},
		"duration": {"5s", "1h30m", "5m", "1us"}, "bytes": {"5MB", "1,000", "1 KB", "10KiB", "1B", "5b", "1.5GB", "1Ki", "1K"},
		"string": {"", "0x10", "10.0.0.1", "2026-11-21", "1d", "yes", "null", "KB", "5 apples", "k"},
	} {
		for _, v := range values {
			if got := TypeOf(v); got != kind {
				t.Errorf("%q is %s, want %s", v, got, kind)
			}
		}
	}
}

func TestLabelsThatTellNothing(t *testing.T) {
	for _, values := range [][]string{{"1", "2.5"}, {"7b0d1a52-6b0b-4c4e-9e3f-0123456789ab", "7"}} {
		if !TellsNothing(values) {
			t.Errorf("%q tell something", values)
		}
	}
	for _, values := range [][]string{{"1", "a"}, {"7b0d1a52-6b0b-4c4e-9e3f-0123456789ag"}, {"7b0d1a5206b0b-4c4e-9e3f-0123456789ab"}} {
		if TellsNothing(values) {
			t.Errorf("%q tell nothing", values)
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add(`{"a":{"b":"\u00e9\n"},"c":[1,2,{"d":"e"}],"f":-1.5e3}`)
	f.Add(`a="b c" d=e`)
	f.Fuzz(func(t *testing.T, text string) {
		fs := NewFields(10)
		fs.Add(&Line{Text: text, Stream: logs.LabelsOf("a", "b")})
		if n := len(fs.List()); n > 10 {
			t.Fatalf("%d fields", n)
		}
		for _, i := range fs.List() {
			if !logs.ValidName(i.Name) || i.Type == "" || i.Distinct != 1 {
				t.Fatalf("%+v", i)
			}
		}
	})
}
