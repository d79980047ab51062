package main

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// tally is what came of comparing what was written with what is stored.
type tally struct {
	lines                                                  int
	written, found, lost, twice, disorder, mislabel, alien int
	examples                                               []string
	unknown                                                int            // lines that cannot carry their job
	known                                                  map[string]int // lines that carry a label they may
}

func (t *tally) ok() bool {
	return t.written > 0 && t.lost+t.twice+t.disorder+t.mislabel+t.alien == 0
}

// example keeps the first few of each kind for the report.
func (t *tally) example(kind *int, format string, args ...any) {
	*kind++
	if *kind <= 5 {
		t.examples = append(t.examples, fmt.Sprintf(format, args...))
	}
}

// compare looks for each written line among the stored ones, which are in the
// order of time. headless are the files, by session/filename, whose first lines may
// have been gone when the agent lost its state: only those say whose job they are.
func compare(truth []written, lines []stored, headless map[string]bool) *tally {
	t := &tally{written: len(truth), lines: len(lines), known: map[string]int{}}
	want := make(map[string]*written, len(truth))
	for i := range truth {
		want[truth[i].key] = &truth[i]
	}
	seen := map[string]int{}
	last := map[string]int{} // count of the last marked line of a file
	for i := range lines {
		s := &lines[i]
		key, ids, marked := parseMark(s.labels["session"], s.line)
		if !marked {
			continue
		}
		w := want[key]
		if w == nil || w.text != s.line {
			t.example(&t.alien, "nobody wrote this: %.200q %v", s.line, s.labels)
			continue
		}
		seen[key]++
		if seen[key] > 1 {
			t.example(&t.twice, "twice: %.100q offset %s of %s", s.line, s.labels["offset"], s.labels["filename"])
			continue
		}
		t.found++
		t.label(w, s, headless[s.labels["session"]+"/"+s.labels["filename"]])
		t.order(last, ids["n"], s)
	}
	for i := range truth {
		if seen[truth[i].key] == 0 {
			t.example(&t.lost, "lost: %s %s %.200q", truth[i].session, truth[i].stream, truth[i].text)
		}
	}
	return t
}

func (t *tally) order(last map[string]int, count string, s *stored) {
	file := s.labels["session"] + "/" + s.labels["filename"]
	n, err := strconv.Atoi(count)
	before, begun := last[file]
	if err != nil || begun && n <= before {
		t.example(&t.disorder, "out of order: n=%s after n=%d in %s", count, before, file)
	}
	last[file] = n
}

// label checks what the line carries.
func (t *tally) label(w *written, s *stored, headless bool) {
	must, may := w.labels()
	var wrong []string
	for name, value := range must {
		switch got := s.labels[name]; {
		case got == "" && name == "job_id" && headless:
			t.unknown++
		case got != value:
			wrong = append(wrong, fmt.Sprintf("%s is %q, not %q", name, s.labels[name], value))
		}
	}
	for name, value := range may {
		got := s.labels[name]
		if got != "" {
			t.known[name]++
		}
		if got != "" && got != value {
			wrong = append(wrong, fmt.Sprintf("%s is %q, not %q", name, got, value))
		}
	}
	if !strings.HasPrefix(w.who, "driver:") && !workerFile(s.labels["filename"], w) {
		wrong = append(wrong, "filename is "+s.labels["filename"])
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		t.example(&t.mislabel, "%s: %.120q", strings.Join(wrong, "; "), s.line)
	}
}

// workerFile reports whether the name is that of the first generation of the
// worker's output: worker-<worker id>-<job id, or ffffffff>-<pid>.<stream>.
func workerFile(name string, w *written) bool {
	rest, ok := strings.CutPrefix(name, "worker-"+w.ids["worker"]+"-")
	if !ok || path.Base(name) != name {
		return false
	}
	job, rest, _ := strings.Cut(rest, "-")
	return (job == w.ids["job"] || job == "ffffffff") && rest == w.ids["pid"]+"."+w.stream
}
