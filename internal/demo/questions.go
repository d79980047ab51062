package demo

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/remora-ray/remora/internal/ray"
)

// Question is something to ask about the recording, with the answer that its
// files give.
type Question struct {
	Asks  string // what for
	Query string // LogQL
	// The answer: so many lines of a log query; or lines by component.
	Lines      int
	Components map[string]int
}

// Questions returns what a newcomer may try.
func (r *Recording) Questions() []Question {
	return []Question{
		{
			Asks:  "why did jobs fail?",
			Query: `{component="job"} |~ "Error|not found"`,
			Lines: r.count(func(f ray.File, line string) bool {
				return f.Component == ray.ComponentJob && (strings.Contains(line, "Error") || strings.Contains(line, "not found"))
			}),
		},
		{
			Asks:  "what did the actors of the training print in their last epoch?",
			Query: `{component="worker"} | actor_name="Trainer" |= "epoch 4"`,
			Lines: r.count(func(f ray.File, line string) bool {
				return f.Component == ray.ComponentWorker && strings.Contains(line, "epoch 4")
			}),
		},
		{
			Asks:       "who logs how much?",
			Query:      `sum by (component) (count_over_time({job="ray/logs"}[1h]))`,
			Components: r.components(),
		},
	}
}

// each calls visit with every line that a play writes to a log.
func (r *Recording) each(visit func(f ray.File, line string)) {
	for _, f := range r.files {
		p := ray.ParsePath(f.logPath)
		if f.logPath == "" || p.Skip != "" {
			continue
		}
		for line := range bytes.Lines(f.content) {
			visit(p, string(bytes.TrimSuffix(line, []byte("\n"))))
		}
	}
}

func (r *Recording) count(matches func(ray.File, string) bool) int {
	n := 0
	r.each(func(f ray.File, line string) {
		if matches(f, line) {
			n++
		}
	})
	return n
}

func (r *Recording) components() map[string]int {
	counts := map[string]int{}
	r.each(func(f ray.File, _ string) { counts[string(f.Component)]++ })
	return counts
}

// Right reports whether an answer of so many lines, or of these values by
// component, is the recording's.
func (q Question) Right(lines int, values map[string]string) bool {
	if q.Components == nil {
		return lines == q.Lines && lines > 0
	}
	if len(values) != len(q.Components) {
		return false
	}
	for component, n := range q.Components {
		if values[component] != strconv.Itoa(n) {
			return false
		}
	}
	return true
}
