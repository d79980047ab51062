package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNoFalseValueInAnyRecording is `make truth` over the recordings that are
// kept: every file has a kind, no value is false, and job, worker, pid and node of
// a process's own output are always known.
func TestNoFalseValueInAnyRecording(t *testing.T) {
	recordings, err := find([]string{"../../testdata/corpus"})
	if err != nil || len(recordings) < 50 {
		t.Fatalf("%d recordings: %v", len(recordings), err)
	}
	total := newResult("all")
	for _, dir := range recordings {
		r, err := run([]string{dir}, filepath.Base(dir))
		if err != nil {
			t.Fatal(err)
		}
		total.add(r)
	}
	for _, p := range total.others {
		t.Errorf("no kind: %s", p)
	}
	for _, w := range total.wrong {
		t.Errorf("wrong: %s", w)
	}
	for _, field := range []string{"job", "worker", "pid", "node", "actor"} {
		c := total.count(field)
		if c.right == 0 {
			t.Errorf("%s: nothing was measured", field)
		}
		for reason := range c.unknown {
			if !slices.ContainsFunc(mayBeUnknown, func(s string) bool { return strings.HasPrefix(reason, s) }) {
				t.Errorf("%s: %d unknown: %s", field, c.unknown[reason], reason)
			}
		}
	}
}

// mayBeUnknown are the reasons for which no file tells a line's process.
var mayBeUnknown = []string{"copy of another", "driver's output", "submitted job", "container's output"}

func TestMeasure(t *testing.T) {
	var b bytes.Buffer
	code, err := measure(&b, []string{"../../testdata/corpus/jobs"})
	if err != nil || code != 0 {
		t.Fatalf("exit status %d: %v\n%s", code, err, b.String())
	}
	if _, err := measure(&b, []string{t.TempDir()}); err == nil {
		t.Error("a folder without recordings is not told")
	}
}

func TestParseTag(t *testing.T) {
	got, ok := parseTag([]byte("INFO x -- @@ n=0 job=01000000 task=- actor=- worker=ab node=cd pid=47 | text"))
	if !ok || got != (tag{job: "01000000", task: "-", actor: "-", worker: "ab", node: "cd", pid: "47"}) {
		t.Errorf("got %+v, %v", got, ok)
	}
	for _, s := range []string{"", "@@ n=", "@@ n=0 job=1 |", "@@ n=0 job=01000000 task=- actor=- worker=ab node=cd pid=47"} {
		if got, ok := parseTag([]byte(s)); ok {
			t.Errorf("parseTag(%q) = %+v", s, got)
		}
	}
}
