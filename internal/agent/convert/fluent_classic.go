package convert

import (
	"path/filepath"
	"regexp"
	"strings"
)

// section is one plugin instance, or [SERVICE], or a parser.
type section struct {
	kind  string // lower case: service, input, filter, output, parser, multiline_parser
	pos   Pos
	props []property
}

// property is one "Key value" line. Values keep their ${NAME}; those that @SET
// or env: name are replaced.
type property struct {
	pos        Pos
	key, value string
}

// get returns the last value of key, whose case does not count.
func (s *section) get(key string) string {
	for i := len(s.props) - 1; i >= 0; i-- {
		if strings.EqualFold(s.props[i].key, key) {
			return s.props[i].value
		}
	}
	return ""
}

func (s *section) name() string { return strings.ToLower(s.get("name")) }

// at returns where key stands, else where the section does.
func (s *section) at(key string) Pos {
	for i := len(s.props) - 1; i >= 0; i-- {
		if strings.EqualFold(s.props[i].key, key) {
			return s.props[i].pos
		}
	}
	return s.pos
}

var sectionLine = regexp.MustCompile(`^\[\s*([A-Za-z_]+)\s*\]$`)

// fluentReader collects the sections of a configuration and its included files.
type fluentReader struct {
	beside    *files
	variables map[string]string
	sections  []*section
	reading   []string // files being read, the outermost first
	w         *writer
}

// classic reads the line format: "[SECTION]", "Key value", "@SET name=value" and
// "@INCLUDE pattern"; # begins a comment line.
func (r *fluentReader) classic(name string, text []byte) error {
	if err := checkText(name, text); err != nil {
		return err
	}
	var current *section
	n := 0
	for raw := range strings.Lines(string(text)) {
		n++
		line := strings.TrimSpace(strings.TrimPrefix(raw, "\ufeff"))
		pos := Pos{File: name, Line: n, Column: strings.Index(raw, line) + 1}
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '@':
			if err := r.command(pos, line); err != nil {
				return err
			}
		case line[0] == '[':
			m := sectionLine.FindStringSubmatch(line)
			if m == nil {
				return errorAt(pos, "%q is not a section: write it as [INPUT]", line)
			}
			current = &section{kind: strings.ToLower(m[1]), pos: pos}
			r.sections = append(r.sections, current)
		case current == nil:
			return errorAt(pos, "this stands before the first section: write [SERVICE], [INPUT], [FILTER] or [OUTPUT] above it")
		default:
			p, err := r.keyValue(pos, line)
			if err != nil {
				return err
			}
			current.props = append(current.props, p)
		}
	}
	return nil
}

func (r *fluentReader) keyValue(pos Pos, line string) (property, error) {
	end := strings.IndexAny(line, " \t")
	if end < 0 {
		return property{}, errorAt(pos, "the key %q has no value", line)
	}
	v, err := r.expand(pos, strings.TrimSpace(line[end:]))
	return property{pos: pos, key: line[:end], value: v}, err
}

// command carries out a line that begins with @.
func (r *fluentReader) command(pos Pos, line string) error {
	word, rest := line, ""
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		word, rest = line[:i], strings.TrimSpace(line[i:])
	}
	switch strings.ToLower(word) {
	case "@set":
		name, value, ok := strings.Cut(rest, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return errorAt(pos, "@SET wants name=value")
		}
		v, err := r.expand(pos, strings.TrimSpace(value))
		r.variables[name] = v
		return err
	case "@include":
		return r.include(pos, rest)
	}
	return errorAt(pos, "unknown command %q: there are @SET and @INCLUDE", word)
}

func (r *fluentReader) include(pos Pos, pattern string) error {
	names, err := r.beside.match(pattern)
	if err != nil {
		return errorAt(pos, "include: %v", err)
	}
	for _, name := range names {
		if err := r.file(pos, name); err != nil {
			return err
		}
	}
	return nil
}

// file reads one included file, in the form that its ending tells.
func (r *fluentReader) file(pos Pos, name string) error {
	for _, outer := range r.reading {
		if outer == name {
			return errorAt(pos, "%s includes itself", name)
		}
	}
	text, err := r.beside.open(name)
	if err != nil {
		return errorAt(pos, "include: %v", err)
	}
	r.reading = append(r.reading, name)
	defer func() { r.reading = r.reading[:len(r.reading)-1] }()
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml":
		return r.yaml(name, text)
	}
	return r.classic(name, text)
}

var variable = regexp.MustCompile(`\$\{([^{}]*)\}`)

// maxValue bounds a value after its variables are replaced.
const maxValue = 64 << 10

// expand replaces the variables that the file itself sets; others are the
// environment's and stay as they are.
func (r *fluentReader) expand(pos Pos, s string) (string, error) {
	var b strings.Builder
	for {
		at := strings.Index(s, "${")
		if at < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		b.WriteString(s[:at])
		name, rest, closed := strings.Cut(s[at+2:], "}")
		v, set := r.variables[name]
		switch {
		case !closed: // Fluent Bit leaves it alone
			b.WriteString("$${" + s[at+2:])
			return b.String(), nil
		case set:
			b.WriteString(v)
		case !isVariable(name):
			return "", errorAt(pos, "${%s} does not name a variable: letters, digits and _", name)
		default:
			b.WriteString("${" + name + "}")
		}
		if b.Len() > maxValue {
			return "", errorAt(pos, "this value is longer than %d bytes with its variables replaced", maxValue)
		}
		s = rest
	}
}
