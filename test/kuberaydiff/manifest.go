package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// manifest is what a user does with one cluster, step by step. Its name is that of its
// file, and the namespace that it lives in.
type manifest struct {
	name  string
	steps []step
}

// step ends with a RayCluster that is applied, or with one of the pseudo kinds below;
// what stands before it is applied first.
type step []*unstructured.Unstructured

// Kinds that are not applied but done.
const (
	// kindFail ends the pods of a group: {kind: Fail, group: GROUP, phase: Failed}.
	kindFail = "Fail"
	// kindDelete deletes the cluster: {kind: Delete, name: NAME}.
	kindDelete = "Delete"
)

// ends reports whether an object is the last of its step.
func ends(object *unstructured.Unstructured) bool {
	switch object.GetKind() {
	case "RayCluster", kindFail, kindDelete:
		return true
	}
	return false
}

func loadManifests(dir string, wanted *regexp.Regexp) ([]*manifest, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var all []*manifest
	for _, file := range files {
		m := &manifest{name: strings.TrimSuffix(filepath.Base(file), ".yaml")}
		if !wanted.MatchString(m.name) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if m.steps, err = parseSteps(string(text), m.name); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no manifest in %s has a name that matches %s", dir, wanted)
	}
	return all, nil
}

var between = regexp.MustCompile(`(?m)^---$`)

func parseSteps(text, namespace string) ([]step, error) {
	var steps []step
	var open step
	for _, document := range between.Split(text, -1) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return nil, err
		}
		if object.GetKind() == "" {
			return nil, fmt.Errorf("a document without a kind: %q", document)
		}
		object.SetNamespace(namespace)
		if open = append(open, object); ends(object) {
			steps, open = append(steps, open), nil
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("the last document is a %s, no RayCluster", open[0].GetKind())
	}
	return steps, nil
}
