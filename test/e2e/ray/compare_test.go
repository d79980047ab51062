package main

import (
	"fmt"
	"strings"
	"testing"
)

const (
	wid = "b097f4a764601156ee063e233f377f16e52acf4a0400ea225d5bae6a"
	nid = "143b11465ed14b87adbc6e7767431aaff495291fcd78f92fb5ad374e"
)

func mark(n int) string {
	return fmt.Sprintf("@@ n=%d job=02000000 task=e5cb actor=- worker=%s node=%s pid=7 | line", n, wid, nid)
}

func storedMark(n int, change ...string) stored {
	s := stored{line: mark(n), labels: map[string]string{
		"service_name": "ray-cluster", "job": "ray/logs", "RayCluster": "e2e", "node_type": "head", "component": "worker",
		"session": "s", "stream": "out", "job_id": "02000000", "pid": "7", "worker_id": wid, "filename": "worker-" + wid + "-ffffffff-7.out",
	}}
	for i := 0; i < len(change); i += 2 {
		s.labels[change[i]] = change[i+1]
	}
	return s
}

// The proof is worth what it notices.
func TestCompareNotices(t *testing.T) {
	truth, err := parseTruth("s", "out\tloud\t"+mark(0)+"\nout\tloud\t"+mark(1)+"\n")
	if err != nil {
		t.Fatal(err)
	}
	edited := storedMark(1)
	edited.line += "!"
	for _, test := range []struct {
		name  string
		lines []stored
		want  string // found lost twice disorder mislabel alien
	}{
		{"all well", []stored{storedMark(0), storedMark(1)}, "2 0 0 0 0 0"},
		{"one lost", []stored{storedMark(1)}, "1 1 0 0 0 0"},
		{"one twice", []stored{storedMark(0), storedMark(1), storedMark(1)}, "2 0 1 0 0 0"},
		{"out of order", []stored{storedMark(1), storedMark(0)}, "2 0 0 1 0 0"},
		{"text changed", []stored{storedMark(0), edited}, "1 1 0 0 0 1"},
		{"of another session", []stored{storedMark(0), storedMark(1, "session", "t")}, "1 1 0 0 0 1"},
		{"job missing", []stored{storedMark(0), storedMark(1, "job_id", "")}, "2 0 0 0 1 0"},
		{"another's task", []stored{storedMark(0, "task_name", "loud"), storedMark(1, "task_name", "square")}, "2 0 0 0 1 0"},
		{"name of a later generation", []stored{storedMark(0), storedMark(1, "filename", "worker-"+wid+"-ffffffff-7.out.1")}, "2 0 0 0 1 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := compare(truth, test.lines, nil)
			if got := fmt.Sprint(c.found, c.lost, c.twice, c.disorder, c.mislabel, c.alien); got != test.want {
				t.Errorf("got %s, want %s: %v", got, test.want, c.examples)
			}
			if c.ok() != (test.name == "all well") {
				t.Errorf("ok is %v", c.ok())
			}
		})
	}
}

func TestSameLinesNotices(t *testing.T) {
	const text = "one\n\ntwo\nhalf"
	well := func() []*stored {
		var lines []*stored
		at := 0
		for line := range strings.SplitSeq(text, "\n") {
			lines = append(lines, &stored{line: line, labels: map[string]string{"offset": fmt.Sprint(at)}})
			at += len(line) + 1
		}
		return lines
	}
	if err := sameLines([]byte(text), well()); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func([]*stored) []*stored{
		"a line missing": func(l []*stored) []*stored { return l[:3] },
		"a line more":    func(l []*stored) []*stored { return append(l, &stored{labels: map[string]string{"offset": "13"}}) },
		"a line twice":   func(l []*stored) []*stored { return append(l, l[1]) },
		"another text":   func(l []*stored) []*stored { l[2].line = "tow"; return l },
		"another offset": func(l []*stored) []*stored { l[3].labels["offset"] = "10"; return l },
	} {
		if err := sameLines([]byte(text), spoil(well())); err == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}
