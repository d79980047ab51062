package convert

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// writer collects the agent's YAML and the notes that become its comments.
type writer struct {
	file  string // the one that is converted
	notes []Note
	top   yaml.Node
}

// order is how the parts of the file follow each other.
var order = []string{
	"cluster", "namespace", "node_type", "group", "state", "listen", "log_level",
	"drain_timeout", "scan_interval", "batch_wait", "labels", "metadata", "sources", "pipeline", "outputs",
}

// kept, changed and left note the fate of a setting; at is the key that stands for
// it in the YAML, and gets the comment.
func (w *writer) kept(at *yaml.Node, p Pos, what, why string) { w.note(at, Note{p, Kept, what, why}) }

func (w *writer) changed(at *yaml.Node, p Pos, what, why string) {
	w.note(at, Note{p, Changed, what, why})
}

func (w *writer) left(p Pos, what, why string) { w.note(nil, Note{p, Left, what, why}) }

// maxNotes bounds what one file may give rise to.
const maxNotes = 10_000

func (w *writer) note(at *yaml.Node, n Note) {
	if len(w.notes) >= maxNotes {
		return
	}
	n.What, n.Why = oneLine(n.What), oneLine(n.Why)
	w.notes = append(w.notes, n)
	if at == nil {
		return
	}
	if at.HeadComment != "" {
		at.HeadComment += "\n"
	}
	at.HeadComment += w.comment(n)
}

func (w *writer) comment(n Note) string {
	where := fmt.Sprintf("line %d", n.Pos.Line)
	if n.Pos.File != w.file {
		where = fmt.Sprintf("%s:%d", oneLine(filepath.Base(n.Pos.File)), n.Pos.Line)
	}
	s := fmt.Sprintf("# %s: %s (%s)", n.Fate, n.What, where)
	if n.Why != "" {
		s += ": " + n.Why
	}
	return s
}

// oneLine keeps foreign text from ending a comment.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffd || r == 0xfffe || r == 0xffff {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300]) + "…"
	}
	return s
}

// text is a scalar that reads back as s, whatever it holds.
func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(strings.ToValidUTF8(s, "\ufffd"))
	n.Tag = "!!str"
	if strings.ContainsAny(s, "\n\r\t") || !plain(s) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// plain reports whether s may stand without quotes and is still a text. ${NAME}
// is quoted, so that a reader of the file never takes it for a mapping.
func plain(s string) bool {
	if s == "" || strings.HasPrefix(s, "${") {
		return false
	}
	var back any
	return yaml.Unmarshal([]byte(s), &back) == nil && back == any(s)
}

// word is a scalar that is not a text: a number, a boolean.
func word(v any) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(v)} }

// list is a sequence; texts one of texts, in one line.
func list(items ...*yaml.Node) *yaml.Node { return &yaml.Node{Kind: yaml.SequenceNode, Content: items} }

func texts(items []string) *yaml.Node {
	n := list()
	n.Style = yaml.FlowStyle
	for _, s := range items {
		n.Content = append(n.Content, text(s))
	}
	return n
}

// mapping is an ordered object of keys and values in turn.
func mapping(keysAndValues ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		put(n, keysAndValues[i].(string), keysAndValues[i+1].(*yaml.Node))
	}
	return n
}

// put sets key, and returns the node to comment on.
func put(m *yaml.Node, key string, value *yaml.Node) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			m.Content[i+1] = value
			return m.Content[i]
		}
	}
	k := text(key)
	m.Content = append(m.Content, k, value)
	return k
}

// value returns what key holds, or nil.
func value(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// part returns the mapping or sequence below key, and makes it where it is missing.
func part(m *yaml.Node, key string, kind yaml.Kind) *yaml.Node {
	if v := value(m, key); v != nil {
		return v
	}
	v := &yaml.Node{Kind: kind}
	put(m, key, v)
	return v
}

func (w *writer) set(key, v string) *yaml.Node { return put(&w.top, key, text(v)) }

// encode writes the file: what was not carried first, then the settings.
func (w *writer) encode(kind Kind) ([]byte, error) {
	w.top.Kind = yaml.MappingNode
	w.sort()
	var head strings.Builder
	fmt.Fprintf(&head, "# Made from %s (%s) by remora-agent convert.\n", oneLine(filepath.Base(w.file)), kind)
	for _, n := range w.notes {
		if n.Fate == Left {
			head.WriteString(w.comment(n) + "\n")
		}
	}
	head.WriteByte('\n')
	var b bytes.Buffer
	b.WriteString(head.String())
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&w.top); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return b.Bytes(), enc.Close()
}

func (w *writer) sort() {
	var pairs []pair
	for i := 0; i+1 < len(w.top.Content); i += 2 {
		pairs = append(pairs, pair{w.top.Content[i], w.top.Content[i+1]})
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		return slices.Index(order, a.key.Value) - slices.Index(order, b.key.Value)
	})
	w.top.Content = w.top.Content[:0]
	for _, p := range pairs {
		w.top.Content = append(w.top.Content, p.key, p.value)
	}
}
