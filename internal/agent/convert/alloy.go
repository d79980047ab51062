package convert

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// alloy turns the components of a Grafana Alloy file into the agent's YAML.
type alloy struct {
	w          *writer
	components map[string]*block
	eval       *evaluator
	resolving  []reference // exports being worked out, the outermost first
	used       map[*block]bool
	ways       []way
	patterns   []pattern // of Ray's logs, and what is left out of them
	excluded   []pattern
	refused    error // why the first source was not carried
	steps      int   // of all ways, also of those that lead nowhere
	outputs    []*alloyOutput
}

// way is how lines go from a source to a component that takes them.
type way struct {
	source *block
	chain  []*block // loki.process and loki.relabel on the way
	to     *block
}

// alloyOutput is one endpoint of a loki.write, or a loki.echo.
type alloyOutput struct {
	block *block
	node  *yaml.Node
	chain []*block
	// external is the stage that adds external_labels, behind all others.
	external *yaml.Node
}

func convertAlloy(w *writer, name string, text []byte) error {
	file, err := parseAlloy(name, text)
	if err != nil {
		return err
	}
	a := &alloy{w: w, components: map[string]*block{}, used: map[*block]bool{}}
	a.eval = &evaluator{resolve: a.export}
	for _, b := range file.blocks {
		if old := a.components[b.id()]; old != nil {
			return errorAt(b.pos, "%s is there already, on line %d", b.id(), old.pos.Line)
		}
		a.components[b.id()] = b
	}
	for _, at := range file.attributes {
		w.left(at.pos, at.name, "the agent has no such setting")
	}
	for _, b := range file.blocks {
		if err := a.component(b); err != nil {
			return err
		}
	}
	return a.assemble(file)
}

// component carries one block of the file; those that others refer to are carried
// by them.
func (a *alloy) component(b *block) error {
	switch b.name {
	case "loki.source.file":
		return a.sourceFile(b)
	case "loki.write", "loki.echo", "loki.process", "loki.relabel", "local.file_match", "local.file", "discovery.relabel":
		return nil
	case "logging":
		a.logging(b)
		return nil
	case "loki.source.kubernetes", "loki.source.podlogs", "discovery.kubernetes":
		a.w.left(b.pos, b.id(), "the agent asks no Kubernetes API: as a DaemonSet it reads the same lines with a source containers")
		return nil
	case "livedebugging", "http", "tracing", "remotecfg":
		a.w.left(b.pos, b.id(), "the agent has no such part")
		return nil
	}
	why := "the agent has no such component"
	if strings.HasPrefix(b.name, "prometheus.") || strings.HasPrefix(b.name, "otelcol.") || strings.HasPrefix(b.name, "discovery.") {
		why = "the agent ships log files alone"
	}
	a.w.left(b.pos, b.id(), why)
	return nil
}

func (a *alloy) logging(b *block) {
	for _, at := range b.attributes {
		v, err := a.eval.value(at.value)
		level, _ := v.(string)
		if at.name != "level" || err != nil || !slices.Contains([]string{"debug", "info", "warn", "error"}, level) {
			a.w.left(at.pos, "logging "+at.name, "the agent writes its own log to standard error, as text, at one of debug, info, warn, error")
			continue
		}
		a.w.kept(a.w.set("log_level", level), at.pos, "logging level", "")
	}
}

// export works out what a component offers to others.
func (a *alloy) export(r reference) (any, error) {
	for _, name := range []string{"receiver", "content"} {
		if _, ok := r.cut(name); ok {
			return r, nil
		}
	}
	if slices.Contains(a.resolving, r) || len(a.resolving) > maxDepth {
		return nil, errText(string(r) + " leads back to itself")
	}
	a.resolving = append(a.resolving, r)
	defer func() { a.resolving = a.resolving[:len(a.resolving)-1] }()
	if id, ok := r.cut("targets"); ok {
		if b := a.components[id]; b != nil && b.name == "local.file_match" {
			return a.targets(b, "path_targets")
		}
	}
	if id, ok := r.cut("output"); ok {
		if b := a.components[id]; b != nil && b.name == "discovery.relabel" {
			return a.relabelled(b)
		}
	}
	return nil, errText(string(r) + " is not known before the agent runs")
}

type errText string

func (e errText) Error() string { return string(e) }

// targets works out a list of targets, which are maps of text.
func (a *alloy) targets(b *block, name string) (any, error) {
	a.used[b] = true
	at := b.attribute(name)
	if at == nil {
		return nil, errText(b.id() + " has no " + name)
	}
	v, err := a.eval.value(at.value)
	if err != nil {
		return nil, err
	}
	items, ok := v.([]any)
	if !ok {
		return nil, errorAt(at.pos, "%s must be a list", name)
	}
	for _, it := range items {
		if _, ok := it.(*object); !ok {
			return nil, errorAt(at.pos, "%s must be a list of maps", name)
		}
	}
	return items, nil
}

// route follows forward_to from b to where lines end.
func (a *alloy) route(source, b *block, chain []*block) error {
	at := b.attribute("forward_to")
	if at == nil {
		return errorAt(b.pos, "%s has no forward_to", b.id())
	}
	v, err := a.eval.value(at.value)
	if err != nil {
		return err
	}
	receivers, ok := v.([]any)
	if !ok {
		return errorAt(at.pos, "forward_to must be a list of receivers")
	}
	for _, r := range receivers {
		ref, _ := r.(reference)
		id, ok := ref.cut("receiver")
		to := a.components[id]
		if !ok || to == nil {
			return errorAt(at.pos, "forward_to names %v, which is not in this file", r)
		}
		if slices.Contains(chain, to) {
			return errorAt(at.pos, "%s leads back to itself", id)
		}
		if a.steps++; a.steps > maxSteps {
			return errorAt(at.pos, "more than %d ways lead from sources to outputs", maxSteps)
		}
		a.used[to] = true
		switch to.name {
		case "loki.process", "loki.relabel":
			err = a.route(source, to, append(slices.Clone(chain), to))
		case "loki.write", "loki.echo":
			a.ways = append(a.ways, way{source, chain, to})
		default:
			a.w.left(at.pos, b.id()+" forward_to "+id, "the agent sends to a Remora server, to Loki and to standard output")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// maxSteps bounds how many ways lead from sources to outputs.
const maxSteps = 1000

// assemble writes outputs and pipelines when all ways are known.
func (a *alloy) assemble(file *block) error {
	if len(part(&a.w.top, "sources", yaml.SequenceNode).Content) == 0 {
		if a.refused != nil {
			return a.refused
		}
		return errorAt(file.pos, "there is no loki.source.file, which is what the agent carries")
	}
	if len(a.ways) == 0 {
		return errorAt(file.pos, "no loki.source.file forwards to a loki.write or a loki.echo of this file")
	}
	var done []*block
	for _, w := range a.ways {
		if slices.Contains(done, w.to) {
			continue
		}
		done = append(done, w.to)
		chain, err := a.chain(w.to)
		if err != nil {
			return err
		}
		if err := a.output(w.to, chain); err != nil {
			return err
		}
	}
	if len(a.outputs) == 0 {
		return errorAt(done[0].pos, "%s has no endpoint", done[0].id())
	}
	a.pipelines()
	a.w.keepFiles(a.patterns, a.excluded)
	a.unused(file)
	key := a.w.set("state", "/var/lib/remora-agent")
	a.w.changed(key, file.pos, "positions", "kept here; those of Alloy are not taken over: files are read from their beginning")
	return nil
}

// chain tells the stages before an output: those of all sources, as an agent does
// the same with every line.
func (a *alloy) chain(to *block) ([]*block, error) {
	var first *way
	reached := map[*block]bool{}
	for i := range a.ways {
		w := &a.ways[i]
		if w.to != to {
			continue
		}
		if first == nil {
			first = w
		}
		if !slices.Equal(w.chain, first.chain) {
			return nil, errorAt(w.source.pos, "lines take different ways to %s, and an agent treats every line alike: write a file for each way", to.id())
		}
		reached[w.source] = true
	}
	for _, w := range a.ways {
		if !reached[w.source] {
			return nil, errorAt(w.source.pos, "%s does not forward to %s, and an agent sends what it reads to each of its outputs: write a file for each", w.source.id(), to.id())
		}
	}
	return first.chain, nil
}

// pipelines writes the stages: for all outputs, or for each its own.
func (a *alloy) pipelines() {
	same := true
	for _, o := range a.outputs {
		same = same && slices.Equal(o.chain, a.outputs[0].chain)
	}
	if same {
		a.pipeline(&a.w.top, a.outputs[0].chain)
	}
	for _, o := range a.outputs {
		if !same {
			a.pipeline(o.node, o.chain)
		}
		if o.external != nil {
			own := part(o.node, "pipeline", yaml.SequenceNode)
			own.Content = append(own.Content, o.external)
		}
	}
}

// unused tells of components that nothing leads to.
func (a *alloy) unused(file *block) {
	for _, b := range file.blocks {
		switch b.name {
		case "loki.write", "loki.echo", "loki.process", "loki.relabel", "local.file_match", "discovery.relabel", "local.file":
			if !a.used[b] {
				a.w.left(b.pos, b.id(), "nothing that is carried leads to it")
			}
		}
	}
}
