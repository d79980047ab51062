package status

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/remora-ray/remora/internal/operator/desired"
)

// Conditions that tell what keeps pods from running. One that is not there is no trouble.
const (
	ImagePullFailed = "ImagePullFailed"
	ConfigMissing   = "PodConfigMissing" // a Secret or ConfigMap, or a key of it
	Unschedulable   = "PodsUnschedulable"
	OOMKilled       = "PodsOOMKilled"
	CrashLooping    = "PodsCrashLooping"
)

var troubles = []string{ImagePullFailed, ConfigMissing, Unschedulable, OOMKilled, CrashLooping}

// waits are the words of the kubelet for why a container does not start.
var waits = map[string]string{
	"ErrImagePull": ImagePullFailed, "ImagePullBackOff": ImagePullFailed, "InvalidImageName": ImagePullFailed,
	"ErrImageNeverPull": ImagePullFailed, "ImageInspectError": ImagePullFailed, "RegistryUnavailable": ImagePullFailed,
	"CreateContainerConfigError": ConfigMissing,
	"CrashLoopBackOff":           CrashLooping, "RunContainerError": CrashLooping, "CreateContainerError": CrashLooping,
}

// trouble is what keeps some pods from running, in somebody else's words.
type trouble struct {
	kind, group, words string
}

func (t *teller) troubles() {
	count := map[trouble]int{}
	var order []trouble
	for _, pod := range t.seen.Pods {
		if pod.DeletionTimestamp != nil {
			continue
		}
		for _, found := range troublesOf(pod) {
			if count[found]++; count[found] == 1 {
				order = append(order, found)
			}
		}
	}
	slices.SortStableFunc(order, func(a, b trouble) int { return strings.Compare(a.group, b.group) })
	for _, kind := range troubles {
		var told []string
		const most = 5 // of different words; more would tell a reader nothing
		for _, found := range order {
			if found.kind == kind && len(told) < most {
				told = append(told, fmt.Sprintf("%d of group %s: %s", count[found], found.group, found.words))
			}
		}
		if len(told) == 0 {
			meta.RemoveStatusCondition(&t.s.Conditions, kind)
			continue
		}
		t.set(kind, true, "PodsFail", strings.Join(told, "; "))
	}
}

func troublesOf(pod *corev1.Pod) []trouble {
	var found []trouble
	group := pod.Labels[desired.LabelGroup]
	add := func(kind, format string, args ...any) {
		found = append(found, trouble{kind, group, fmt.Sprintf(format, args...)})
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			add(Unschedulable, "%s", c.Message)
		}
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := c.State.Waiting; w != nil {
			if kind, ok := waits[w.Reason]; ok {
				add(kind, "container %s, image %s: %s: %s", c.Name, c.Image, w.Reason, steady(w.Message, pod))
			}
		}
		for _, end := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
			if end != nil && end.Reason == "OOMKilled" {
				add(OOMKilled, "container %s needs more memory than its limit", c.Name)
				break
			}
		}
	}
	return found
}

// steady takes from the kubelet's words what differs from pod to pod and from minute to
// minute: the status would be written anew for each.
func steady(words string, pod *corev1.Pod) string {
	if rest, ok := strings.CutPrefix(words, "back-off "); ok {
		if _, after, ok := strings.Cut(rest, " "); ok {
			words = "back-off " + after
		}
	}
	for _, own := range []struct{ name, stands string }{{string(pod.UID), "UID"}, {pod.Name, "POD"}} {
		if own.name != "" {
			words = strings.ReplaceAll(words, own.name, own.stands)
		}
	}
	return words
}
