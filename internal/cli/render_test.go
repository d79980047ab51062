package cli

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/logs"
)

func rayLine(sec int64, line string, pairs ...string) client.Line {
	return client.Line{
		Time: sec*1e9 + 123_456_789, Line: line,
		Stream:   logs.LabelsOf("service_name", "ray-cluster", "job", "ray/logs", "RayCluster", "demo", "component", pairs[0]),
		Metadata: logs.LabelsOf(pairs[1:]...),
	}
}

var someLines = []client.Line{
	rayLine(1795239950, "step 1", "worker", "actor_name", "Trainer", "pid", "1094", "worker_id", "0f5835eee4aa333b", "detected_level", "info"),
	rayLine(1795239951, "Traceback (most recent call last):", "job", "submission_id", "raysubmit_59i9W5YEkjLDUKFb", "detected_level", "error"),
	rayLine(1795239952, "scheduling", "raylet", "node_id", "7529a47a1202030fc16b68791256a833"),
	rayLine(1795239953, "core", "core-worker", "worker_id", "0f5835eee4aa333b267187361c3ca9a9", "pid", "7"),
	rayLine(1795239954, "agent", "dashboard-agent"),
	{Time: 1795239955e9, Line: "GET /", Stream: logs.LabelsOf("service_name", "nginx", "job", "web")},
	{Time: 1795239956e9, Line: "plain", Stream: logs.LabelsOf("app", "x")},
}

func printed(t *testing.T, width int, output, color string, lines ...client.Line) string {
	t.Helper()
	a, _, _ := testApp(nil)
	a.width = width
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	p := newPrinter(a, out, output, color)
	if err := p.print(lines); err != nil {
		t.Fatal(err)
	}
	out.Flush()
	return b.String()
}

func TestPrintText(t *testing.T) {
	want := strings.TrimPrefix(`
2026-11-21 05:45:50.123  worker           Trainer:1094            step 1
2026-11-21 05:45:51.123  job              …bmit_59i9W5YEkjLDUKFb  Traceback (most recent call last):
2026-11-21 05:45:52.123  raylet           7529a47a                scheduling
2026-11-21 05:45:53.123  core-worker      0f5835ee:7              core
2026-11-21 05:45:54.123  dashboard-agent                          agent
2026-11-21 05:45:55.000  nginx            web                     GET /
2026-11-21 05:45:56.000  {app="x"}                                plain
`, "\n")
	got := printed(t, 0, "text", "auto", someLines...)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPrintJSON(t *testing.T) {
	got := printed(t, 0, "json", "auto", rayLine(1795239950, "a <b> \"c\"", "worker", "pid", "7"))
	want := `{"time":"2026-11-21T05:45:50.123456789Z","labels":{"RayCluster":"demo","component":"worker","job":"ray/logs","pid":"7","service_name":"ray-cluster"},"line":"a <b> \"c\""}` + "\n"
	if got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestColor(t *testing.T) {
	bad := rayLine(1, "bad", "worker", "detected_level", "error")
	if got := printed(t, 80, "text", "auto", bad); !strings.Contains(got, "\x1b[31mbad\x1b[0m") {
		t.Errorf("an error on a terminal: %q", got)
	}
	for _, got := range []string{printed(t, 0, "text", "auto", bad), printed(t, 80, "text", "never", bad), printed(t, 80, "raw", "auto", bad)} {
		if strings.Contains(got, "\x1b") {
			t.Errorf("colour where none is wanted: %q", got)
		}
	}
	if got := printed(t, 0, "text", "always", bad); !strings.Contains(got, "\x1b[31m") {
		t.Errorf("no colour though wanted: %q", got)
	}
}

// A log line cannot take over the terminal it is printed on.
func TestPrintableIsHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext":                "plain\ttext",
		"\x1b[36m(f pid=1)\x1b[0m x": "(f pid=1) x",
		"\x1b]0;title\x07":           "␛]0;title␇",
		"\x1b[2Jcleared":             "␛[2Jcleared",
		"50%\r100%\r":                "50%␍100%",
		"caf\xe9":                    "caf\ufffd",
		"\x00\x7f":                   "␀\ufffd",
		"\u202eevil":                 "\ufffdevil",
		"ünï 日本":                     "ünï 日本",
	} {
		if got := printable(in, false); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
	if got := printable("\x1b[36mx", true); got != "\x1b[36mx\x1b[0m" {
		t.Errorf("colours of a line: %q", got)
	}
}

func figures(t *testing.T, r *client.Result) string {
	t.Helper()
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	if err := printFigures(out, r, 100, time.UTC); err != nil {
		t.Fatal(err)
	}
	out.Flush()
	return b.String()
}

func TestPrintFigures(t *testing.T) {
	gcs, worker := logs.LabelsOf("component", "gcs"), logs.LabelsOf("component", "worker", "level", "error")
	for _, tc := range []struct {
		name string
		r    client.Result
		want string
	}{
		{"vector", client.Result{Type: "vector", Series: []client.Series{
			{Metric: gcs, Points: []client.Point{{V: "7"}}}, {Metric: worker, Points: []client.Point{{V: "12345"}}},
		}}, `
component  level  value
gcs        -          7
worker     error  12345
`},
		{"scalar", client.Result{Type: "scalar", Series: []client.Series{{Points: []client.Point{{V: "2"}}}}}, `
value
    2
`},
		{"matrix", client.Result{Type: "matrix", Series: []client.Series{
			{Metric: gcs, Points: []client.Point{{T: 0, V: "7"}, {T: 60000, V: "8"}}}, {Metric: worker, Points: []client.Point{{T: 60000, V: "1.5"}}},
		}}, `
time                 gcs -  worker error
1970-01-01 00:00:00      7
1970-01-01 00:01:00      8           1.5
`},
	} {
		if got := figures(t, &tc.r); got != strings.TrimPrefix(tc.want, "\n") {
			t.Errorf("%s: got\n%s\nwant%s", tc.name, got, tc.want)
		}
	}
	many := client.Result{Type: "matrix"}
	for _, name := range strings.Fields("aaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbb ccccccccccccccccccccc ddddddddddddddddddd eeeeeeeeeeeeeeeeee fffffffffff gggggggggggg") {
		many.Series = append(many.Series, client.Series{Metric: logs.LabelsOf("x", name), Points: []client.Point{{T: 0, V: "1"}}})
	}
	if got := figures(t, &many); !strings.HasPrefix(got, "time                 x                      value\n") {
		t.Errorf("a table too wide: %s", got)
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("", 3600))
	for in, want := range map[string]time.Time{
		"now":                   now,
		"-90s":                  now.Add(-90 * time.Second),
		"now-1d":                now.AddDate(0, 0, -1),
		"2026-11-20T10:00:00Z":  time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
		"2026-11-20 10:00:05,5": time.Date(2026, 11, 20, 9, 0, 5, 5e8, time.UTC),
		"2026-11-20":            time.Date(2026, 11, 19, 23, 0, 0, 0, time.UTC),
		"10:30":                 time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC),
		"1795239950":            time.Unix(1795239950, 0),
		"1795239950123":         time.UnixMilli(1795239950123),
		"1795239950123456789":   time.Unix(0, 1795239950123456789),
	} {
		if got, err := parseTime(in, now); err != nil || !got.Equal(want) {
			t.Errorf("parseTime(%q) = %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "yesterday", "25:00", "12", "-"} {
		if got, err := parseTime(in, now); err == nil {
			t.Errorf("parseTime(%q) = %s", in, got)
		}
	}
}

func TestParseSpan(t *testing.T) {
	for in, want := range map[string]time.Duration{"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "1w2d3h": 219 * time.Hour, "0.5d": 12 * time.Hour} {
		if got, err := parseSpan(in); err != nil || got != want {
			t.Errorf("parseSpan(%q) = %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "d", "7", "1y", "-1d", "1d1w"} {
		if got, err := parseSpan(in); err == nil {
			t.Errorf("parseSpan(%q) = %s", in, got)
		}
	}
}

func TestByteSize(t *testing.T) {
	for in, want := range map[string]byteSize{"512": 512, "5GiB": 5 << 30, "500MB": 5e8, "1.5 MiB": 3 << 19} {
		var b byteSize
		if err := b.Set(in); err != nil || b != want {
			t.Errorf("%q is %d, %v", in, b, err)
		}
	}
	for _, in := range []string{"", "GiB", "-1", "5XB"} {
		var b byteSize
		if err := b.Set(in); err == nil {
			t.Errorf("%q is %d", in, b)
		}
	}
}

func TestSelectsLines(t *testing.T) {
	for query, want := range map[string]bool{
		`{a="b"}`: true, ` ( {a="b"} ) |= "x"`: true, "# why\n{a=\"b\"}": true,
		`sum(rate({a="b"}[1m]))`: false, `(count_over_time({a="b"}[1m]))`: false, `1+1`: false, ``: false,
	} {
		if got := selectsLines(query); got != want {
			t.Errorf("selectsLines(%q) = %t", query, got)
		}
	}
}

func TestPointAt(t *testing.T) {
	err := pointAt("{a=b}", &client.StatusError{Status: 400, Message: "parse error at line 1, col 4: syntax error"})
	if got, want := hint(nil, err), "{a=b}\n     ^"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// No line, whatever it holds, sends a control sequence to the terminal.
func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[36m(f pid=1)\x1b[0m\x1b]0;t\x07\r\x9b2J\u202e\xff")
	f.Fuzz(func(t *testing.T, line string) {
		for _, r := range printable(line, false) {
			if r != '\t' && (r < 0x20 || r >= 0x7f && r < 0xa0) {
				t.Errorf("printable(%q) holds %q", line, r)
			}
		}
	})
}
