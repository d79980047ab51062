// Command generate writes what is made from the types of api/rayv1: the deep copies
// beside them, the definitions in deploy/kubernetes/crds, and docs/raycluster.md. It runs in the directory
// of the types; -out DIR writes all into DIR instead.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const header = "# Made from api/rayv1 by go generate ./api/rayv1.\n"

func main() {
	out := flag.String("out", "", "write all into this directory")
	flag.Parse()
	code, crds, docs := ".", "../../deploy/kubernetes/crds", "../../docs"
	if *out != "" {
		code, crds, docs = *out, *out, *out
	}
	err := run(code, crds)
	if err == nil {
		err = reference(filepath.Join(docs, "raycluster.md"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(code, crds string) error {
	tmp, err := os.MkdirTemp("", "crds")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	gen := exec.Command("go", "tool", "controller-gen",
		"object", "crd:maxDescLen=0,generateEmbeddedObjectMeta=true,allowDangerousTypes=true", "paths=.",
		"output:object:dir="+code, "output:crd:dir="+tmp)
	if text, err := gen.CombinedOutput(); err != nil {
		return fmt.Errorf("controller-gen: %w\n%s", err, text)
	}
	files, err := filepath.Glob(filepath.Join(tmp, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := finish(file)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		if err := os.WriteFile(filepath.Join(crds, filepath.Base(file)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// finish adds to a definition what controller-gen has no words for: v1alpha1 with the
// schema of v1, and a container's fsGroup.
func finish(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		return nil, err
	}
	delete(crd.Annotations, "controller-gen.kubebuilder.io/version")
	v1 := &crd.Spec.Versions[0]
	keepFSGroup(v1.Schema.OpenAPIV3Schema, "")
	if crd.Spec.Names.Kind != "RayCronJob" {
		old := v1.DeepCopy()
		old.Name, old.Storage, old.Deprecated = "v1alpha1", false, true
		crd.Spec.Versions = append(crd.Spec.Versions, *old)
	}
	made, err := yaml.Marshal(crd)
	if err != nil {
		return nil, err
	}
	made, _, _ = bytes.Cut(made, []byte("status:\n  acceptedNames:")) // the API server's own
	return append([]byte(header), made...), nil
}

// keepFSGroup gives the securityContext of every container below s an fsGroup, which
// an API server would drop from what a user writes.
func keepFSGroup(s *apiextensionsv1.JSONSchemaProps, name string) {
	if name == "containers" && s.Items != nil && s.Items.Schema != nil {
		if security, ok := s.Items.Schema.Properties["securityContext"]; ok {
			security.Properties["fsGroup"] = apiextensionsv1.JSONSchemaProps{Type: "integer", Format: "int64"}
		}
	}
	for key := range s.Properties {
		child := s.Properties[key]
		keepFSGroup(&child, key)
		s.Properties[key] = child
	}
	if s.Items != nil && s.Items.Schema != nil {
		keepFSGroup(s.Items.Schema, "")
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		keepFSGroup(s.AdditionalProperties.Schema, "")
	}
}
