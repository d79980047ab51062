package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// written is one marked line as user code says it wrote it.
type written struct {
	session string
	stream  string // "out" or "err"
	who     string // task function, actor class, or driver:<submission id>
	text    string
	key     string // of the line among all
	ids     map[string]string
}

// truth reads what the user code of all sessions wrote down beside the logs.
func (r *run) truth() ([]written, error) {
	var all []written
	for _, c := range r.sessions {
		files, err := filepath.Glob(filepath.Join(c.truth, "*.tsv"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			some, err := parseTruth(c.name, string(text))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, some...)
		}
	}
	return all, nil
}

func parseTruth(session, text string) ([]written, error) {
	var all []written
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("not a record: %.80q", line)
		}
		w := written{session: session, stream: parts[0], who: parts[1], text: parts[2]}
		var ok bool
		if w.key, w.ids, ok = parseMark(session, w.text); !ok {
			return nil, fmt.Errorf("not a marked line: %.80q", w.text)
		}
		all = append(all, w)
	}
	return all, nil
}

// parseMark reads "@@ n=… job=… … pid=… | text". The key tells the line from all
// others: the session, the worker, its pid and the count.
func parseMark(session, line string) (key string, ids map[string]string, ok bool) {
	head, _, found := strings.Cut(line, " | ")
	head, marked := strings.CutPrefix(head, "@@ ")
	if !found || !marked {
		return "", nil, false
	}
	ids = map[string]string{}
	for _, field := range strings.Fields(head) {
		name, value, _ := strings.Cut(field, "=")
		if value == "-" {
			value = ""
		}
		ids[name] = value
	}
	return session + "/" + ids["worker"] + "/" + ids["pid"] + "/" + ids["n"], ids, true
}

// labels is what a line must carry, and may carry: a label that is absent there
// must not say anything else.
func (w *written) labels() (must, may map[string]string) {
	must = map[string]string{"session": w.session, "service_name": "ray-cluster", "job": "ray/logs", "RayCluster": "e2e", "node_type": "head"}
	may = map[string]string{"node_id": w.ids["node"]}
	if submission, ok := strings.CutPrefix(w.who, "driver:"); ok {
		must["component"], must["submission_id"], must["stream"] = "job", submission, "log"
		must["filename"] = "job-driver-" + submission + ".log"
		may["job_id"], may["pid"], may["worker_id"] = w.ids["job"], w.ids["pid"], w.ids["worker"]
		return must, may
	}
	must["component"], must["stream"] = "worker", w.stream
	must["job_id"], must["pid"], must["worker_id"] = w.ids["job"], w.ids["pid"], w.ids["worker"]
	may["task_id"], may["actor_id"] = w.ids["task"], w.ids["actor"]
	if w.ids["actor"] == "" {
		may["task_name"] = w.who
	} else {
		may["actor_name"] = w.who
	}
	return must, may
}
