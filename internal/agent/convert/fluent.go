package convert

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fluent turns the sections of a Fluent Bit configuration into the agent's YAML.
type fluent struct {
	w        *writer
	inputs   []*input
	parsers  map[string]*section
	parses   []func()  // carry the parsers of inputs, when all inputs are known
	patterns []pattern // of Ray's logs, and what is left out of them
	excluded []pattern
	uploads  int    // outputs carried
	flush    string // [SERVICE] Flush, for each output
	flushPos Pos
}

// input is a tail that was carried, and the source it became.
type input struct {
	section *section
	tag     string
	source  *yaml.Node
	key     *yaml.Node // of the source's files, ray or containers
	line    string     // the key of the record that holds the line
}

func convertFluent(w *writer, kind Kind, name string, text []byte, beside *files) error {
	r := &fluentReader{beside: beside, variables: map[string]string{}, w: w, reading: []string{name}}
	read := r.classic
	if kind == FluentBitYAML {
		read = r.yaml
	}
	if err := read(name, text); err != nil {
		return err
	}
	f := &fluent{w: w, parsers: map[string]*section{}}
	for _, s := range r.sections {
		if s.kind == "service" {
			if err := f.parserFiles(r, s); err != nil {
				return err
			}
		}
	}
	for _, s := range r.sections {
		if s.kind == "parser" {
			f.parsers[s.get("name")] = s
		}
	}
	return f.sections(name, r.sections)
}

// parserFiles reads the files of Parsers_File, where they are beside the file: the
// ones that Fluent Bit's image brings need not be.
func (f *fluent) parserFiles(r *fluentReader, service *section) error {
	for _, p := range service.props {
		if !strings.EqualFold(p.key, "parsers_file") && !strings.EqualFold(p.key, "plugins_file") {
			continue
		}
		names, err := r.beside.match(p.value)
		if err != nil {
			f.w.left(p.pos, "service "+p.key, "the file is not there; the parsers of Fluent Bit's image that the agent knows are carried all the same")
			continue
		}
		for _, name := range names {
			if err := r.file(p.pos, name); err != nil {
				return err
			}
			f.w.left(p.pos, "service "+p.key, "its parsers are written into the pipeline where they are used")
		}
	}
	return nil
}

func (f *fluent) sections(name string, all []*section) error {
	var outputs []*section
	for _, s := range all {
		var err error
		switch s.kind {
		case "service":
			f.service(s)
		case "input":
			err = f.input(s)
		case "output":
			outputs = append(outputs, s)
		case "filter", "parser", "multiline_parser":
		default:
			f.w.left(s.pos, "["+strings.ToUpper(s.kind)+"]", "the agent has no such part")
		}
		if err != nil {
			return err
		}
	}
	if len(f.inputs) == 0 {
		return errorAt(Pos{name, 1, 1}, "no [INPUT] reads files: the agent carries the input tail alone")
	}
	for _, parse := range f.parses {
		parse()
	}
	f.w.keepFiles(f.patterns, f.excluded)
	for _, s := range all {
		if s.kind == "filter" {
			f.filter(s)
		}
	}
	for _, s := range outputs {
		if err := f.output(s); err != nil {
			return err
		}
	}
	if f.uploads == 0 {
		return errorAt(Pos{name, 1, 1}, "no [OUTPUT] is one of loki and stdout, which are what the agent carries")
	}
	f.state()
	return nil
}

// state sets where positions are kept: beside Ray's logs, which any container that
// was able to read them may write to.
func (f *fluent) state() {
	if value(&f.w.top, "state") != nil {
		return
	}
	for _, in := range f.inputs {
		if ray := value(in.source, "ray"); ray != nil {
			key := f.w.set("state", value(ray, "root").Value+"/.remora-agent")
			f.w.changed(key, in.section.pos, "tail DB", "the agent always keeps its positions; Fluent Bit does so with DB alone")
			return
		}
	}
	key := f.w.set("state", "/var/lib/remora-agent")
	f.w.changed(key, f.inputs[0].section.pos, "tail DB", "the agent always keeps its positions; Fluent Bit does so with DB alone")
}

func (f *fluent) service(s *section) {
	port := s.get("http_port")
	if port == "" {
		port = "2020"
	}
	for _, p := range s.props {
		what := "service " + p.key
		switch strings.ToLower(p.key) {
		case "flush":
			f.flush, f.flushPos = p.value, p.pos
		case "grace":
			f.duration("drain_timeout", p, what, "the agent also waits until all is acknowledged, and what it cannot send in time is sent by its next run")
		case "log_level":
			f.logLevel(p, what)
		case "http_server":
			if isOn(p.value) {
				key := f.w.set("listen", strings.TrimPrefix(s.get("http_listen"), "0.0.0.0")+":"+port)
				f.w.changed(key, p.pos, what, "paths are /metrics, /healthz and /readyz")
			} else {
				key := f.w.set("listen", "")
				f.w.kept(key, p.pos, what, "")
			}
		case "http_listen", "http_port":
			if !isOn(s.get("http_server")) {
				f.w.left(p.pos, what, "HTTP_Server is not on")
			}
		case "parsers_file", "plugins_file":
		case "daemon":
			f.w.left(p.pos, what, "the agent stays in the foreground: systemd or Kubernetes runs it")
		case "hot_reload":
			f.w.left(p.pos, what, "the agent reloads on SIGHUP and on POST /-/reload without a setting")
		case "log_file":
			f.w.left(p.pos, what, "the agent writes its own log to standard error")
		default:
			f.unknown(p, what)
		}
	}
}

func (f *fluent) unknown(p property, what string) {
	key := strings.ToLower(p.key)
	for _, known := range []struct{ prefix, why string }{
		{"storage.", "the log files themselves are the buffer: nothing is read before the last batch is acknowledged"},
		{"buffer_", "memory is bounded without it"},
		{"net.", "the agent keeps one connection and times out by itself"},
		{"tls", "the agent has no such setting"},
		{"retry", "the agent goes on until the server takes a batch"},
		{"db.", "the agent keeps its positions in a log of its own"},
		{"workers", "one batch is on its way at a time, so that lines stay in order"},
		{"alias", "it only names the plugin in Fluent Bit's metrics"},
		{"log_level", "the agent has one log level"},
	} {
		if strings.HasPrefix(key, known.prefix) {
			f.w.left(p.pos, what, known.why)
			return
		}
	}
	f.w.left(p.pos, what, "the agent has no such setting")
}

func (f *fluent) logLevel(p property, what string) {
	level := strings.ToLower(p.value)
	switch level {
	case "warning":
		level = "warn"
	case "trace":
		level = "debug"
	case "off":
		level = "error"
	case "error", "warn", "info", "debug":
	default:
		f.w.left(p.pos, what, "levels are debug, info, warn and error")
		return
	}
	key := f.w.set("log_level", level)
	if level == strings.ToLower(p.value) {
		f.w.kept(key, p.pos, what, "")
	} else {
		f.w.changed(key, p.pos, what, "levels are debug, info, warn and error")
	}
}

var number = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)?$`)

// seconds writes Fluent Bit's time (5, 5s, 2m) as a duration; "" where it is none.
func seconds(v string) string {
	v = strings.ToLower(v)
	unit := "s"
	for _, suffix := range []string{"s", "m", "h"} {
		if rest, ok := strings.CutSuffix(v, suffix); ok {
			v, unit = rest, suffix
			break
		}
	}
	if !number.MatchString(v) || len(v) > 9 {
		return ""
	}
	return v + unit
}

func (f *fluent) duration(key string, p property, what, why string) {
	d := seconds(p.value)
	if d == "" {
		f.w.left(p.pos, what, "it is not a number of seconds")
		return
	}
	f.w.kept(put(&f.w.top, key, text(d)), p.pos, what, why)
}

func isOn(v string) bool {
	switch strings.ToLower(v) {
	case "on", "true", "yes", "1":
		return true
	}
	return false
}

// routed lists the inputs whose tag the section's Match or Match_Regex takes.
func (f *fluent) routed(s *section) (some []*input, all bool) {
	pattern, match := s.get("match"), s.get("match_regex")
	var re *regexp.Regexp
	switch {
	case match != "":
		var err error
		if re, err = regexp.Compile(onigmo(match)); err != nil {
			f.w.left(s.at("match_regex"), s.kind+" Match_Regex", "it is no regular expression of RE2")
		}
	case pattern != "":
		re = regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
	default:
		return f.inputs, true
	}
	for _, in := range f.inputs {
		if re != nil && re.MatchString(in.tag) {
			some = append(some, in)
		}
	}
	return some, len(some) == len(f.inputs)
}

// scope tells the selector of some inputs' lines: "" where that is all of them. Only
// sources of files have a component of their own to be known by.
func (f *fluent) scope(some []*input) (selector string, ok bool) {
	if len(some) == len(f.inputs) {
		return "", true
	}
	var names []string
	for _, in := range some {
		files := value(in.source, "files")
		if files == nil {
			return "", false
		}
		name := value(in.source, "name").Value
		put(files, "component", text(name))
		names = append(names, name)
	}
	return `{component=~"` + strings.Join(names, "|") + `"}`, true
}

// scoped runs stages for the lines of a selector alone.
func scoped(selector string, stages ...*yaml.Node) []*yaml.Node {
	if selector == "" {
		return stages
	}
	return []*yaml.Node{mapping("match", mapping("selector", text(selector), "stages", list(stages...)))}
}

// labelName makes a name that Loki takes.
func labelName(s string) string {
	name := strings.Map(func(r rune) rune {
		if r == '_' || r < 0x80 && (r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z') {
			return r
		}
		return '_'
	}, s)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	if strings.HasPrefix(name, "__") {
		name = "l" + name
	}
	return name
}
