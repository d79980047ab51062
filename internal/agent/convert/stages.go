package convert

import (
	"errors"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/agent/stage"
)

// checkStage tells why the pipeline would not take a stage; one with variables is
// not known yet, and passes.
func checkStage(n *yaml.Node) error {
	if strings.Contains(strings.ReplaceAll(flat(n), "$${", ""), "${") {
		return nil
	}
	_, err := stage.Decode([]yaml.Node{*n})
	var at *stage.PosError
	if errors.As(err, &at) {
		return errText(at.Msg)
	}
	return err
}

// flat writes all values below a node one after the other.
func flat(n *yaml.Node) string {
	s := n.Value
	for _, c := range n.Content {
		s += "\n" + flat(c)
	}
	return s
}

// addStage appends a stage to the pipeline of all outputs.
func (w *writer) addStage(n *yaml.Node) {
	p := part(&w.top, "pipeline", yaml.SequenceNode)
	p.Content = append(p.Content, n)
}

func itoa(n int) string { return strconv.Itoa(n) }
