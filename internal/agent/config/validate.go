package config

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/logs"
)

// A source's or output's name is part of a directory's name and a metric's label.
var nameOf = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

// checker finds what is wrong with a Config beside what the decoder saw.
type checker struct{ *decoder }

// wrong tells what is wrong with the key or item at a path.
func (k checker) wrong(path, format string, args ...any) {
	if len(k.errs) >= maxErrors {
		return
	}
	e := &Error{Msg: path + ": " + k.expand.mask(fmt.Sprintf(format, args...))}
	for at := path; at != ""; at = at[:max(0, strings.LastIndexAny(at, ".["))] {
		if p, ok := k.places[at]; ok {
			e.File, e.Line, e.Column = k.file, p.Line, p.Column
			break
		}
	}
	k.errs = append(k.errs, e)
}

// missing tells of what must be given and is not.
func (k checker) missing(msg string) {
	k.errs = append(k.errs, &Error{File: k.file, Msg: msg})
}

// validate fills in names and defaults, and names all that is wrong.
func (k checker) validate(c *Config) {
	k.settings(c)
	if len(c.Sources) == 0 {
		c.Sources = []Source{{Name: "ray", Ray: &Ray{}}}
	}
	if len(c.Outputs) == 0 && !slices.Contains(k.broken, "outputs") {
		k.missing("no output is named: give outputs in the file, --url http://HOST:PORT, or --url - for standard output")
	}
	k.sources(c)
	k.outputs(c)
	k.routes(c)
	k.pipelines(c)
}

func (k checker) settings(c *Config) {
	if c.State == "" && !slices.Contains(k.broken, "state") {
		k.missing("no state directory is named: give state in the file or --state DIR")
	}
	if t := c.NodeType; t != "" && t != "head" && t != "worker" {
		k.wrong("node_type", "%q is neither head nor worker", t)
	}
	for _, x := range []struct {
		key string
		n   int64
		min int64
	}{
		{"max_open_files", int64(c.MaxOpenFiles), 8},
		{"batch_bytes", int64(c.BatchBytes), 1 << 10},
		{"scan_interval", int64(c.ScanInterval), 1},
		{"drain_timeout", int64(c.DrainTimeout), 1},
		{"batch_wait", int64(c.BatchWait), 1},
		{"readers", int64(c.Readers), 0},
		{"hold_bytes", int64(c.HoldBytes), 0},
	} {
		if x.n < x.min {
			k.wrong(x.key, "too small: at least %d", x.min)
		}
	}
	if c.BatchBytes > 64<<20 {
		k.wrong("batch_bytes", "too large: at most 64MiB")
	}
	if c.Readers > 64 {
		k.wrong("readers", "too large: at most 64")
	}
}

// name checks a name and makes one of the kind where there is none.
func (k checker) name(what string, name *string, kind string, seen map[string]bool) {
	if *name == "" {
		*name = kind
	}
	switch {
	case *name == "":
	case !nameOf.MatchString(*name):
		k.wrong(what+".name", "%q must be letters, digits, - and _, at most 63", *name)
	case seen[*name]:
		k.wrong(what+".name", "%q is there twice: give each a name of its own", *name)
	}
	seen[*name] = true
}

// isBroken reports whether something below a path has been told already: what else
// seems wrong there may come from that.
func (k checker) isBroken(path string) bool {
	return slices.ContainsFunc(k.broken, func(b string) bool { return strings.HasPrefix(b, path+".") })
}

// one names the kind that is set, the only one.
func (k checker) one(what string, kinds []string, set []bool) string {
	var found []string
	for i, is := range set {
		if is {
			found = append(found, kinds[i])
		}
	}
	if len(found) != 1 && (len(found) > 1 || !k.isBroken(what)) {
		k.wrong(what, "give exactly one of %s, %s, %s", kinds[0], kinds[1], kinds[2])
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

func (k checker) sources(c *Config) {
	seen := map[string]bool{}
	for i := range c.Sources {
		s := &c.Sources[i]
		what := fmt.Sprintf("sources[%d]", i)
		kind := k.one(what, []string{"ray", "files", "containers"}, []bool{s.Ray != nil, s.Files != nil, s.Containers != nil})
		k.name(what, &s.Name, kind, seen)
		switch kind {
		case "ray":
			k.rayDirs(what+".ray", s)
			if s.Ray.Volumes != "" {
				or(&s.Ray.Root, kubeletPods)
			}
			or(&s.Ray.Root, "/tmp/ray")
			if _, err := path.Match(s.Ray.Volumes, ""); err != nil || strings.Contains(s.Ray.Volumes, "/") {
				k.wrong(what+".ray.volumes", "%q is not the name of a volume or a pattern such as ray-*", s.Ray.Volumes)
			}
		case "files":
			or(&s.Files.Component, "other")
		case "containers":
			or(&s.Containers.Root, discover.PodsRoot)
		default:
			continue
		}
		if k.isBroken(what) {
			continue
		}
		if _, err := s.Layout(); err != nil {
			k.each(what+"."+kind, err)
		}
	}
}

// rayDirs checks where the sessions of several pods lie.
func (k checker) rayDirs(what string, s *Source) {
	r := s.Ray
	switch {
	case r.Dirs != "" && r.Volumes != "":
		k.wrong(what+".dirs", "give volumes or dirs, not both")
	case r.Dirs != "" && (!doublestar.ValidatePattern(r.Dirs) || path.Clean(r.Dirs) != r.Dirs || strings.HasPrefix(r.Dirs, "/") || strings.Contains(r.Dirs, "**")):
		k.wrong(what+".dirs", "%q is not a pattern below root such as * or */ray-*", r.Dirs)
	}
	if r.PodTenants && s.Pods() == PodsNone {
		k.wrong(what+".pod_tenants", "whose the files are is not known: give volumes, dirs or pods too")
	}
}

func (k checker) outputs(c *Config) {
	seen := map[string]bool{}
	for i := range c.Outputs {
		o := &c.Outputs[i]
		what := fmt.Sprintf("outputs[%d]", i)
		kind := k.one(what, []string{"remora", "loki", "stdout"}, []bool{o.Remora != nil, o.Loki != nil, o.Stdout != nil})
		k.name(what, &o.Name, kind, seen)
		if kind == "" || k.isBroken(what) {
			continue
		}
		if err := o.check(); err != nil {
			k.each(what+"."+kind, err)
		}
	}
}

// routes checks which sources go to which outputs.
func (k checker) routes(c *Config) {
	var names []string
	for i := range c.Sources {
		names = append(names, c.Sources[i].Name)
	}
	for i := range c.Outputs {
		for j, name := range c.Outputs[i].Sources {
			if name != Stdin && !slices.Contains(names, name) {
				k.wrong(fmt.Sprintf("outputs[%d].sources[%d]", i, j), "no source has the name %q, %s", name, hint(name, names))
			}
		}
	}
	if len(c.Outputs) == 0 || len(k.errs) > 0 {
		return
	}
	for i, name := range names {
		if !slices.ContainsFunc(c.Outputs, func(o Output) bool { return o.Takes(name) }) {
			k.wrong(fmt.Sprintf("sources[%d]", i), "no output takes its lines: name %q in the sources of one", name)
		}
	}
}

// pipelines compiles all stages, those of each output by themselves first.
func (k checker) pipelines(c *Config) {
	right := k.pipeline("pipeline", c.Pipeline)
	for i := range c.Outputs {
		o := &c.Outputs[i]
		if len(o.Pipeline) == 0 {
			continue
		}
		path := fmt.Sprintf("outputs[%d].pipeline", i)
		if k.pipeline(path, o.Pipeline) && right {
			k.pipeline(path, slices.Concat(c.Pipeline, o.Pipeline)) // together there may be too many
		}
	}
}

// each tells of joined errors about what is at a path. An error that begins with the
// name of an option is told of that option's place.
func (k checker) each(path string, err error) {
	for _, err := range each(err) {
		name, rest, _ := strings.Cut(err.Error(), " ")
		name = strings.TrimSuffix(name, ":")
		if _, ok := k.places[path+"."+name]; ok {
			k.wrong(path+"."+name, "%s", rest)
		} else {
			k.wrong(path, "%v", err)
		}
	}
}

// each takes joined errors apart.
func each(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, each(e)...)
		}
		return all
	}
	return []error{err}
}

func or[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// AddedTo are labels and those that a source adds, which win.
func AddedTo(all, own logs.Labels) logs.Labels {
	return logs.Normalize(slices.Concat(all, own))
}
