package stage

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"
	"go.yaml.in/yaml/v3"
)

// PosError says where in a configuration the mistake is.
type PosError struct {
	Line, Column int
	Msg          string
}

func (e *PosError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Msg)
}

// Bounds of a program.
const (
	maxStages = 256
	maxDepth  = 8
	maxNodes  = 1 << 14
)

// Decode compiles a list of stages. Each is a mapping of one key, the stage's
// name, to its settings, or the name alone. Errors are *PosError.
func Decode(list []yaml.Node) (*Program, error) {
	c := &compiler{sum: xxhash.New()}
	p := &Program{}
	nodes := make([]*yaml.Node, len(list))
	for i := range list {
		nodes[i] = &list[i]
	}
	p.steps = c.stages(nodes, 0)
	if c.err != nil {
		return nil, c.err
	}
	p.slots, p.cri, p.sum = c.slots, c.cri, c.sum.Sum64()
	return p, nil
}

// compiler builds a program. After the first error it goes on only so far as to
// come to an end.
type compiler struct {
	err    *PosError
	stage  int // stages so far
	slots  int
	cri    bool
	budget int // nodes read
	sum    *xxhash.Digest
}

func (c *compiler) fail(n *yaml.Node, format string, args ...any) {
	if c.err == nil {
		c.err = &PosError{Line: n.Line, Column: n.Column, Msg: fmt.Sprintf(format, args...)}
	}
}

// read follows an alias and notes the node's text.
func (c *compiler) read(n *yaml.Node) *yaml.Node {
	for i := 0; n.Kind == yaml.AliasNode && n.Alias != nil; i++ {
		if i == maxDepth {
			c.fail(n, "aliases lead to each other")
			break
		}
		n = n.Alias
	}
	if c.budget++; c.budget > maxNodes {
		c.fail(n, "the pipeline is too long: at most %d values", maxNodes)
	}
	fmt.Fprintf(c.sum, "%d:%d:%s;", n.Kind, len(n.Value), n.Value)
	return n
}

func (c *compiler) stages(list []*yaml.Node, depth int) []step {
	var steps []step
	for _, n := range list {
		if c.err != nil {
			return nil
		}
		if c.stage++; c.stage > maxStages {
			c.fail(n, "a pipeline has at most %d stages", maxStages)
			return nil
		}
		if s := c.one(c.read(n), depth); s != nil {
			steps = append(steps, s)
		}
	}
	return steps
}

func (c *compiler) one(n *yaml.Node, depth int) step {
	name, body := n, (*yaml.Node)(nil)
	if n.Kind == yaml.MappingNode {
		if len(n.Content) != 2 {
			c.fail(n, "a stage is one key, its name, with its settings; here are %d keys: begin each stage with \"- \"", len(n.Content)/2)
			return nil
		}
		name, body = c.read(n.Content[0]), c.read(n.Content[1])
	}
	if name.Kind != yaml.ScalarNode {
		c.fail(n, "a stage is one key, its name, with its settings")
		return nil
	}
	k := kinds[name.Value]
	if k == nil {
		c.fail(name, "unknown stage %s%s", quote(name.Value), hint(name.Value, slices.Sorted(maps.Keys(kinds))))
		return nil
	}
	s := &settings{compiler: c, at: name, name: name.Value, depth: depth, body: body}
	if !k.list || body == nil || body.Kind != yaml.SequenceNode {
		s.open(k.doc.Keys)
	}
	if c.err != nil {
		return nil
	}
	step := k.compile(s)
	if c.err != nil {
		return nil
	}
	return step
}

// slot reserves a state.
func (c *compiler) slot() int {
	c.slots++
	return c.slots - 1
}

func quote(s string) string {
	if len(s) > 64 {
		return fmt.Sprintf("%q…", s[:64])
	}
	return fmt.Sprintf("%q", s)
}

// hint names the known word that is nearest to what was written, if one is near.
func hint(word string, known []string) string {
	best, at := "", 4
	for _, k := range known {
		if d := distance(word, k); d < at && d < max(len(word), len(k)) {
			best, at = k, d
		}
	}
	if best == "" {
		return fmt.Sprintf("; known are %v", known)
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is how many letters must be changed, put in or left out to make b of a.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
