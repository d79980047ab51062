package convert

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yaml reads Fluent Bit's YAML form into the same sections as the classic one.
func (r *fluentReader) yaml(name string, text []byte) error {
	if err := checkText(name, text); err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return yamlError(name, err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	f := fluentYAMLFile{r: r, name: name}
	top, err := f.pairs(doc.Content[0], "the file")
	if err != nil {
		return err
	}
	// What is set counts everywhere in the file, wherever it stands.
	for _, p := range top {
		if p.key.Value == "env" {
			if err := f.env(p.value); err != nil {
				return err
			}
		}
	}
	for _, p := range top {
		if err := f.top(p); err != nil {
			return err
		}
	}
	return nil
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

func yamlError(name string, err error) error {
	pos, msg := Pos{File: name, Line: 1, Column: 1}, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		pos.Line, _ = strconv.Atoi(m[1])
		msg = m[2]
	}
	return errorAt(pos, "%s", msg)
}

type fluentYAMLFile struct {
	r    *fluentReader
	name string
}

type pair struct{ key, value *yaml.Node }

func (f *fluentYAMLFile) pos(n *yaml.Node) Pos {
	return Pos{File: f.name, Line: n.Line, Column: n.Column}
}

func (f *fluentYAMLFile) pairs(n *yaml.Node, what string) ([]pair, error) {
	if n.Kind != yaml.MappingNode {
		return nil, errorAt(f.pos(n), "%s must be a mapping (key: value)", what)
	}
	var out []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind != yaml.ScalarNode {
			return nil, errorAt(f.pos(n.Content[i]), "a key must be a word")
		}
		out = append(out, pair{n.Content[i], n.Content[i+1]})
	}
	return out, nil
}

func (f *fluentYAMLFile) items(n *yaml.Node, what string) ([]*yaml.Node, error) {
	if n.Kind != yaml.SequenceNode {
		return nil, errorAt(f.pos(n), "%s must be a list (- item)", what)
	}
	return n.Content, nil
}

func (f *fluentYAMLFile) env(n *yaml.Node) error {
	vars, err := f.pairs(n, "env")
	if err != nil {
		return err
	}
	for _, v := range vars {
		text, err := f.scalar(v.value, v.key.Value)
		if err != nil {
			return err
		}
		if f.r.variables[v.key.Value], err = f.r.expand(f.pos(v.value), text); err != nil {
			return err
		}
	}
	return nil
}

func (f *fluentYAMLFile) top(p pair) error {
	switch p.key.Value {
	case "env":
		return nil
	case "includes":
		items, err := f.items(p.value, "includes")
		if err != nil {
			return err
		}
		for _, it := range items {
			if err := f.r.include(f.pos(it), it.Value); err != nil {
				return err
			}
		}
		return nil
	case "service":
		return f.section("service", p.key, p.value)
	case "parsers":
		return f.list("parser", p.value)
	case "multiline_parsers":
		return f.list("multiline_parser", p.value)
	case "pipeline":
		return f.pipeline(p.value)
	}
	f.r.w.left(f.pos(p.key), p.key.Value, "the agent has no such part")
	return nil
}

func (f *fluentYAMLFile) pipeline(n *yaml.Node) error {
	parts, err := f.pairs(n, "pipeline")
	if err != nil {
		return err
	}
	for _, p := range parts {
		switch p.key.Value {
		case "inputs", "filters", "outputs":
			if err := f.list(strings.TrimSuffix(p.key.Value, "s"), p.value); err != nil {
				return err
			}
		default:
			f.r.w.left(f.pos(p.key), "pipeline "+p.key.Value, "the agent has no such part")
		}
	}
	return nil
}

func (f *fluentYAMLFile) list(kind string, n *yaml.Node) error {
	items, err := f.items(n, kind+"s")
	if err != nil {
		return err
	}
	for _, it := range items {
		if err := f.section(kind, it, it); err != nil {
			return err
		}
	}
	return nil
}

func (f *fluentYAMLFile) section(kind string, at, n *yaml.Node) error {
	props, err := f.pairs(n, kind)
	if err != nil {
		return err
	}
	s := &section{kind: kind, pos: f.pos(at)}
	f.r.sections = append(f.r.sections, s)
	for _, p := range props {
		if err := f.property(s, p.key, p.value); err != nil {
			return err
		}
	}
	return nil
}

// property adds one value, or each item of a list as a value of its own.
func (f *fluentYAMLFile) property(s *section, key, value *yaml.Node) error {
	if value.Kind == yaml.SequenceNode && key.Value != "processors" && key.Value != "rules" {
		for _, it := range value.Content {
			if it.Kind != yaml.ScalarNode {
				return errorAt(f.pos(it), "%s: an item must be plain text", key.Value)
			}
			v, err := f.r.expand(f.pos(it), it.Value)
			if err != nil {
				return err
			}
			s.props = append(s.props, property{f.pos(it), key.Value, v})
		}
		return nil
	}
	if value.Kind == yaml.MappingNode || value.Kind == yaml.SequenceNode {
		f.r.w.left(f.pos(key), s.kind+" "+key.Value, "the agent has no counterpart of this list")
		return nil
	}
	text, err := f.scalar(value, key.Value)
	if err != nil {
		return err
	}
	v, err := f.r.expand(f.pos(value), text)
	s.props = append(s.props, property{f.pos(key), key.Value, v})
	return err
}

func (f *fluentYAMLFile) scalar(n *yaml.Node, what string) (string, error) {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		return "", errorAt(f.pos(n), "%s must be plain text", what)
	}
	return n.Value, nil
}
