package stage

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/logs"
)

// labelsStep changes a set of labels: the stream's, or the structured metadata.
type labelsStep struct {
	metadata bool
	fields   []pair
	static   logs.Labels
	drop     []string
}

var labelsKind = kind{
	doc: StageDoc{
		Name:    "labels",
		Summary: "Sets and removes stream labels. Labels should have few values each: every combination is a stream.",
		Keys: []Key{
			{"fields", "mapping", "", "stream labels, each with the extracted field, metadata or label that gives its value; what is not there sets nothing"},
			{"static", "mapping", "", "stream labels with their values"},
			{"drop", "list", "", "stream labels to remove"},
		},
		Example: Example{
			YAML: "- logfmt:\n- labels: {fields: {app: service}, static: {team: a}, drop: [component]}\n",
			In:   []string{"service=shop msg=hello"},
			Out:  []string{"service=shop msg=hello\tlabels {app=\"shop\", job=\"ray/logs\", team=\"a\"}"},
		},
	},
	compile: func(s *settings) step { return compileLabels(s, false) },
}

var metadataKind = kind{
	doc: StageDoc{
		Name:    "metadata",
		Summary: "Sets and removes structured metadata. Setting detected_level changes a line's level.",
		Keys: []Key{
			{"fields", "mapping", "", "names of metadata, each with the extracted field, metadata or label that gives its value; what is not there sets nothing"},
			{"static", "mapping", "", "names of metadata with their values"},
			{"drop", "list", "", "metadata to remove"},
		},
		Example: Example{
			YAML: "- json:\n- metadata: {fields: {user: user, detected_level: sev}, static: {zone: b}}\n",
			In:   []string{`{"sev":"warning","user":"ann","text":"hm"}`},
			Out:  []string{"{\"sev\":\"warning\",\"user\":\"ann\",\"text\":\"hm\"}\tmetadata {detected_level=\"warn\", user=\"ann\", zone=\"b\"}"},
		},
	},
	compile: func(s *settings) step { return compileLabels(s, true) },
}

// placing is metadata that says where a line is: no stage may set it.
var placing = []string{"offset", "entry", "split"}

func compileLabels(s *settings, metadata bool) step {
	l := &labelsStep{metadata: metadata, fields: s.names("fields"), drop: s.texts("drop")}
	if !s.has("fields") && !s.has("static") && !s.has("drop") {
		s.fail(s.at, "%s needs one of fields, static, drop", s.name)
	}
	var static []logs.Label
	for _, p := range s.pairs("static") {
		if p.value == "" {
			l.drop = append(l.drop, p.name)
		}
		static = append(static, logs.Label{Name: p.name, Value: bounded(p.value)})
	}
	for _, p := range append(s.pairs("static"), l.fields...) {
		switch {
		case !logs.ValidName(p.name):
			s.fail(p.at, "%s: the name %s does not match [a-zA-Z_][a-zA-Z0-9_]*", s.name, quote(p.name))
		case metadata && slices.Contains(placing, p.name):
			s.fail(p.at, "%s cannot set %q: it says where the line is", s.name, p.name)
		}
	}
	for i := range l.fields {
		l.fields[i].at, l.fields[i].valueAt = nil, nil
	}
	l.static = logs.Normalize(static)
	return l
}

func (s *labelsStep) run(r *Run, e *Entry) string {
	set := &e.Labels
	if s.metadata {
		set = &e.Metadata
	}
	ls := *set
	for _, n := range s.drop {
		ls = without(ls, n)
	}
	for _, l := range s.static {
		ls = withLabel(ls, l.Name, l.Value)
	}
	for _, p := range s.fields {
		v, ok := r.get(e, p.value)
		if s.metadata && p.name == nameLevel {
			if word := level(v); word != "" {
				v = word
			}
		}
		if ok && v != "" {
			ls = withLabel(ls, p.name, v)
		}
	}
	*set = ls
	return ""
}

// maxLabel is the longest value that a stage gives a label or metadata, in bytes;
// Loki's default limit.
const maxLabel = 2048

// bounded cuts a value that is too long, and makes it UTF-8.
func bounded(v string) string {
	if len(v) > maxLabel {
		v = v[:maxLabel]
		for len(v) > 0 && !utf8.RuneStart(v[len(v)-1]) {
			v = v[:len(v)-1]
		}
		if r, size := utf8.DecodeLastRuneInString(v); r == utf8.RuneError && size == 1 {
			v = v[:len(v)-1]
		}
	}
	return strings.ToValidUTF8(v, "\uFFFD")
}

// withLabel is ls with one label set; an empty value removes it.
func withLabel(ls logs.Labels, name, value string) logs.Labels {
	value = bounded(value)
	if value == "" {
		return without(ls, name)
	}
	i, found := find(ls, name)
	if found && ls[i].Value == value {
		return ls
	}
	out := make(logs.Labels, 0, len(ls)+1)
	out = append(append(out, ls[:i]...), logs.Label{Name: name, Value: value})
	if found {
		i++
	}
	return append(out, ls[i:]...)
}

func without(ls logs.Labels, name string) logs.Labels {
	i, found := find(ls, name)
	if !found {
		return ls
	}
	return slices.Concat(ls[:i], ls[i+1:])
}

func find(ls logs.Labels, name string) (int, bool) {
	return slices.BinarySearchFunc(ls, name, func(l logs.Label, n string) int { return strings.Compare(l.Name, n) })
}
