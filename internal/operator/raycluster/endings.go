package raycluster

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/remora-ray/remora/internal/operator/desired"
)

// endings remember how the agents of pods that are no more ended. By the time a cluster
// is looked at the pod may be gone.
type endings struct {
	mu   sync.Mutex
	seen map[types.UID]time.Time                  // pods that are counted
	told map[types.NamespacedName]map[string]bool // what is to be told of a cluster
}

// rememberFor is longer than a pod that has ended is heard of again.
const rememberFor = 10 * time.Minute

// note reports what the agent of a pod left unsent at its end, and how many bytes as far
// as it said; empty: nothing, or that was told before.
func (e *endings) note(pod *corev1.Pod, now time.Time) (message string, bytes float64) {
	words := unsent(pod)
	if words == "" {
		return "", 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen == nil {
		e.seen, e.told = map[types.UID]time.Time{}, map[types.NamespacedName]map[string]bool{}
	}
	for uid, at := range e.seen {
		if now.Sub(at) > rememberFor {
			delete(e.seen, uid)
		}
	}
	if _, again := e.seen[pod.UID]; again {
		return "", 0
	}
	e.seen[pod.UID] = now
	message = "pod " + pod.Name + ": " + words
	key := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Labels[desired.LabelCluster]}
	if e.told[key] == nil {
		e.told[key] = map[string]bool{}
	}
	const most = 5 // more pods tell a reader nothing more
	if len(e.told[key]) < most {
		e.told[key][message] = true
	}
	return message, bytesIn(words)
}

var unacknowledged = regexp.MustCompile(`\b([0-9]{1,15}) bytes are not acknowledged`)

// bytesIn is how many bytes the last words of an agent speak of, all its outputs together.
func bytesIn(words string) (sum float64) {
	for _, found := range unacknowledged.FindAllStringSubmatch(words, -1) {
		if n, err := strconv.ParseFloat(found[1], 64); err == nil {
			sum += n
		}
	}
	return sum
}

// of is what is to be told of a cluster.
func (e *endings) of(cluster types.NamespacedName) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for message := range e.told[cluster] {
		all = append(all, message)
	}
	return all
}

// forget what was told of a cluster, or of one that is gone.
func (e *endings) forget(cluster types.NamespacedName) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.told, cluster)
}

// unsent is what the agent of a pod that has ended, or is ending, said last if it could
// not deliver everything. One that failed in a pod that goes on is started again and
// goes on too.
func unsent(pod *corev1.Pod) string {
	over := pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
	if !over {
		return ""
	}
	for _, c := range pod.Status.InitContainerStatuses {
		if c.Name != desired.AgentName || c.State.Terminated == nil || c.State.Terminated.ExitCode == 0 {
			continue
		}
		var said []string // a line for each output
		for line := range strings.Lines(c.State.Terminated.Message) {
			if strings.Contains(line, "not everything was delivered") {
				said = append(said, strings.TrimSpace(line))
			}
		}
		if len(said) == 0 {
			return fmt.Sprintf("the agent was ended with exit status %d: what it had not sent is not known", c.State.Terminated.ExitCode)
		}
		return brief(strings.Join(said, "; "))
	}
	return ""
}
