package convert

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// filter carries what adds fields and what chooses lines; the rest works on records
// and is left with a note.
func (f *fluent) filter(s *section) {
	name := s.name()
	some, all := f.routed(s)
	if len(some) == 0 {
		f.w.left(s.pos, "filter "+name, "its Match takes the Tag of no input")
		return
	}
	switch name {
	case "modify", "record_modifier":
		f.modify(s, name, some, all)
	case "grep":
		f.grep(s, some)
	default:
		f.w.left(s.pos, "filter "+name, or(leftFilters[name], "the agent has no such filter"))
	}
}

var leftFilters = map[string]string{
	"lua":              "the agent runs no scripts",
	"wasm":             "the agent runs no programs",
	"nest":             "an entry is a line, not a record with fields to move",
	"type_converter":   "an entry is a line, not a record with fields to convert",
	"kubernetes":       "namespace, pod, container, RayCluster, node_type and group come from the environment and from the names of files",
	"parser":           "put the parser into the pipeline where a query needs its fields at reading time; LogQL has | json, | logfmt and | regexp",
	"multiline":        "lines of a traceback belong to the entry before them without a setting",
	"rewrite_tag":      "what is read goes to every output",
	"throttle":         "write a limit into the pipeline: lines beyond it are dropped and counted",
	"log_to_metrics":   "the server answers count_over_time and the like",
	"aws":              "write what is needed into metadata: with ${NAME}",
	"ecs":              "write what is needed into metadata: with ${NAME}",
	"stdout":           "add an output stdout",
	"sysinfo":          "write what is needed into metadata: with ${NAME}",
	"geoip2":           "the agent looks nothing up",
	"nightfall":        "the agent asks no other service",
	"tensorflow":       "the agent runs no models",
	"expect":           "an entry is a line, not a record",
	"content_modifier": "an entry is a line, not a record",
}

// modify carries added fields as metadata.
func (f *fluent) modify(s *section, name string, some []*input, all bool) {
	for _, p := range s.props {
		what := name + " " + p.key
		switch strings.ToLower(p.key) {
		case "name", "match", "match_regex", "alias", "log_level":
			continue
		case "add", "set", "record":
			field, v, _ := strings.Cut(p.value, " ")
			f.metadata(p, what+" "+field, field, strings.Trim(strings.TrimSpace(v), `"`), some, all)
		case "condition":
			f.w.left(p.pos, what, "what is added is added to every line of the source")
		default:
			f.w.left(p.pos, what, "an entry is a line, not a record: it has no such field")
		}
	}
}

func (f *fluent) metadata(p property, what, field, v string, some []*input, all bool) {
	if field == "" || v == "" {
		f.w.left(p.pos, what, "it adds nothing")
		return
	}
	to := []*yaml.Node{&f.w.top}
	if !all {
		to = to[:0]
		for _, in := range some {
			to = append(to, in.source)
		}
	}
	for _, m := range to {
		key := put(part(m, "metadata", yaml.MappingNode), labelName(field), text(v))
		f.w.changed(key, p.pos, what, "structured metadata of each line, where Fluent Bit adds a field to a record")
	}
}
