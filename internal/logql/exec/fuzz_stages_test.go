package exec

import (
	"testing"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/logs"
)

// FuzzStages runs the stages that have no target of their own over any line, and
// over any value of a label.
func FuzzStages(f *testing.F) {
	for _, s := range []string{
		"\x1b[31mred\x1b[0m", "\x1b[", "from 10.0.0.1:80 to ::1", "1h5m", "5KiB", "-1.5e300", "NaN", "a=b", `{"_entry":"x","n":"1"}`, "\xff\xfe", "GET /x 200",
	} {
		f.Add(s)
	}
	pipes := []pipeline{
		mustCompile(f, `| decolorize`),
		mustCompile(f, `|= ip("10.0.0.0/8") or ip("::1") != ip("10.0.0.1-10.0.0.9")`),
		mustCompile(f, `| regexp "(?P<method>\\S+) (?P<path>\\S*)( (?P<code>\\d+))?"`),
		mustCompile(f, `| pattern "<method> <path> <_>"`),
		mustCompile(f, `| unpack | line_format "{{.n}}" | label_format x=n, y="{{.x}}"`),
		mustCompile(f, `| v > 5s or v < 10KiB or v = 3 | v != ip("10.0.0.0/8")`),
		mustCompile(f, `|> "<_> to <_>" !> "<_>a"`),
		mustCompile(f, `| logfmt | drop a, b="c" | keep x, y=~"z.*"`),
	}
	f.Fuzz(func(t *testing.T, text string) {
		for i, p := range pipes {
			l := &line{}
			l.reset(&logs.Record{Stream: logs.LabelsOf("a", "b", "v", text), Entry: logs.Entry{Line: text}})
			p.run(l)
			for _, x := range l.parsed {
				if !logs.ValidName(x.Name) || utf8.ValidString(text) && !utf8.ValidString(x.Value) {
					t.Fatalf("pipeline %d makes of %q the label %q=%q", i, text, x.Name, x.Value)
				}
			}
		}
	})
}
