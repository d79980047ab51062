package raycluster

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/remora-ray/remora/internal/operator/desired"
)

func TestAnAgentThatLeftSomethingIsToldOnce(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	pod := func(exit int32, going bool, message string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "n", UID: "u", Labels: map[string]string{desired.LabelCluster: "c"}}}
		if going {
			p.DeletionTimestamp = &metav1.Time{Time: now}
		}
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: desired.AgentName, State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: exit, Reason: "Error", Message: message},
		}}}
		return p
	}
	var e endings
	for name, p := range map[string]*corev1.Pod{
		"all was delivered":            pod(0, true, "level=INFO msg=ended"),
		"it is started again":          pod(1, false, "not everything was delivered"),
		"no agent, and something else": {ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{Time: now}}},
	} {
		if told, _ := e.note(p, now); told != "" {
			t.Errorf("%s: told %q", name, told)
		}
	}
	said := "a: not everything was delivered within 15s: 1200 bytes are not acknowledged\nb: not everything was delivered within 15s: 34 bytes are not acknowledged"
	told, bytes := e.note(pod(1, true, said), now)
	if !strings.Contains(told, "pod p") || !strings.Contains(told, "within 15s") || bytes != 1234 {
		t.Errorf("told %q, %.0f bytes, want 1234", told, bytes)
	}
	if told, bytes := e.note(pod(1, true, said), now); told != "" || bytes != 0 {
		t.Errorf("told again: %q, %.0f bytes", told, bytes)
	}
	killed := pod(137, true, "level=INFO msg=listening")
	killed.UID = "v"
	if told, _ := e.note(killed, now); !strings.Contains(told, "exit status 137") {
		t.Errorf("of an agent that was killed is told %q", told)
	}
	cluster := types.NamespacedName{Namespace: "n", Name: "c"}
	if all := e.of(cluster); len(all) != 2 {
		t.Errorf("of the cluster is told %q", all)
	}
	e.forget(cluster)
	if all := e.of(cluster); len(all) != 0 {
		t.Errorf("a cluster that is gone is told of: %q", all)
	}
}
