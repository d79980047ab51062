package main

import (
	"io"
	"maps"
	"os"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// kindsWatched are those that the operator has a cache of.
var kindsWatched = []string{
	"ray.io rayclusters", " pods", " nodes", " services", " configmaps", " serviceaccounts", " persistentvolumeclaims",
	"networking.k8s.io ingresses", "networking.k8s.io networkpolicies", "rbac.authorization.k8s.io roles", "rbac.authorization.k8s.io rolebindings",
}

// roles are the rights that a manifest gives, by namespace: "group resource verb", with a
// name behind for those over one object.
func roles(t *testing.T, manifest string) map[string]map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../deploy/kubernetes/" + manifest)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]bool{}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var role rbacv1.Role // as far as it matters a ClusterRole is one without a namespace
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(role.Kind, "Role") {
			continue
		}
		if all[role.Namespace] == nil {
			all[role.Namespace] = map[string]bool{}
		}
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					names := rule.ResourceNames
					if len(names) == 0 {
						names = []string{""}
					}
					for _, name := range names {
						add(all[role.Namespace], rights{group, resource, name, strings.Join(rule.Verbs, " ")})
					}
				}
			}
		}
	}
	return all
}

func add(to map[string]bool, r rights) {
	for verb := range strings.FieldsSeq(r.verbs) {
		right := r.group + " " + r.resource + " " + verb
		if r.name != "" {
			right += " " + r.name
		}
		to[right] = true
	}
}

// given are all rights of the operator of operator.yaml.
func given(w *world) map[string]bool {
	w.Helper()
	all := map[string]bool{}
	for _, role := range roles(w.T, "operator.yaml") {
		maps.Copy(all, role)
	}
	return all
}

func TestManifestsGiveWhatTheOperatorAsksFor(t *testing.T) {
	for _, test := range []struct {
		manifest string
		args     []string
		nodes    bool
	}{
		{"operator.yaml", []string{"--leader-election-namespace=remora-system", "--logs-tokens=remora-system/remora-tokens"}, true},
		{"namespaced.yaml", []string{"--leader-election-namespace=ray", "--watch-namespace=ray", "--logs-tokens=ray/remora-tokens"}, false},
		{"logs-only.yaml", []string{"--logs-only", "--leader-election-namespace=remora-system", "--logs-tokens=remora-system/remora-tokens"}, false},
	} {
		o, err := parse(test.args, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]map[string]bool{}
		places := o.places()
		if test.nodes {
			places = append(places, place{"", []rights{ofNodes}})
		}
		for _, p := range places {
			if want[p.namespace] == nil {
				want[p.namespace] = map[string]bool{}
			}
			for _, r := range p.rights {
				add(want[p.namespace], r)
			}
		}
		have := roles(t, test.manifest)
		for namespace := range want {
			for right := range want[namespace] {
				if !have[namespace][right] {
					t.Errorf("%s, namespace %q: no rule allows %q, which the operator asks for", test.manifest, namespace, strings.TrimSpace(right))
				}
			}
		}
		for namespace := range have {
			for right := range have[namespace] {
				if !want[namespace][right] {
					t.Errorf("%s, namespace %q: a rule allows %q, which the operator does not ask for", test.manifest, namespace, strings.TrimSpace(right))
				}
			}
		}
	}
}
