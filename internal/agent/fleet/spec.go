package fleet

import (
	"cmp"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/agent"
	"github.com/remora-ray/remora/internal/agent/config"
	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/logs"
)

// spec is what one engine is made from.
type spec struct {
	settings
	conf   *config.Config
	output *config.Output
	alone  bool  // of flags: it is the only one, and named by nobody
	hold   int64 // its part of hold_bytes
}

// settings are what makes an engine differ from another: plain data, compared deeply.
type settings struct {
	Source   config.Source
	Output   config.Output // without its pipeline and sources
	Pipeline string        // of all outputs and of this one, without places and comments
	State    string
	Node     parse.Node
	PodUID   string
	Labels   logs.Labels
	Metadata logs.Labels
	Zone     string

	Drain, Scan, Wait   time.Duration
	Open, Readers, Size int
}

// plan makes a spec for each source and each output that takes its lines.
func plan(c *config.Config) []*spec { return planOf(c, c.Sources) }

func planOf(c *config.Config, sources []config.Source) []*spec {
	var specs []*spec
	for i := range sources {
		for j := range c.Outputs {
			if c.Outputs[j].Takes(sources[i].Name) {
				specs = append(specs, specOf(c, &sources[i], &c.Outputs[j]))
			}
		}
	}
	for _, s := range specs {
		s.alone, s.hold = len(specs) == 1 && c.Plain, max(1, int64(c.HoldBytes)/int64(len(specs)))
	}
	return specs
}

func specOf(c *config.Config, src *config.Source, out *config.Output) *spec {
	s := &spec{conf: c, output: out, settings: settings{
		Source: *src, Output: *out, State: c.Dir(src.Name, out.Name), PodUID: c.PodUID,
		Node: parse.Node{
			Cluster: c.Cluster, Namespace: c.Namespace, Group: c.Group, Type: c.NodeType, Pod: c.Pod, Container: c.Container,
		},
		Labels: config.AddedTo(c.Labels, src.Labels), Metadata: config.AddedTo(c.Metadata, src.Metadata),
		Drain: c.DrainTimeout, Scan: c.ScanInterval, Wait: c.BatchWait,
		Open: c.MaxOpenFiles, Readers: c.Readers, Size: int(c.BatchBytes),
	}}
	s.Output.Pipeline, s.Output.Sources = nil, nil
	var text strings.Builder
	for _, list := range [][]yaml.Node{c.Pipeline, out.Pipeline} {
		for k := range list {
			canonical(&text, &list[k])
		}
	}
	s.Pipeline = text.String()
	if c.Timezone != nil {
		s.Zone = c.Timezone.String()
	}
	return s
}

// canonical writes a node without its place, its comments and its style.
func canonical(b *strings.Builder, n *yaml.Node) {
	fmt.Fprintf(b, "(%s %d:%s", n.ShortTag(), len(n.Value), n.Value)
	for _, c := range n.Content {
		canonical(b, c)
	}
	b.WriteByte(')')
}

func (s *spec) name() string { return s.Source.Name + "." + s.Output.Name }

// same reports whether an engine of s may go on where t is wanted.
func (s *spec) same(t *spec) bool { return reflect.DeepEqual(s.settings, t.settings) }

// configOf is the configuration of an engine's run.
func (f *fleet) configOf(e *engine) (agent.Config, error) {
	s := e.spec
	layout, err := s.Source.Layout()
	if err != nil {
		return agent.Config{}, err
	}
	c, err := s.agentConfig(&f.o, f.log)
	if err != nil {
		return agent.Config{}, err
	}
	c.Source, c.Once, c.Hold = layout, f.o.Once, e.hold.Load
	c.Registerer = prometheus.WrapRegistererWith(prometheus.Labels{"source": s.Source.Name, "output": s.Output.Name}, f.o.Registry)
	c.Health = func(h *agent.Health) { e.health.Store(h) }
	if ray, ok := layout.(discover.Ray); ok {
		c.RayRoot = ray.Root
	}
	c.Place, err = f.place(s, layout)
	return c, err
}

// agentConfig is what the specification says of an agent, whatever its files are.
func (s *spec) agentConfig(o *Options, log *slog.Logger) (agent.Config, error) {
	stages, err := s.conf.Program(s.output)
	if err != nil {
		return agent.Config{}, err
	}
	if !s.alone {
		log = log.With("source", s.Source.Name, "output", s.Output.Name)
	}
	target, err := s.output.Target(o.Output, o.Version, log)
	if err != nil {
		return agent.Config{}, err
	}
	c := agent.Config{
		State: s.State, Target: target, Stages: stages, Labels: s.Labels, Metadata: s.Metadata,
		Node: s.Node, PodUID: s.PodUID, Location: s.conf.Timezone,
		DrainTimeout: s.Drain, BatchBytes: s.Size, BatchWait: s.Wait, ScanEvery: s.Scan, Readers: s.Readers,
		MaxOpen: s.Open, Version: o.Version, Logger: log,
	}
	if h := s.output.HTTP(); h != nil {
		c.BatchBytes, c.BatchWait = cmp.Or(int(h.Batch.Bytes), c.BatchBytes), cmp.Or(h.Batch.Wait, c.BatchWait)
		c.MinWait, c.MaxWait = h.Backoff.Min, h.Backoff.Max
		if c.MaxWait == 0 && c.MinWait > 30*time.Second {
			c.MaxWait = c.MinWait
		}
	}
	return c, nil
}
