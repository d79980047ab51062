package exec

import (
	"errors"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

const templateError = "TemplateFormatErr"

// Bounds of one execution of a template.
const (
	maxTemplateBytes = 1 << 20
	maxTemplateTurns = 100_000 // of all loops and calls together
	maxTemplateDepth = 1000    // of definitions that call each other
)

var errTemplateSize = errors.New("the template makes more than 1 MiB of text")

// formatter runs a template of line_format or label_format over lines. What a
// template may make and how often it may loop is bounded.
type formatter struct {
	parts []part // set where the template is only texts and labels
	tmpl  *template.Template
	line  *line
	turns int
	depth int
	data  map[string]string
	out   limitedBuilder
}

// part is a text or the label that stands in its place.
type part struct{ text, label string }

// newFormatter makes a formatter; name is what its errors call the template.
func newFormatter(name, text string) (*formatter, error) {
	f := &formatter{}
	funcs := template.FuncMap{
		"__line__":      func() string { return f.line.text },
		"__timestamp__": func() time.Time { return time.Unix(0, f.line.time).UTC() },
		"__turn__":      f.turn,
		"__enter__":     f.enter,
		"__leave__":     func() string { f.depth--; return "" },
	}
	t, err := template.New(name).Option("missingkey=zero").Funcs(templateFuncs).Funcs(funcs).Parse(text)
	if err != nil {
		return nil, err
	}
	if f.parts = simpleParts(t.Tree); f.parts != nil {
		return f, nil
	}
	f.tmpl, f.data = t, make(map[string]string)
	return f, countTurns(t)
}

func (f *formatter) turn() (string, error) {
	if f.turns++; f.turns > maxTemplateTurns {
		return "", errors.New("the template loops too often")
	}
	return "", nil
}

func (f *formatter) enter() (string, error) {
	if f.depth++; f.depth > maxTemplateDepth {
		return "", errors.New("the template calls itself too deeply")
	}
	return "", nil
}

// countTurns puts a call of __turn__ at the beginning of every loop and
// definition, and calls of __enter__ and __leave__ around every definition.
func countTurns(t *template.Template) error {
	none := func() string { return "" }
	calls, err := template.New("turn").Funcs(template.FuncMap{"__turn__": none, "__enter__": none, "__leave__": none}).
		Parse("{{__turn__}}{{__enter__}}{{__leave__}}")
	if err != nil {
		return err
	}
	turn, enter, leave := calls.Root.Nodes[0], calls.Root.Nodes[1], calls.Root.Nodes[2]
	for _, each := range t.Templates() {
		if each.Tree == nil || each.Root == nil {
			continue
		}
		walkLists(each.Root, func(list *parse.ListNode) {
			list.Nodes = append([]parse.Node{turn.Copy()}, list.Nodes...)
		})
		each.Root.Nodes = append(append([]parse.Node{enter.Copy()}, each.Root.Nodes...), leave.Copy())
	}
	return nil
}

// walkLists calls visit for a list of nodes and all lists inside.
func walkLists(list *parse.ListNode, visit func(*parse.ListNode)) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		var b *parse.BranchNode
		switch n := n.(type) {
		case *parse.IfNode:
			b = &n.BranchNode
		case *parse.RangeNode:
			b = &n.BranchNode
		case *parse.WithNode:
			b = &n.BranchNode
		default:
			continue
		}
		walkLists(b.List, visit)
		walkLists(b.ElseList, visit)
	}
	visit(list)
}

// simpleParts returns the parts of a template such as `{{.a}} at {{.b}}`, nil of
// any other.
func simpleParts(t *parse.Tree) []part {
	parts := []part{}
	for _, n := range t.Root.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			parts = append(parts, part{text: string(n.Text)})
		case *parse.ActionNode:
			p := n.Pipe
			if len(p.Decl) > 0 || len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
				return nil
			}
			field, ok := p.Cmds[0].Args[0].(*parse.FieldNode)
			if !ok || len(field.Ident) != 1 {
				return nil
			}
			parts = append(parts, part{label: field.Ident[0]})
		default:
			return nil
		}
	}
	return parts
}

// format returns the text that the template makes of a line. Where it is a label and
// nothing else, it sees no error of a stage, as in Loki.
func (f *formatter) format(l *line) (string, error) {
	if len(f.parts) == 1 && f.parts[0].label != "" {
		v, _ := l.label(f.parts[0].label)
		if len(v) > maxTemplateBytes {
			return "", errTemplateSize
		}
		return v, nil
	}
	return f.formatWith(l, nil)
}

// formatWith is format with other labels than the line's, unless they are nil.
func (f *formatter) formatWith(l *line, labels map[string]string) (string, error) {
	f.out.Reset()
	if f.parts != nil {
		for _, p := range f.parts {
			switch {
			case p.label == "":
			case labels != nil:
				p.text = labels[p.label]
			default:
				p.text = l.shown(p.label)
			}
			if _, err := f.out.WriteString(p.text); err != nil {
				return "", err
			}
		}
		return f.out.String(), nil
	}
	f.line, f.turns, f.depth = l, 0, 0
	if labels == nil {
		labels = f.data
		clear(labels)
		for _, x := range l.all() {
			labels[x.Name] = x.Value
		}
	}
	if err := f.tmpl.Execute(&f.out, labels); err != nil {
		return "", err
	}
	return f.out.String(), nil
}

// limitedBuilder is a strings.Builder that takes no more than a template may
// make.
type limitedBuilder struct{ strings.Builder }

func (b *limitedBuilder) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxTemplateBytes {
		return 0, errTemplateSize
	}
	return b.Builder.Write(p)
}

func (b *limitedBuilder) WriteString(s string) (int, error) {
	if b.Len()+len(s) > maxTemplateBytes {
		return 0, errTemplateSize
	}
	return b.Builder.WriteString(s)
}
