package convert

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// grep carries what chooses lines by the line itself.
func (f *fluent) grep(s *section, some []*input) {
	selector, ok := f.scope(some)
	if !ok {
		f.w.left(s.pos, "filter grep", "it is for some inputs only, and the pipeline is for every line: write a condition of its labels with selector:")
		return
	}
	if op := strings.ToLower(s.get("logical_op")); op == "and" || op == "or" {
		f.w.left(s.at("logical_op"), "filter grep", "rules joined by Logical_Op are not carried: join them in one expression")
		return
	}
	for _, p := range s.props {
		name := ""
		switch strings.ToLower(p.key) {
		case "regex":
			name = "keep"
		case "exclude":
			name = "drop"
		case "name", "match", "match_regex", "logical_op", "alias":
			continue
		default:
			f.unknown(p, "grep "+p.key)
			continue
		}
		field, expr, _ := strings.Cut(p.value, " ")
		f.grepRule(p, name, strings.TrimPrefix(field, "$"), strings.TrimSpace(expr), some[0].line, selector)
	}
}

func (f *fluent) grepRule(p property, name, field, expr, line, selector string) {
	what := "grep " + p.key
	if field != line {
		f.w.left(p.pos, what+" "+field, "an entry is a line, not a record with this field: write a condition with selector: or fields:")
		return
	}
	stage := scoped(selector, mapping(name, mapping("regex", text(onigmo(expr)), "reason", text("grep"))))[0]
	if err := checkStage(stage); err != nil {
		f.w.left(p.pos, what, err.Error())
		return
	}
	f.w.addStage(stage)
	f.w.kept(stage, p.pos, what, "lines that continue an entry go with it")
}

var slashes = regexp.MustCompile(`^/(.*)/[a-z]*$`)

// onigmo writes an expression of Fluent Bit as RE2 has it, where it can be.
func onigmo(expr string) string {
	if m := slashes.FindStringSubmatch(expr); m != nil {
		expr = m[1]
	}
	return strings.ReplaceAll(expr, `\h`, `[0-9a-fA-F]`)
}

// ready are parsers of Fluent Bit's image whose work the agent does anyhow.
var ready = map[string]string{
	"docker": "a query reads the fields with | json; the line stays as it is",
	"json":   "a query reads the fields with | json; the line stays as it is",
	"logfmt": "a query reads the fields with | logfmt; the line stays as it is",
	"python": "lines of a traceback belong to the entry before them without a setting",
	"java":   "lines of a traceback belong to the entry before them without a setting",
	"go":     "lines of a traceback belong to the entry before them without a setting",
	"ruby":   "lines of a traceback belong to the entry before them without a setting",
}

// tailParser carries the parser of a tail: the time that it takes from the line. The
// fields it makes are left to the query.
func (f *fluent) tailParser(p property, what string, made []*input) {
	if strings.HasPrefix(strings.ToLower(p.key), "multiline") && !strings.EqualFold(p.key, "multiline.parser") || strings.HasPrefix(strings.ToLower(p.key), "parser_") {
		f.w.left(p.pos, what, "lines of a traceback belong to the entry before them without a setting")
		return
	}
	for _, name := range splitPaths(p.value) {
		f.oneParser(p, what+" "+name, name, made[0])
	}
}

func (f *fluent) oneParser(p property, what, name string, in *input) {
	switch {
	case value(in.source, "ray") != nil:
		f.w.left(p.pos, what, "Ray's own formats are known, times and tracebacks among them")
	case value(in.source, "containers") != nil:
		f.w.changed(in.key, p.pos, what, "the containers source reads the prefixes that the container runtime writes and joins split lines")
	case name == "cri":
		f.criParser(p, what, in)
	case f.parsers[name] != nil:
		f.parserStages(p, what, f.parsers[name], in)
	default:
		f.w.left(p.pos, what, or(ready[name], "there is no [PARSER] of this name"))
	}
}

func (f *fluent) criParser(p property, what string, in *input) {
	if len(f.inputs) > 1 {
		f.w.left(p.pos, what, "the pipeline is for every line: for a node's containers write a source containers")
		return
	}
	pipeline := part(&f.w.top, "pipeline", yaml.SequenceNode)
	if slices.ContainsFunc(pipeline.Content, func(n *yaml.Node) bool { return n.Value == "cri" }) {
		return
	}
	stage := text("cri")
	pipeline.Content = slices.Insert(pipeline.Content, 0, stage)
	f.w.kept(stage, p.pos, what, "for a node's containers write a source containers instead")
}

// parserStages carries a [PARSER] that finds the time.
func (f *fluent) parserStages(p property, what string, parser *section, in *input) {
	key, layout := parser.get("time_key"), parser.get("time_format")
	if key == "" || layout == "" {
		f.w.left(p.pos, what, "it takes no time from the line; a query reads its fields with | json, | logfmt or | regexp")
		return
	}
	ours, ok := goLayout(layout)
	if !ok {
		f.w.left(parser.at("time_format"), what, "its Time_Format has no counterpart: write a timestamp stage")
		return
	}
	var extract *yaml.Node
	switch format := strings.ToLower(parser.get("format")); format {
	case "json", "logfmt":
		extract = mapping(format, mapping("fields", texts([]string{key})))
	case "regex":
		extract = mapping("regex", mapping("expression", text(onigmo(parser.get("regex")))))
	default:
		f.w.left(parser.at("format"), what, "its Format is not one of json, logfmt and regex")
		return
	}
	times := mapping("timestamp", mapping("source", text(key), "format", text(ours)))
	selector, _ := f.scope([]*input{in})
	stages := scoped(selector, extract, times)
	for _, stage := range stages {
		if err := checkStage(stage); err != nil {
			f.w.left(parser.pos, what, err.Error())
			return
		}
	}
	for _, stage := range stages {
		f.w.addStage(stage)
	}
	f.w.changed(stages[0], p.pos, what, "it tells the time; the line stays as it is, and a query reads its fields")
}

// strptime maps the directives of Time_Format to a layout of Go.
var strptime = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM",
	'b': "Jan", 'h': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday", 'j': "002", 'z': "Z0700", 'Z': "MST",
	'T': "15:04:05", 'F': "2006-01-02", 'D': "01/02/06", 'R': "15:04", 'n': " ", 't': " ", '%': "%",
}

// goLayout writes a strptime format as the layout of a timestamp stage. Fractions of
// a second (%L) are read behind the seconds without being named.
func goLayout(format string) (string, bool) {
	if format == "%s" {
		return "unix", true
	}
	if format == "%s.%L" {
		return "unix", true
	}
	for _, fraction := range []string{".%L", ",%L", "%L", ".%N"} {
		format = strings.ReplaceAll(format, "%S"+fraction, "%S")
		format = strings.ReplaceAll(format, "%T"+fraction, "%T")
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			if isDigit(format[i]) {
				return "", false
			}
			b.WriteByte(format[i])
			continue
		}
		if i++; i == len(format) {
			return "", false
		}
		s, ok := strptime[format[i]]
		if !ok {
			return "", false
		}
		b.WriteString(s)
	}
	return b.String(), true
}
