package plan

import (
	"text/template/parse"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// formatLabels are the labels that label_format reads; known is false where it may
// read any.
func formatLabels(s *syntax.LabelFormatStage) (names []string, known bool) {
	for _, f := range s.Formats {
		if f.From != "" {
			names = append(names, f.From)
			continue
		}
		read, known := templateLabels(f.Template)
		if !known {
			return nil, false
		}
		names = append(names, read...)
	}
	return names, true
}

// templateLabels are the labels that a template reads as {{.name}}; known is false
// where it may read any.
func templateLabels(text string) (names []string, known bool) {
	t := parse.New("")
	t.Mode = parse.SkipFuncCheck
	if _, err := t.Parse(text, "", "", map[string]*parse.Tree{}); err != nil || t.Root == nil {
		return nil, false // whoever compiles it tells what is wrong
	}
	w := fieldWalk{known: true}
	w.node(t.Root)
	return w.names, w.known
}

// fieldWalk gathers the fields of a template. A dot or variable of which no field
// is taken may be all labels, or what range or with made of it.
type fieldWalk struct {
	names []string
	known bool
}

func (w *fieldWalk) node(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, x := range n.Nodes {
				w.node(x)
			}
		}
	case *parse.ActionNode:
		w.node(n.Pipe)
	case *parse.PipeNode:
		if n != nil {
			for _, c := range n.Cmds {
				for _, a := range c.Args {
					w.node(a)
				}
			}
		}
	case *parse.IfNode:
		w.branch(&n.BranchNode)
	case *parse.FieldNode:
		w.names = append(w.names, n.Ident[0])
	case *parse.TextNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.NilNode, *parse.IdentifierNode, *parse.CommentNode:
	default:
		w.known = false
	}
}

func (w *fieldWalk) branch(b *parse.BranchNode) {
	w.node(b.Pipe)
	w.node(b.List)
	w.node(b.ElseList)
}
