package convert

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// pipeline appends the stages of a chain of components to what m runs.
func (a *alloy) pipeline(m *yaml.Node, chain []*block) {
	var stages []*yaml.Node
	for _, b := range chain {
		if b.name == "loki.relabel" {
			stages = append(stages, a.relabelStage(b)...)
			continue
		}
		for _, at := range b.attributes {
			if at.name != "forward_to" {
				a.w.left(at.pos, b.name+" "+at.name, "the agent has no such setting")
			}
		}
		stages = append(stages, a.stages(b)...)
	}
	if len(stages) > 0 {
		p := part(m, "pipeline", yaml.SequenceNode)
		p.Content = append(p.Content, stages...)
	}
}

// stages carries the stage blocks of a loki.process or a stage.match.
func (a *alloy) stages(b *block) (out []*yaml.Node) {
	for _, inner := range b.blocks {
		if !strings.HasPrefix(inner.name, "stage.") {
			a.w.left(inner.pos, b.name+" "+inner.name, "it is not a stage")
			continue
		}
		s := &alloyStage{a: a, block: inner, body: mapping(), read: map[string]bool{}}
		out = append(out, s.carry()...)
	}
	return out
}

// alloyStage is one stage on its way into our pipeline.
type alloyStage struct {
	a     *alloy
	block *block
	body  *yaml.Node
	read  map[string]bool
	err   error // the first value that cannot be carried
	notes []string
}

// stageLeft says why a stage has no counterpart.
var stageLeft = map[string]string{
	"stage.multiline":       "lines of a traceback belong to the entry before them without a setting, and keep their own place",
	"stage.metrics":         "the server answers count_over_time and the like",
	"stage.pack":            "the agent does not pack labels into lines: write them as metadata",
	"stage.geoip":           "the agent looks nothing up",
	"stage.tenant":          "an output has one tenant",
	"stage.docker":          "the agent reads containers in CRI's form",
	"stage.eventlogmessage": "Windows is not supported",
	"stage.windowsevent":    "Windows is not supported",
	"stage.luhn":            "write a replace stage with the numbers' form",
	"stage.pattern":         "write a regex stage",
}

func (s *alloyStage) carry() []*yaml.Node {
	name := strings.TrimPrefix(s.block.name, "stage.")
	make, known := stageMakers[name]
	if !known {
		s.a.w.left(s.block.pos, s.block.name, or(stageLeft[s.block.name], "the agent has no such stage"))
		return nil
	}
	ours := make(s)
	if s.err != nil {
		s.a.w.left(s.block.pos, s.block.name, s.err.Error())
		return nil
	}
	if ours == "" {
		return nil
	}
	stage := mapping(ours, s.body)
	if len(s.body.Content) == 0 {
		stage = text(ours)
	}
	if err := checkStage(stage); err != nil {
		s.a.w.left(s.block.pos, s.block.name, err.Error())
		return nil
	}
	s.comment(stage)
	return []*yaml.Node{stage}
}

// comment notes what became of the stage, and what of it was not read.
func (s *alloyStage) comment(stage *yaml.Node) {
	if len(s.notes) > 0 {
		s.a.w.changed(stage, s.block.pos, s.block.name, strings.Join(s.notes, "; "))
	} else {
		s.a.w.kept(stage, s.block.pos, s.block.name, "")
	}
	for _, attr := range s.block.attributes {
		if !s.read[attr.name] {
			s.a.w.left(attr.pos, s.block.name+" "+attr.name, "the agent has no such setting")
		}
	}
}

// stageMakers write the body of our stage and return its name; "" stands for none.
var stageMakers map[string]func(*alloyStage) string

func init() {
	stageMakers = map[string]func(*alloyStage) string{
		"cri":    func(*alloyStage) string { return "cri" },
		"json":   (*alloyStage).json,
		"logfmt": (*alloyStage).logfmt,
		"regex": func(s *alloyStage) string {
			s.regex("expression", "expression")
			s.source()
			return "regex"
		},
		"timestamp":           (*alloyStage).timestamp,
		"labels":              func(s *alloyStage) string { s.pairs("values", "fields"); return "labels" },
		"structured_metadata": func(s *alloyStage) string { s.pairs("values", "fields"); return "metadata" },
		"static_labels":       func(s *alloyStage) string { s.pairs("values", "static"); return "labels" },
		"label_drop":          func(s *alloyStage) string { s.copy("values", "drop"); return "labels" },
		"label_keep":          (*alloyStage).labelKeep,
		"drop":                (*alloyStage).drop,
		"match":               (*alloyStage).match,
		"sampling": func(s *alloyStage) string {
			s.copy("rate", "rate")
			s.reason()
			s.notes = append(s.notes, "a line's place in its file decides, so that a repeat decides the same")
			return "sample"
		},
		"limit":    (*alloyStage).limit,
		"replace":  (*alloyStage).replace,
		"template": (*alloyStage).template,
		"output":   (*alloyStage).output,
		"truncate": (*alloyStage).truncate,
		"decolorize": func(s *alloyStage) string {
			put(s.body, "regex", text(`\x1b\[[0-9;]*[A-Za-z]`))
			put(s.body, "with", text(""))
			return "replace"
		},
	}
}

// value evaluates an attribute; nil where it is missing.
func (s *alloyStage) value(name string) any {
	at := s.block.attribute(name)
	if at == nil {
		return nil
	}
	s.read[name] = true
	v, err := s.a.eval.value(at.value)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("%s: %s", name, err.(*Error).Msg)
	}
	return v
}

// copy carries an attribute under another name.
func (s *alloyStage) copy(name, to string) {
	switch v := s.value(name).(type) {
	case nil:
	case string:
		put(s.body, to, text(v))
	case float64, bool:
		put(s.body, to, word(v))
	case []any:
		var items []string
		for _, it := range v {
			items = append(items, fmt.Sprint(it))
		}
		put(s.body, to, texts(items))
	default:
		s.fail("%s is not a plain value", name)
	}
}

func (s *alloyStage) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// source carries what is read; without it that is the line in both.
func (s *alloyStage) source() {
	if v, ok := s.value("source").(string); ok && v != "" {
		put(s.body, "source", text(v))
	}
}

func (s *alloyStage) reason() {
	if v, ok := s.value("drop_counter_reason").(string); ok && v != "" {
		put(s.body, "reason", text(strings.Trim(notName.ReplaceAllString(strings.ToLower(v), "_"), "_-")))
	}
}

// regex carries a regular expression; both speak RE2.
func (s *alloyStage) regex(name, to string) {
	v, ok := s.value(name).(string)
	if !ok {
		s.fail("%s is missing", name)
		return
	}
	if _, err := regexp.Compile(strings.ReplaceAll(v, "$${", "${")); err != nil {
		s.fail("%s is no regular expression of RE2", name)
	}
	put(s.body, to, text(v))
}

// pairs carries a map of names; an empty value means the name itself in both.
func (s *alloyStage) pairs(name, to string) {
	o, ok := s.value(name).(*object)
	if !ok || len(o.keys) == 0 {
		s.fail("%s is missing", name)
		return
	}
	m := mapping()
	for _, k := range o.keys {
		v, ok := o.values[k].(string)
		if !ok && o.values[k] != nil {
			s.fail("%s of %s is not a text", k, name)
			return
		}
		put(m, labelName(k), text(or(v, k)))
	}
	put(s.body, to, m)
}

var jsonPath = regexp.MustCompile(`^[A-Za-z0-9_@-]+(?:\.[A-Za-z0-9_@-]+)*$`)

func (s *alloyStage) json() string {
	o, ok := s.value("expressions").(*object)
	if !ok {
		s.fail("expressions is missing")
		return ""
	}
	fields := mapping()
	for _, k := range o.keys {
		v, _ := o.values[k].(string)
		path := strings.Trim(or(v, k), `"`)
		if !jsonPath.MatchString(path) {
			s.fail("the expression of %s is more than a path such as request.user", k)
			return ""
		}
		put(fields, k, text(path))
	}
	put(s.body, "fields", fields)
	s.source()
	if s.value("drop_malformed") == true {
		s.notes = append(s.notes, "lines that are no JSON are kept")
	}
	return "json"
}

func (s *alloyStage) logfmt() string {
	s.pairs("mapping", "fields")
	s.source()
	return "logfmt"
}

// timeFormats are Alloy's names that the agent writes in another way.
var timeFormats = map[string]string{"Unix": "unix", "UnixMs": "unix_ms", "UnixUs": "unix_us", "UnixNs": "unix_ns"}

func (s *alloyStage) timestamp() string {
	s.copy("source", "source")
	format, _ := s.value("format").(string)
	if format == "" {
		s.fail("format is missing")
		return ""
	}
	put(s.body, "format", text(or(timeFormats[format], format)))
	s.copy("location", "location")
	if s.value("action_on_failure") == "skip" {
		put(s.body, "otherwise", text("keep"))
	}
	return "timestamp"
}

// labelKeep is a rule that keeps the labels named.
func (s *alloyStage) labelKeep() string {
	v, _ := s.value("values").([]any)
	var names []string
	for _, it := range v {
		names = append(names, regexp.QuoteMeta(fmt.Sprint(it)))
	}
	put(s.body, "action", text("labelkeep"))
	put(s.body, "regex", text(strings.Join(names, "|")))
	return "relabel"
}

func (s *alloyStage) drop() string {
	source, _ := s.value("source").(string)
	value := s.value("value")
	sources := splitPaths(source)
	switch {
	case s.value("older_than") != nil:
		s.fail("older_than: what is dropped must not depend on when it is read, as a repeat would decide otherwise")
		return ""
	case len(sources) > 1:
		s.fail("several sources: write a condition with fields")
		return ""
	}
	if value != nil {
		v := fmt.Sprint(value)
		if source == "" {
			put(s.body, "regex", text("^"+regexp.QuoteMeta(v)+"$"))
		} else {
			put(s.body, "fields", mapping(source, text(regexp.QuoteMeta(v))))
		}
	}
	if s.block.attribute("expression") != nil {
		s.regex("expression", "regex")
		if source != "" {
			put(s.body, "source", text(source))
		}
	}
	if v, ok := s.value("longer_than").(string); ok {
		put(s.body, "longer_than", text(v))
	}
	if len(s.body.Content) == 0 && source != "" {
		put(s.body, "fields", mapping(source, text(".+")))
	}
	s.reason()
	s.read["separator"] = true
	s.notes = append(s.notes, "lines that continue a dropped entry go with it")
	return "drop"
}

// match carries a selector with its stages, or with what it drops or keeps.
func (s *alloyStage) match() string {
	selector, _ := s.value("selector").(string)
	if selector == "" {
		s.fail("selector is missing")
		return ""
	}
	if _, rest, ok := strings.Cut(selector, "}"); ok && strings.ContainsAny(rest, "|") && !onlyLineFilters(rest) {
		s.fail("the selector has more than matchers and line filters")
		return ""
	}
	put(s.body, "selector", text(selector))
	s.read["pipeline_name"] = true
	if s.value("action") == "drop" {
		s.reason()
		return "drop"
	}
	inner := s.a.stages(s.block)
	if len(inner) == 0 {
		s.fail("none of its stages is carried")
		return ""
	}
	put(s.body, "stages", list(inner...))
	return "match"
}

var lineFilters = regexp.MustCompile("^(?:\\s*(?:\\|=|\\|~|!=|!~)\\s*(?:\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`))*\\s*$")

func onlyLineFilters(s string) bool { return lineFilters.MatchString(s) }

func (s *alloyStage) limit() string {
	s.copy("rate", "rate")
	s.copy("burst", "burst")
	s.notes = append(s.notes, "it bounds the lines of each file, in the time that the lines tell")
	if s.value("drop") != true {
		s.fail("lines are either sent or dropped (drop = true), not held back: reading waits for the output by itself")
		return ""
	}
	return "limit"
}

func (s *alloyStage) truncate() string {
	for _, rule := range s.block.blocks {
		at := rule.attribute("limit")
		if rule.name != "rule" || at == nil {
			continue
		}
		v, err := s.a.eval.value(at.value)
		if to, ok := v.(string); ok && err == nil && rule.attribute("source") == nil {
			put(s.body, "to", text(to))
		}
	}
	if len(s.body.Content) == 0 {
		s.fail("it cuts no line: only whole lines are cut")
	}
	return "truncate"
}
