package stage

import (
	"fmt"
	"strconv"
	"strings"
	"text/template/parse"

	"github.com/remora-ray/remora/internal/logs"
)

// templateStep writes the line or a field anew.
type templateStep struct {
	into string
	text part
}

// part writes a piece of a template's text.
type part func(x *written)

// value is an expression's value; every one is a string, and "" is false.
type value func(x *written) string

// written is a template being written for one entry.
type written struct {
	r   *Run
	e   *Entry
	out strings.Builder
}

// maxWritten bounds what a template writes and its functions give; it is also the
// longest line that is sent whole.
const maxWritten = 256 << 10

var templateKind = kind{
	doc: StageDoc{
		Name: "template",
		Summary: "Writes the line or a field anew by a template of Go's text/template, of which text, `{{.name}}`, pipes and if/else are known; " +
			"`{{.line}}` is the line, any other name an extracted field, metadata or a label, and \"\" where there is none.",
		Keys: []Key{
			{"template", "text", "", "functions: lower, upper, trim, quote, default, trunc, replace, contains, hasPrefix, eq, ne, and, or, not; what goes in by a pipe is the last argument, as in Go"},
			{"into", "text", "line", "`line`, or the name of a field to set"},
		},
		Example: Example{
			YAML: "- json:\n- template: {template: '{{.severity | upper | default \"INFO\"}} {{.text}}{{if .user}} ({{.user | trunc 3}}){{end}}'}\n",
			In:   []string{`{"severity":"warn","user":"annabel","text":"hm"}`, `{"text":"oh"}`},
			Out:  []string{"WARN hm (ann)", "INFO oh"},
		},
	},
	compile: func(s *settings) step {
		s.need("template")
		into := s.text("into", nameLine)
		if !logs.ValidName(into) {
			s.wrong("into", "does not match [a-zA-Z_][a-zA-Z0-9_]*")
		}
		p, err := compileTemplate(s.text("template", ""))
		if err != nil {
			s.wrong("template", "cannot be read: %v", err)
		}
		return &templateStep{into, p}
	},
}

func (s *templateStep) run(r *Run, e *Entry) string {
	x := &written{r: r, e: e}
	s.text(x)
	if s.into == nameLine {
		e.Line = []byte(x.out.String())
		return ""
	}
	r.set(s.into, x.out.String())
	return ""
}

func (x *written) put(s string) {
	if room := maxWritten - x.out.Len(); len(s) > room {
		s = s[:room]
	}
	x.out.WriteString(s)
}

// functions of templates: how many arguments they take, and what they do.
var functions = map[string]struct {
	args int
	call func(a []string) string
}{
	"lower":     {1, func(a []string) string { return strings.ToLower(a[0]) }},
	"upper":     {1, func(a []string) string { return strings.ToUpper(a[0]) }},
	"trim":      {1, func(a []string) string { return strings.TrimSpace(a[0]) }},
	"quote":     {1, func(a []string) string { return strconv.Quote(a[0]) }},
	"not":       {1, func(a []string) string { return truth(a[0] == "") }},
	"default":   {2, func(a []string) string { return either(a[1], a[0]) }},
	"or":        {2, func(a []string) string { return either(a[0], a[1]) }},
	"and":       {2, both},
	"eq":        {2, func(a []string) string { return truth(a[0] == a[1]) }},
	"ne":        {2, func(a []string) string { return truth(a[0] != a[1]) }},
	"contains":  {2, func(a []string) string { return truth(strings.Contains(a[1], a[0])) }},
	"hasPrefix": {2, func(a []string) string { return truth(strings.HasPrefix(a[1], a[0])) }},
	"trunc":     {2, trunc},
	"replace":   {3, func(a []string) string { return replaced(a[2], a[0], a[1]) }},
}

func truth(v bool) string {
	if v {
		return "true"
	}
	return ""
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func both(a []string) string {
	if a[0] == "" {
		return ""
	}
	return a[1]
}

// trunc keeps the first characters.
func trunc(a []string) string {
	n, err := strconv.Atoi(a[0])
	if err != nil || n < 0 {
		return a[1]
	}
	for i := range a[1] {
		if n == 0 {
			return a[1][:i]
		}
		n--
	}
	return a[1]
}

func replaced(s, old, new string) string {
	if old == "" || len(s)+strings.Count(s, old)*len(new) > maxWritten {
		return s
	}
	return strings.ReplaceAll(s, old, new)
}

func compileTemplate(text string) (part, error) {
	if len(text) > 16<<10 {
		return nil, fmt.Errorf("it is longer than 16 KiB")
	}
	names := make(map[string]any, len(functions))
	for n := range functions {
		names[n] = true
	}
	trees, err := parse.Parse("template", text, "", "", names)
	if err != nil {
		return nil, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "template: "))
	}
	tree := trees["template"]
	if len(trees) > 1 {
		return nil, fmt.Errorf("it must not define other templates")
	}
	if tree == nil || tree.Root == nil {
		return func(*written) {}, nil
	}
	return compileList(tree.Root)
}

func compileList(list *parse.ListNode) (part, error) {
	if list == nil {
		return func(*written) {}, nil
	}
	var parts []part
	for _, n := range list.Nodes {
		p, err := compileNode(n)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return func(x *written) {
		for _, p := range parts {
			p(x)
		}
	}, nil
}

func compileNode(n parse.Node) (part, error) {
	switch n := n.(type) {
	case *parse.TextNode:
		text := string(n.Text)
		return func(x *written) { x.put(text) }, nil
	case *parse.CommentNode:
		return func(*written) {}, nil
	case *parse.ActionNode:
		v, err := compilePipe(n.Pipe)
		if err != nil {
			return nil, err
		}
		return func(x *written) { x.put(v(x)) }, nil
	case *parse.IfNode:
		return compileIf(n)
	}
	return nil, fmt.Errorf("%s is not known here: only text, {{.name}}, pipes and if/else are", quote(n.String()))
}

func compileIf(n *parse.IfNode) (part, error) {
	cond, err := compilePipe(n.Pipe)
	if err != nil {
		return nil, err
	}
	yes, err := compileList(n.List)
	if err != nil {
		return nil, err
	}
	no, err := compileList(n.ElseList)
	if err != nil {
		return nil, err
	}
	return func(x *written) {
		if cond(x) != "" {
			yes(x)
		} else {
			no(x)
		}
	}, nil
}

func compilePipe(p *parse.PipeNode) (value, error) {
	if len(p.Decl) > 0 {
		return nil, fmt.Errorf("variables are not known here")
	}
	var v value
	for _, c := range p.Cmds {
		var err error
		if v, err = compileCommand(c, v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// compileCommand compiles a value, or a function with its arguments; last is what
// comes by the pipe.
func compileCommand(c *parse.CommandNode, last value) (value, error) {
	name, isCall := c.Args[0].(*parse.IdentifierNode)
	if !isCall {
		if len(c.Args) != 1 || last != nil {
			return nil, fmt.Errorf("%s is no function", quote(c.String()))
		}
		return compileOperand(c.Args[0])
	}
	f, known := functions[name.Ident]
	if !known {
		return nil, fmt.Errorf("function %s is not known", quote(name.Ident))
	}
	var args []value
	for _, a := range c.Args[1:] {
		v, err := compileOperand(a)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	if last != nil {
		args = append(args, last)
	}
	if len(args) != f.args {
		return nil, fmt.Errorf("%s takes %d arguments, not %d", name.Ident, f.args, len(args))
	}
	return func(x *written) string {
		given := make([]string, len(args))
		for i, a := range args {
			given[i] = a(x)
		}
		out := f.call(given)
		return out[:min(len(out), maxWritten)]
	}, nil
}

func compileOperand(n parse.Node) (value, error) {
	switch n := n.(type) {
	case *parse.FieldNode:
		if len(n.Ident) == 1 {
			name := n.Ident[0]
			return func(x *written) string { v, _ := x.r.get(x.e, name); return v }, nil
		}
	case *parse.StringNode:
		return func(*written) string { return n.Text }, nil
	case *parse.NumberNode:
		return func(*written) string { return n.Text }, nil
	case *parse.PipeNode:
		return compilePipe(n)
	case *parse.IdentifierNode:
		return nil, fmt.Errorf("function %s needs parentheses here", quote(n.Ident))
	}
	return nil, fmt.Errorf("%s is not known here: names are written {{.name}}", quote(n.String()))
}
