package desired_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
)

var rewrite = flag.Bool("rewrite", false, "write the files that the tests compare with")

func settings() desired.Settings {
	return desired.Settings{
		Version: "remora-test",
		Agent:   desired.Agent{Image: "remora-agent:test", URL: "http://remora.remora-system:3100"},
	}
}

// load reads a manifest as an API server would hand it out.
func load(t *testing.T, path string) *rayv1.RayCluster {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var c rayv1.RayCluster
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if c.Namespace == "" {
		c.Namespace = "default"
	}
	c.UID = "00000000-0000-0000-0000-000000000001"
	return &c
}

// Each manifest stands for a habit of people who write them; its file below
// testdata/objects is all that is made of it.
func TestObjectsOfManifests(t *testing.T) {
	manifests, err := filepath.Glob("../testdata/manifests/*.yaml")
	if err != nil || len(manifests) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	for _, path := range manifests {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			c := load(t, path)
			before := c.DeepCopy()
			got := render(t, c)
			if diff := cmp.Diff(before.Spec, c.Spec, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
				t.Fatalf("building changed the cluster:\n%s", diff)
			}
			golden := filepath.Join("../testdata/objects", filepath.Base(path))
			if *rewrite {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// render writes what Validate says of a cluster and all its objects.
func render(t *testing.T, c *rayv1.RayCluster) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, f := range c.Validate() {
		b.WriteString("# " + f.Kind + ": " + f.String() + "\n")
	}
	if rayv1.Invalid(c.Validate()) {
		return b.Bytes()
	}
	_, reason, message := desired.Logs(c, settings())
	b.WriteString("# Logs: " + reason + ": " + message + "\n")
	write := func(object any) {
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, "creationTimestamp: null") && !strings.HasPrefix(line, "status: {}") {
				lines = append(lines, line)
			}
		}
		b.WriteString("---\n" + strings.Join(lines, ""))
	}
	objects := reflect.ValueOf(desired.Of(c, settings()))
	for i := range objects.NumField() {
		if !objects.Field(i).IsNil() {
			write(objects.Field(i).Interface())
		}
	}
	write(desired.HeadPod(c, settings()))
	for i := range c.Spec.WorkerGroupSpecs {
		write(desired.WorkerPod(c, &c.Spec.WorkerGroupSpecs[i], desired.Replica{Index: 0, Name: c.Spec.WorkerGroupSpecs[i].GroupName + "-abcde"}, settings()))
	}
	return b.Bytes()
}

func TestEverySelectorFindsItsPods(t *testing.T) {
	c := load(t, "../testdata/manifests/everything.yaml")
	c.Spec.HeadGroupSpec.Template.Labels["app.kubernetes.io/name"] = "mine"
	head := desired.HeadPod(c, settings())
	for key, value := range desired.Of(c, settings()).HeadService.Spec.Selector {
		if head.Labels[key] != value {
			t.Errorf("the head's Service selects %s=%s, its pod has %q", key, value, head.Labels[key])
		}
	}
}

func TestGraceOfPods(t *testing.T) {
	for _, test := range []struct {
		own  *int64
		wait string
		want int64
	}{
		{nil, "", 45},
		{nil, "20s", 50},
		{ptr(10), "", 25},
		{ptr(40), "", 55},
		{ptr(45), "", 45},
		{ptr(600), "1m", 600},
	} {
		c := load(t, "../testdata/manifests/hosts.yaml")
		c.Spec.HeadGroupSpec.Template.Spec.TerminationGracePeriodSeconds = test.own
		c.Spec.Logs = &rayv1.LogsSpec{WaitForLogs: test.wait}
		if got := desired.HeadPod(c, settings()).Spec.TerminationGracePeriodSeconds; got == nil || *got != test.want {
			t.Errorf("a pod with %v s of its own and waitForLogs %q gets %v s, want %d", test.own, test.wait, got, test.want)
		}
	}
}

func TestTheAgentStaysOutOfContainerStatuses(t *testing.T) {
	c := load(t, "../testdata/manifests/everything.yaml")
	for _, pod := range []*corev1.Pod{desired.HeadPod(c, settings()), desired.WorkerPod(c, &c.Spec.WorkerGroupSpecs[0], desired.Replica{}, settings())} {
		agent := pod.Spec.InitContainers[0]
		if agent.Name != desired.AgentName || agent.RestartPolicy == nil || *agent.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			t.Errorf("the first init container is %s, restarted %v; want the agent, always", agent.Name, agent.RestartPolicy)
		}
		if pod.Spec.Containers[0].Name != "ray" {
			t.Errorf("the first container is %s, want the user's", pod.Spec.Containers[0].Name)
		}
	}
}

func TestHashTellsPodsApart(t *testing.T) {
	c := load(t, "../testdata/manifests/article-ray-cluster.yaml")
	before := desired.SpecHash(&c.Spec)
	*c.Spec.WorkerGroupSpecs[0].Replicas = 7
	c.Spec.WorkerGroupSpecs[0].ScaleStrategy.WorkersToDelete = []string{"a"}
	if desired.SpecHash(&c.Spec) != before {
		t.Error("scaling changes the hash: every pod would be made anew")
	}
	c.Spec.NetworkPolicy = &rayv1.NetworkPolicyOptions{}
	if desired.SpecHash(&c.Spec) != before {
		t.Error("a network policy changes the hash: every pod would be made anew")
	}
	c.Spec.HeadGroupSpec.Template.Spec.Containers[0].Image = "rayproject/ray:2.60.0"
	if desired.SpecHash(&c.Spec) == before {
		t.Error("another image does not change the hash: Recreate would do nothing")
	}
}

func ptr(n int64) *int64 { return &n }
