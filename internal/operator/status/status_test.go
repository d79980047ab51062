package status_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
	"github.com/remora-ray/remora/internal/operator/status"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func cluster() *rayv1.RayCluster {
	containers := corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "ray"}}}}
	one, ten := int32(1), int32(10)
	return &rayv1.RayCluster{
		ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: "default", Generation: 3},
		Spec: rayv1.RayClusterSpec{
			HeadGroupSpec:    rayv1.HeadGroupSpec{Template: containers},
			WorkerGroupSpecs: []rayv1.WorkerGroupSpec{{GroupName: "a", Replicas: &one, MinReplicas: &one, MaxReplicas: &ten, NumOfHosts: 1, Template: containers}},
		},
	}
}

func pod(kind string, ready bool) *corev1.Pod {
	state := corev1.ConditionFalse
	if ready {
		state = corev1.ConditionTrue
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: kind, Labels: map[string]string{desired.LabelNodeType: kind, desired.LabelGroup: "a"}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: state}}},
	}
}

// after gives a cluster the status that it has once pods are as they are.
func after(t *testing.T, c *rayv1.RayCluster, now time.Time, pods ...*corev1.Pod) bool {
	t.Helper()
	s, differs := status.Of(c, status.Seen{Pods: pods, Found: c.Validate(), Logs: status.Logs{Reason: "NoServer"}, Now: now})
	c.Status = s
	return differs
}

func TestStateTellsWhatIs(t *testing.T) {
	c := cluster()
	after(t, c, noon, pod("head", true))
	if c.Status.State != "" || !strings.Contains(c.Status.Reason, "0 of 1 workers") {
		t.Errorf("without its worker the state is %q: %s", c.Status.State, c.Status.Reason)
	}
	after(t, c, noon, pod("head", true), pod("worker", true))
	if c.Status.State != rayv1.StateReady || !meta.IsStatusConditionTrue(c.Status.Conditions, rayv1.ConditionProvisioned) {
		t.Errorf("with all pods ready the state is %q", c.Status.State)
	}
	after(t, c, noon, pod("worker", true))
	if c.Status.State != "" || meta.IsStatusConditionTrue(c.Status.Conditions, rayv1.ConditionHeadPodReady) {
		t.Errorf("after the head died the state is %q", c.Status.State)
	}
	if !meta.IsStatusConditionTrue(c.Status.Conditions, rayv1.ConditionProvisioned) {
		t.Error("that the cluster was provisioned once is forgotten")
	}
}

func TestAStatusIsWrittenOnlyWhenItDiffers(t *testing.T) {
	c := cluster()
	if !after(t, c, noon, pod("head", true), pod("worker", true)) {
		t.Error("a first status does not differ from none")
	}
	if after(t, c, noon.Add(time.Hour), pod("head", true), pod("worker", true)) {
		t.Error("an hour later the same pods make another status")
	}
}

func TestSuspensionIsOnRecordBeforePodsGo(t *testing.T) {
	c := cluster()
	asked := true
	c.Spec.Suspend = &asked
	after(t, c, noon, pod("head", true))
	if !meta.IsStatusConditionTrue(c.Status.Conditions, rayv1.ConditionSuspending) || c.Status.State != "" {
		t.Fatalf("suspending is not on record: %v", c.Status.Conditions)
	}
	asked = false // by then it goes through with it
	after(t, c, noon)
	if c.Status.State != rayv1.StateSuspended {
		t.Errorf("with all pods gone the state is %q", c.Status.State)
	}
	after(t, c, noon)
	after(t, c, noon, pod("head", true), pod("worker", true))
	if c.Status.State != rayv1.StateReady {
		t.Errorf("resumed, the state is %q", c.Status.State)
	}
}

func TestTroublesAreConditions(t *testing.T) {
	waiting := func(reason, message string) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "ray", Image: "i", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}}
	}
	for _, test := range []struct {
		status corev1.PodStatus
		kind   string
		says   string
	}{
		{waiting("ImagePullBackOff", "no such tag"), status.ImagePullFailed, "no such tag"},
		{waiting("CreateContainerConfigError", `secret "s" not found`), status.ConfigMissing, `secret "s" not found`},
		{waiting("CrashLoopBackOff", "back-off 5m0s restarting"), status.CrashLooping, "restarting"},
		{corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes: insufficient nvidia.com/gpu"}}}, status.Unschedulable, "insufficient nvidia.com/gpu"},
		{corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "ray", LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled"}}}}}, status.OOMKilled, "memory"},
	} {
		c := cluster()
		bad := pod("worker", false)
		bad.Status = test.status
		after(t, c, noon, pod("head", true), bad)
		got := meta.FindStatusCondition(c.Status.Conditions, test.kind)
		if got == nil || !strings.Contains(got.Message, test.says) || !strings.Contains(got.Message, "group a") || !strings.Contains(c.Status.Reason, test.says) {
			t.Errorf("%s: condition %v, reason %q; want them to say %q", test.kind, got, c.Status.Reason, test.says)
		}
		after(t, c, noon, pod("head", true), pod("worker", true))
		if got := meta.FindStatusCondition(c.Status.Conditions, test.kind); got != nil {
			t.Errorf("%s is told after it is over", test.kind)
		}
	}
}

// The kubelet's words about a crash loop change with every try; the status must not.
func TestACrashLoopIsWrittenOnce(t *testing.T) {
	c := cluster()
	loop := func(after string) *corev1.Pod {
		p := pod("worker", false)
		p.UID = "u"
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "ray", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
			Reason: "CrashLoopBackOff", Message: "back-off " + after + " restarting failed container=ray pod=worker_default(u)",
		}}}}
		return p
	}
	after(t, c, noon, pod("head", true), loop("10s"))
	if after(t, c, noon, pod("head", true), loop("20s")) {
		t.Errorf("the next try is written: %v", meta.FindStatusCondition(c.Status.Conditions, status.CrashLooping))
	}
}
