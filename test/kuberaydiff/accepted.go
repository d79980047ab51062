package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"sigs.k8s.io/yaml"
)

// absent stands for a field, or an object, that a side does not have.
const absent = "absent"

// entry is a difference that is meant. All patterns match whole texts; an empty one
// matches anything.
type entry struct {
	Name      string `json:"name"`
	Reason    string `json:"reason"`
	Manifests string `json:"manifests"`
	Moment    string `json:"moment"` // such as "step 1, pods made"
	Kind      string `json:"kind"`
	Object    string `json:"object"` // its name
	Field     string `json:"field"`  // whole: the object itself
	KubeRay   string `json:"kuberay"`
	Remora    string `json:"remora"`

	// Same says that nothing else may differ: with Same put by With in Remora's value the
	// two are equal.
	Same string `json:"same"`
	With string `json:"with"`

	patterns []*regexp.Regexp
	same     *regexp.Regexp
	matched  int
}

func loadAccepted(file string) ([]*entry, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []*entry
	if err := yaml.UnmarshalStrict(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	seen := map[string]bool{}
	for i, e := range all {
		if e.Name == "" || e.Reason == "" || e.Field == "" || seen[e.Name] {
			return nil, fmt.Errorf("%s: entry %d (%q) needs a name of its own, a reason and a field", file, i+1, e.Name)
		}
		seen[e.Name] = true
		if err := e.compile(); err != nil {
			return nil, fmt.Errorf("%s: entry %s: %w", file, e.Name, err)
		}
	}
	return all, nil
}

func (e *entry) compile() error {
	var errs []error
	for _, pattern := range []string{e.Manifests, e.Moment, e.Kind, e.Object, e.Field, e.KubeRay, e.Remora} {
		if pattern == "" {
			pattern = ".*"
		}
		compiled, err := regexp.Compile(`(?s)^(?:` + pattern + `)$`)
		e.patterns = append(e.patterns, compiled)
		errs = append(errs, err)
	}
	if e.Same != "" {
		compiled, err := regexp.Compile(e.Same)
		e.same = compiled
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// names reports whether the entry names d.
func (e *entry) names(d *difference) bool {
	for i, value := range []string{d.manifest, d.moment, d.kind, d.object, d.field, d.theirs, d.ours} {
		if !e.patterns[i].MatchString(value) {
			return false
		}
	}
	return e.same == nil || e.same.ReplaceAllString(d.ours, e.With) == d.theirs
}
