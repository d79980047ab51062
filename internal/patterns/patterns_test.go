package patterns

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mine(lines ...string) (list []string) {
	m := New()
	for i, l := range lines {
		m.Add(l, int64(i%2))
	}
	for _, c := range m.Clusters() {
		list = append(list, fmt.Sprintf("%d %s", c.Total(), c.Pattern()))
	}
	return list
}

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{
			"numbers and addresses",
			[]string{"2026-11-21 connection from 10.0.0.1 closed after 5 ms", "2026-11-21 connection from 10.0.0.22 closed after 77 ms", "2026-11-21 connection from 10.0.0.1 closed after 9 ms"},
			[]string{"3 2026-11-21 connection from <_> closed after <_> ms"},
		},
		{
			"what begins in another way is another pattern",
			[]string{"worker 1 started", "raylet 1 started", "worker 2 started"},
			[]string{"2 worker <_> started", "1 raylet 1 started"},
		},
		{"logfmt", []string{`level=info msg="done" took=5ms`, `level=info msg="done" took=7ms`}, []string{`2 level=info msg="done" took=<_>`}},
		{"JSON", []string{`{"a":1,"b":"x"}`, `{"a":2,"b":"x"}`}, []string{`2 {"a":<_>,"b":"x"}`}},
		{"a colon after a word", []string{"gcs.cc:12: up 1", "gcs.cc:12: up 2"}, []string{"2 gcs.cc:12: up <_>"}},
		{"neighbours that differ are one", []string{"x (1 2) end of it", "x (3\t4) end of it"}, []string{"2 x (<_>) end of it"}},
		{"what LogQL would read as a place", []string{"<b> bold text here"}, []string{"1 <_>b> bold text here"}},
		{"nothing", []string{"", "", " "}, []string{"2 ", "1  "}},
		{"too little in common", []string{"a b c d e f", "a b x y z w"}, []string{"1 a b c d e f", "1 a b x y z w"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, mine(tt.lines...)); d != "" {
				t.Errorf("patterns differ (-want +got):\n%s", d)
			}
		})
	}
}

func TestCountsByStep(t *testing.T) {
	m := New()
	for i, step := range []int64{10, 10, 20} {
		m.Add(fmt.Sprintf("job %d is done", i), step)
	}
	if d := cmp.Diff(map[int64]int{10: 2, 20: 1}, m.Clusters()[0].Counts()); d != "" {
		t.Errorf("counts differ (-want +got):\n%s", d)
	}
}

// A hundred thousand lines that have nothing in common hold a bounded number of
// clusters, and what had no room is told.
func TestMemoryIsBounded(t *testing.T) {
	m := New()
	for i := range 100_000 {
		m.Add(strings.Repeat("x", i%300+1)+" "+strings.Repeat("y ", i%7)+fmt.Sprintf("%c%c", 'a'+i%26, 'a'+i/26%26), 0)
	}
	total := m.Missed()
	for _, c := range m.Clusters() {
		total += c.Total()
	}
	if n := len(m.clusters); n > maxClusters || total != 100_000 {
		t.Errorf("%d clusters of %d lines", n, total)
	}
	long := strings.Repeat("word ", 1000)
	if got := mine(long, long+"x"); len(got) != 1 || len(got[0]) > 600 || !strings.HasSuffix(got[0], Any) {
		t.Errorf("patterns of long lines: %q", got)
	}
}

// matches is LogQL's |> in the plainest way.
func matches(pattern, line string) bool {
	parts := strings.Split(pattern, Any)
	if len(parts) == 1 {
		return pattern == line
	}
	if !strings.HasPrefix(line, parts[0]) {
		return false
	}
	line = line[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(line, p)
		if i < 0 {
			return false
		}
		line = line[i+len(p):]
	}
	return strings.HasSuffix(line, parts[len(parts)-1])
}

func FuzzPatterns(f *testing.F) {
	f.Add("a 1 b", "a 2 b", "c")
	f.Add(`{"x":"<_>"}`, `{"x":"<y>"}`, "x: y.")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, line := range []string{a, b, c} {
			if joined := strings.Join(split(nil, line), ""); len(line) < 100 && !strings.Contains(line, "<") && joined != line {
				t.Fatalf("%q is cut into %q", line, split(nil, line))
			}
		}
		m := New()
		for _, line := range []string{a, b, c} {
			m.Add(line, 0)
		}
		for _, line := range []string{a, b, c} {
			found := false
			for _, cl := range m.Clusters() {
				found = found || matches(cl.Pattern(), line)
			}
			if !found {
				t.Fatalf("no pattern matches %q", line)
			}
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	m := New()
	const line = "2026-11-21 12:00:00,123\tINFO worker.py:1234 -- Calling ray.init() again after it has been called, on 10.0.0.1"
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		m.Add(line, 1)
	}
}
