package plan_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
	"github.com/remora-ray/remora/internal/operator/plan"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// one is a cluster with a head and groups of n workers each, at most 10.
func one(t *testing.T, groups ...string) *rayv1.RayCluster {
	t.Helper()
	text, err := os.ReadFile("../testdata/manifests/hosts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c rayv1.RayCluster
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	c.Name, c.Namespace, c.UID = "c", "default", "now"
	template := c.Spec.WorkerGroupSpecs[0]
	c.Spec.WorkerGroupSpecs = nil
	for _, group := range groups {
		g := *template.DeepCopy()
		var n, hosts int32
		if _, err := fmt.Sscanf(strings.ReplaceAll(group, ":", " "), "%s %d %d", &g.GroupName, &n, &hosts); err != nil {
			t.Fatal(err)
		}
		g.Replicas, g.MinReplicas, g.MaxReplicas, g.NumOfHosts = &n, new(int32), new(int32), hosts
		*g.MaxReplicas = 10
		c.Spec.WorkerGroupSpecs = append(c.Spec.WorkerGroupSpecs, g)
	}
	return &c
}

// pod reads "NAME GROUP WORD…"; the group head is the head's. Words: ready, running,
// pending, failed, dying, never, ended, old (of a cluster of this name before),
// on=NODE, replica=NAME, index=N, theirs (made by another operator).
func pod(t *testing.T, line string) *corev1.Pod {
	t.Helper()
	words := strings.Fields(line)
	kind, group := desired.Worker, words[1]
	if group == "head" {
		kind, group = desired.Head, desired.HeadGroup
	}
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: words[0], UID: types.UID(words[0]), CreationTimestamp: metav1.Time{Time: noon},
			Labels:          map[string]string{desired.LabelCluster: "c", desired.LabelNodeType: kind, desired.LabelGroup: group},
			Annotations:     map[string]string{desired.AnnotationVersion: "v"},
			OwnerReferences: []metav1.OwnerReference{{UID: "now", Controller: new(bool)}},
		},
		Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: "ray"}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	*p.OwnerReferences[0].Controller = true
	for _, word := range words[2:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "ready":
			p.Status.Phase = corev1.PodRunning
			p.Spec.NodeName = "well"
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		case "running":
			p.Status.Phase = corev1.PodRunning
			p.Spec.NodeName = "well"
		case "pending":
		case "failed":
			p.Status.Phase = corev1.PodFailed
		case "dying":
			p.DeletionTimestamp = &metav1.Time{Time: noon}
		case "ended":
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "ray", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}}
		case "never":
			p.Spec.RestartPolicy = corev1.RestartPolicyNever
		case "old":
			p.OwnerReferences[0].UID = "before"
		case "on":
			p.Spec.NodeName = value
		case "replica":
			p.Labels[desired.LabelReplicaName] = value
		case "index":
			p.Labels[desired.LabelReplicaIndex] = value
		case "theirs":
			p.Annotations[desired.AnnotationVersion] = "1.6.0"
		default:
			t.Fatalf("unknown word %q", word)
		}
	}
	return p
}

func TestPlan(t *testing.T) {
	suspending := func(c *rayv1.RayCluster) {
		c.Status.Conditions = []metav1.Condition{{Type: rayv1.ConditionSuspending, Status: metav1.ConditionTrue}}
	}
	autoscaling := func(c *rayv1.RayCluster) { c.Spec.EnableInTreeAutoscaling = ptr(true) }
	recreate := func(c *rayv1.RayCluster) {
		c.Spec.UpgradeStrategy = &rayv1.RayClusterUpgradeStrategy{Type: ptr(rayv1.UpgradeRecreate)}
	}
	for _, test := range []struct {
		name   string
		groups []string // NAME:REPLICAS:HOSTS
		change func(*rayv1.RayCluster)
		pods   []string
		want   []string
	}{
		{"a new cluster", []string{"a:2:1"}, nil, nil, []string{"head", "a 0", "a 1"}},
		{"all is there", []string{"a:1:1"}, nil, []string{"h head ready", "a1 a ready"}, nil},
		{"one too few", []string{"a:3:1"}, nil, []string{"h head ready", "a1 a ready index=0", "a2 a ready index=2"}, []string{"a 1"}},
		{"too many: those that do not work go first", []string{"a:1:1"}, nil, []string{"h head ready", "a1 a pending", "a2 a ready", "a3 a running"}, []string{"-a1 Superfluous", "-a3 Superfluous"}},
		{"too many, and Ray scales", []string{"a:1:1"}, autoscaling, []string{"h head ready", "a1 a ready", "a2 a ready"}, nil},
		{"a worker that Ray chose", []string{"a:1:1"}, func(c *rayv1.RayCluster) {
			autoscaling(c)
			c.Spec.WorkerGroupSpecs[0].ScaleStrategy.WorkersToDelete = []string{"a2", "gone"}
		}, []string{"h head ready", "a1 a ready", "a2 a ready"}, []string{"-a2 ChosenByAutoscaler"}},
		{"a worker that failed", []string{"a:1:1"}, nil, []string{"h head ready", "a1 a failed"}, []string{"-a1 Ended", "a 0"}},
		{"a worker whose Ray ended for good", []string{"a:1:1"}, nil, []string{"h head ready", "a1 a ready never ended"}, []string{"-a1 Ended", "a 0"}},
		{"a worker whose Ray starts again", []string{"a:1:1"}, nil, []string{"h head ready", "a1 a running ended"}, nil},
		{"a worker that is dying does not count", []string{"a:1:1"}, nil, []string{"h head ready", "a1 a ready dying"}, []string{"a 0"}},
		{"a worker on a lost node", []string{"a:1:1"}, nil, []string{"h head ready", "a1 a ready on=lost"}, []string{"-a1 NodeLost", "a 0"}},
		{"a worker on a node that is silent for a moment", []string{"a:1:1"}, nil, []string{"h head ready", "a1 a ready on=silent"}, []string{"again in 20s"}},
		{"workers of a cluster of this name before", []string{"a:1:1"}, nil, []string{"h head ready", "a1 a ready old"}, []string{"a 0"}},
		{"a group that is no more", nil, nil, []string{"h head ready", "a1 a ready"}, []string{"-a1 GroupRemoved"}},
		{"a head that failed", nil, nil, []string{"h head failed"}, []string{"-h Ended", "head"}},
		{"a head that is dying still answers", nil, nil, []string{"h head ready dying"}, nil},
		{"a dying head of the cluster before", nil, nil, []string{"h head ready dying old"}, nil},
		{"a head on a lost node goes before another comes", nil, nil, []string{"h head ready on=lost"}, []string{"-h NodeLost by force"}},
		{"a dying head on a lost node", nil, nil, []string{"h head ready dying on=lost"}, []string{"-h NodeLost by force"}},
		{"two heads", nil, nil, []string{"h1 head running", "h2 head ready"}, []string{"-h1 Superfluous"}},
		{"a head that is not to come back", nil, func(c *rayv1.RayCluster) {
			c.Annotations = map[string]string{rayv1.AnnotationNoHeadRestart: "true"}
			c.Status.Conditions = []metav1.Condition{{Type: rayv1.ConditionProvisioned, Status: metav1.ConditionTrue}}
		}, nil, nil},
		{"suspending", []string{"a:1:1"}, suspending, []string{"h head ready", "a1 a ready", "a2 a ready dying"}, []string{"-h Suspended", "-a1 Suspended"}},
		{"to be suspended, which is not on record", []string{"a:1:1"}, func(c *rayv1.RayCluster) { c.Spec.Suspend = ptr(true) }, []string{"h head ready"}, nil},
		{"a group that is suspended", []string{"a:1:1"}, func(c *rayv1.RayCluster) { c.Spec.WorkerGroupSpecs[0].Suspend = ptr(true) }, []string{"h head ready", "a1 a ready"}, []string{"-a1 Superfluous"}},
		{"bounds", []string{"a:20:1"}, func(c *rayv1.RayCluster) { *c.Spec.WorkerGroupSpecs[0].MaxReplicas = 2 }, []string{"h head ready", "a1 a ready index=0"}, []string{"a 1"}},
		{"a replica of two hosts", []string{"a:1:2"}, nil, []string{"h head ready"}, []string{"a 0 r1 host 0", "a 0 r1 host 1"}},
		{"a replica that lost a host", []string{"a:1:2"}, nil, []string{"h head ready", "a1 a ready replica=x index=0"}, []string{"-a1 ReplicaIncomplete", "a 0 r1 host 0", "a 0 r1 host 1"}},
		{"one host of a replica chosen", []string{"a:1:2"}, func(c *rayv1.RayCluster) {
			c.Spec.WorkerGroupSpecs[0].ScaleStrategy.WorkersToDelete = []string{"a1"}
			*c.Spec.WorkerGroupSpecs[0].Replicas = 0
		}, []string{"h head ready", "a1 a ready replica=x", "a2 a ready replica=x"}, []string{"-a1 ChosenByAutoscaler", "-a2 ChosenByAutoscaler"}},
		{"a head from before Recreate was asked for", []string{"a:1:1"}, recreate, []string{"h head ready", "a1 a ready"}, []string{"stamp h"}},
		{"pods of another operator", []string{"a:1:1"}, recreate, []string{"h head ready theirs", "a1 a ready"}, []string{"stamp h"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := one(t, test.groups...)
			if test.change != nil {
				test.change(c)
			}
			seen := plan.Seen{Now: noon, LostSince: func(node string) (time.Time, bool) {
				switch node {
				case "lost":
					return noon.Add(-time.Minute), true
				case "silent":
					return noon.Add(-40 * time.Second), true
				}
				return time.Time{}, false
			}}
			for _, line := range test.pods {
				seen.Pods = append(seen.Pods, pod(t, line))
			}
			names := 0
			got := plan.Of(c, seen, plan.Rules{LostAfter: time.Minute, Version: "v", NewName: func(string) string { names++; return fmt.Sprint("r", names) }})
			if diff := cmp.Diff(test.want, told(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A specification that changed has all pods made anew where the user wants that, and
// nothing of it where not.
func TestRespecified(t *testing.T) {
	for _, strategy := range []rayv1.RayClusterUpgradeType{rayv1.UpgradeRecreate, rayv1.UpgradeNone} {
		c := one(t, "a:1:1")
		c.Spec.UpgradeStrategy = &rayv1.RayClusterUpgradeStrategy{Type: &strategy}
		head := pod(t, "h head ready")
		head.Annotations[desired.AnnotationRecreateHash] = desired.SpecHash(&c.Spec)
		pods := []*corev1.Pod{head, pod(t, "a1 a ready")}
		rules := plan.Rules{LostAfter: time.Minute, Version: "v"}
		if got := told(plan.Of(c, plan.Seen{Pods: pods, Now: noon}, rules)); got != nil {
			t.Errorf("%s, nothing changed: %v", strategy, got)
		}
		c.Spec.HeadGroupSpec.Template.Spec.Containers[0].Image = "other"
		var want []string
		if strategy == rayv1.UpgradeRecreate {
			want = []string{"-h Respecified", "-a1 Respecified"}
		}
		if diff := cmp.Diff(want, told(plan.Of(c, plan.Seen{Pods: pods, Now: noon}, rules))); diff != "" {
			t.Errorf("%s, another image: %s", strategy, diff)
		}
	}
}

// told writes changes in lines.
func told(changes plan.Changes) []string {
	var lines []string
	for _, pod := range changes.Restamp {
		lines = append(lines, "stamp "+pod.Name)
	}
	for _, d := range changes.Delete {
		line := "-" + d.Pod.Name + " " + d.Reason
		if d.Force {
			line += " by force"
		}
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if changes.Head {
		lines = append(lines, "head")
	}
	for _, w := range changes.Workers {
		line := fmt.Sprintf("%s %d", w.Group.GroupName, w.Replica.Index)
		if w.Replica.Name != "" {
			line += fmt.Sprintf(" %s host %d", w.Replica.Name, w.Replica.Host)
		}
		lines = append(lines, line)
	}
	if !changes.Again.IsZero() {
		lines = append(lines, "again in "+changes.Again.Sub(noon).String())
	}
	return lines
}

func ptr[T any](v T) *T { return &v }
