package main

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/remora-ray/remora/api/rayv1"
)

func everyManifest(t *testing.T) []*manifest {
	t.Helper()
	all, err := loadManifests("manifests", regexp.MustCompile("."))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A field that no manifest uses is compared nowhere.
func TestManifestsUseEveryField(t *testing.T) {
	all := everyManifest(t)
	if len(all) < 60 {
		t.Errorf("%d manifests, want 60 and more", len(all))
	}
	used := map[string]bool{}
	for _, m := range all {
		for _, step := range m.steps {
			if last := step[len(step)-1]; last.GetKind() == "RayCluster" {
				use(used, "spec", last.Object["spec"])
			}
		}
	}
	fields := map[string]bool{}
	known(fields, "spec", reflect.TypeFor[rayv1.RayClusterSpec]())
	if len(fields) < 80 {
		t.Fatalf("the types have %d fields: they are not read right", len(fields))
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if !used[field] {
			t.Errorf("no manifest uses %s", field)
		}
	}
}

// known gathers the fields of a type of ours. Types of Kubernetes are one field each.
func known(to map[string]bool, path string, t reflect.Type) {
	switch t.Kind() {
	case reflect.Map:
		if slices.Contains(keyed, path) {
			path += ".*"
		}
		known(to, path, t.Elem())
		return
	case reflect.Pointer, reflect.Slice:
		known(to, path, t.Elem())
		return
	case reflect.Struct:
		if t.PkgPath() == reflect.TypeFor[rayv1.RayClusterSpec]().PkgPath() {
			break
		}
		fallthrough
	default:
		to[path] = true
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && name != "" && name != "-" {
			known(to, path+"."+name, f.Type)
		}
	}
}

// keyed are maps whose keys are no fields.
var keyed = []string{"spec.networkPolicy.workerGroups"}

// use gathers the fields of a value that are set; elements of lists stand for their list.
func use(to map[string]bool, path string, value any) {
	to[path] = to[path] || value != nil
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if slices.Contains(keyed, path) {
				key = "*"
			}
			use(to, path+"."+key, inner)
		}
	case []any:
		for _, inner := range v {
			use(to, path, inner)
		}
	}
}

func TestManifestsUseEveryAnnotation(t *testing.T) {
	used := map[string]bool{}
	for _, m := range everyManifest(t) {
		for _, step := range m.steps {
			for key := range step[len(step)-1].GetAnnotations() {
				used[key] = true
			}
		}
	}
	for _, key := range []string{
		rayv1.AnnotationFTEnabled, rayv1.AnnotationStorageName, rayv1.AnnotationOverwriteCmd, rayv1.AnnotationServeService,
		rayv1.AnnotationFTTimeout, rayv1.AnnotationNoHeadRestart, "kubernetes.io/ingress.class",
	} {
		if !used[key] {
			t.Errorf("no manifest uses the annotation %s", key)
		}
	}
}

// What is compared is what a manifest says, so it must be a RayCluster that can be read,
// unless its name says that something is wrong with it.
func TestManifestsAreReadable(t *testing.T) {
	for _, m := range everyManifest(t) {
		for _, step := range m.steps {
			last := step[len(step)-1]
			if last.GetKind() != "RayCluster" {
				continue
			}
			text, err := yaml.Marshal(last.Object)
			if err != nil {
				t.Fatal(err)
			}
			var c rayv1.RayCluster
			if err := yaml.UnmarshalStrict(text, &c); err != nil && !strings.HasPrefix(m.name, "wrong-") {
				t.Errorf("%s: %v", m.name, err)
			}
		}
	}
}

func TestAcceptedIsRead(t *testing.T) {
	all, err := loadAccepted("accepted.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Manifests == "" && e.Kind == "" && e.Object == "" && e.Field == ".*" {
			t.Errorf("entry %s accepts anything", e.Name)
		}
	}
}

func objects(t *testing.T, text string) []unstructured.Unstructured {
	t.Helper()
	var all []unstructured.Unstructured
	for _, document := range between.Split(text, -1) {
		var o unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

const one = `kind: RayCluster
metadata: {name: c, uid: 11111111-a}
status: {head: {podName: c-head-abcde, serviceIP: 10.0.0.7}, endpoints: {dashboard: "31234", metrics: "8080"}, lastUpdateTime: "2026-01-01T00:00:00Z"}
---
kind: Service
metadata: {name: svc, resourceVersion: "7"}
spec: {clusterIP: 10.0.0.7, ports: [{name: dashboard, nodePort: 31234}]}
---
kind: Pod
metadata: {name: c-head-abcde, generateName: c-head-, ownerReferences: [{kind: RayCluster, uid: 11111111-a}]}
spec: {containers: [{name: ray, env: [{name: A, value: "1"}, {name: NS, value: 11111111-a}, {name: A, value: "2"}]}]}
---
kind: Secret
metadata: {name: s}
data: {auth_token: QUFFQ0F3UUZCZ2NJQ1FvTERBME9Edz09}
`

// What no operator decides must not differ, and what one decides must.
func TestNormal(t *testing.T) {
	another := strings.NewReplacer("c-head-abcde", "c-head-vwxyz", "11111111-a", "22222222-b", "10.0.0.7", "10.0.0.9", "31234", "30001",
		"2026-01-01", "2026-02-02", `"7"`, `"8"`, "QUFFQ0F3UUZCZ2NJQ1FvTERBME9Edz09", "QkFFQ0F3UUZCZ2NJQ1FvTERBME9Edz09").Replace(one)
	if found := newReport(nil, "").differences(normal(objects(t, one)), normal(objects(t, another))); len(found) > 0 {
		t.Errorf("objects that mean the same differ: %+v", found)
	}
	for _, change := range []struct{ from, to, field string }{
		{`{name: A, value: "2"}`, `{name: A, value: "3"}`, "spec.containers[ray].env[A].value"},
		{"name: ray,", "name: ray, image: x,", "spec.containers[ray].image"},
		{`metrics: "8080"`, `metrics: "8081"`, "status.endpoints.metrics"},
		{"uid: 11111111-a}]", "uid: 33333333-c}]", "metadata.ownerReferences[0].uid"},
		{"{name: c-head-abcde, generateName", "{name: mine, generateName", whole},
	} {
		if !strings.Contains(one, change.from) {
			t.Fatalf("nothing to change: %s", change.from)
		}
		found := newReport(nil, "").differences(normal(objects(t, one)), normal(objects(t, strings.Replace(one, change.from, change.to, 1))))
		if !slices.ContainsFunc(found, func(d difference) bool { return d.field == change.field }) {
			t.Errorf("%s → %s: found %+v, want a difference of %s", change.from, change.to, found, change.field)
		}
	}
}

func TestAReportCountsAndNames(t *testing.T) {
	e := &entry{Name: "n", Reason: "r", Kind: "Pod", Field: "spec\\.a", KubeRay: "1", Remora: absent}
	idle := &entry{Name: "idle", Reason: "r", Field: "x"}
	for _, e := range []*entry{e, idle} {
		if err := e.compile(); err != nil {
			t.Fatal(err)
		}
	}
	r := newReport([]*entry{e}, "")
	r.add(difference{kind: "Pod", field: "spec.a", theirs: "1", ours: absent})
	var out strings.Builder
	if !r.print(&out, 10, true) {
		t.Errorf("a difference with a name fails:\n%s", out.String())
	}
	r.add(difference{kind: "Pod", field: "spec.a", theirs: "12", ours: absent})
	if r.print(&out, 10, true) || !strings.Contains(out.String(), "1 different with a name, 1 without") {
		t.Errorf("a difference without a name passes:\n%s", out.String())
	}
	if newReport([]*entry{idle}, "").print(&out, 10, true) || !strings.Contains(out.String(), "match nothing") {
		t.Errorf("an entry that matches nothing passes:\n%s", out.String())
	}
}
