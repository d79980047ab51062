// Package plan decides which pods of a RayCluster are to be made and which are to go.
// Its one invariant: a decision is a pure function of the cluster, of the pods and
// nodes that were seen, and of the time; it asks nobody and changes nothing.
package plan

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
)

// Seen is what there is of a cluster.
type Seen struct {
	Pods []*corev1.Pod // all that carry the cluster's name, also those of one of this name before
	// LostSince tells of a pod's node since when nothing is heard of it; false: it is well.
	LostSince func(node string) (time.Time, bool)
	Now       time.Time
}

// Rules are settings of the operator that decide what happens to pods.
type Rules struct {
	LostAfter time.Duration // a node unheard of for so long is lost
	Version   string        // of this operator
	NewName   func(group string) string
}

// Why a pod goes; the reason of its event.
const (
	Suspended    = "Suspended"
	Respecified  = "Respecified"
	Ended        = "Ended"
	Superfluous  = "Superfluous"
	Chosen       = "ChosenByAutoscaler"
	GroupRemoved = "GroupRemoved"
	NodeLost     = "NodeLost"
	Incomplete   = "ReplicaIncomplete"
)

// Deletion is a pod that is to go.
type Deletion struct {
	Pod    *corev1.Pod
	Reason string
	// Force takes the pod from the API server without waiting for its node, which
	// cannot answer. Only then is it certain that its name is free.
	Force bool
}

// Creation is a worker that is to be made.
type Creation struct {
	Group   *rayv1.WorkerGroupSpec
	Replica desired.Replica
}

// Changes are what is to be done to a cluster's pods. The zero value is nothing.
type Changes struct {
	Head    bool // make a head
	Workers []Creation
	Delete  []Deletion
	Restamp []*corev1.Pod // heads of another operator, which are ours from here on
	Again   time.Time     // when to decide again though nothing happened; zero: then never
}

// plan is a decision in the making.
type plan struct {
	c     *rayv1.RayCluster
	seen  Seen
	rules Rules
	Changes
}

// Of decides for a cluster that [rayv1.RayCluster.Validate] finds runnable.
func Of(c *rayv1.RayCluster, seen Seen, rules Rules) Changes {
	p := plan{c: c, seen: seen, rules: rules}
	own := p.own()
	switch {
	case meta.IsStatusConditionTrue(c.Status.Conditions, rayv1.ConditionSuspending):
		p.deleteAll(own, Suspended)
	case c.Spec.Suspend != nil && *c.Spec.Suspend:
		// That it is being suspended must be on record before the first pod goes.
	case p.respecified(own):
		p.deleteAll(own, Respecified)
	default:
		p.head(own)
		p.groups(own)
	}
	return p.Changes
}

// own are the pods of this very cluster. Those of one of the same name that is gone
// belong to nobody here.
func (p *plan) own() []*corev1.Pod {
	var own []*corev1.Pod
	for _, pod := range p.seen.Pods {
		if metav1.IsControlledBy(pod, p.c) {
			own = append(own, pod)
		}
	}
	return own
}

func (p *plan) deleteAll(pods []*corev1.Pod, reason string) {
	for _, pod := range pods {
		if pod.DeletionTimestamp == nil {
			p.Delete = append(p.Delete, Deletion{Pod: pod, Reason: reason})
		} else if p.lost(pod) {
			p.Delete = append(p.Delete, Deletion{Pod: pod, Reason: NodeLost, Force: true})
		}
	}
}

// respecified reports whether the pods are of another specification and the user wants
// them made anew. A head that another operator, or another version of this one, made
// is stamped instead: its hash says nothing here.
func (p *plan) respecified(own []*corev1.Pod) bool {
	for _, pod := range own {
		if !isHead(pod) || pod.DeletionTimestamp != nil {
			continue
		}
		if pod.Annotations[desired.AnnotationVersion] != p.rules.Version {
			p.Restamp = append(p.Restamp, pod)
			continue
		}
		u := p.c.Spec.UpgradeStrategy
		if u == nil || u.Type == nil || *u.Type != rayv1.UpgradeRecreate {
			continue
		}
		if hash := pod.Annotations[desired.AnnotationRecreateHash]; hash == "" {
			p.Restamp = append(p.Restamp, pod)
		} else if hash != desired.SpecHash(&p.c.Spec) {
			return true
		}
	}
	return false
}

// head keeps one head. A new one is made only when no other can answer to its name: the
// head's Service would lead to both.
func (p *plan) head(own []*corev1.Pod) {
	var live []*corev1.Pod
	for _, pod := range own {
		switch {
		case !isHead(pod) || pod.DeletionTimestamp != nil:
		case ended(pod):
			p.Delete = append(p.Delete, Deletion{Pod: pod, Reason: Ended})
		case p.lost(pod):
			p.Delete = append(p.Delete, Deletion{Pod: pod, Reason: NodeLost, Force: true})
		default:
			live = append(live, pod)
		}
	}
	slices.SortFunc(live, worthKeeping)
	for _, pod := range live[min(1, len(live)):] {
		p.Delete = append(p.Delete, Deletion{Pod: pod, Reason: Superfluous})
	}
	going := false
	for _, pod := range p.seen.Pods { // also that of a cluster of this name before
		if !isHead(pod) || pod.DeletionTimestamp == nil || ended(pod) {
			continue
		}
		if p.lost(pod) {
			p.Delete = append(p.Delete, Deletion{Pod: pod, Reason: NodeLost, Force: true})
			continue
		}
		going = true
	}
	forced := slices.ContainsFunc(p.Delete, func(d Deletion) bool { return d.Force })
	p.Head = len(live) == 0 && !going && !forced && !p.keepsNoHead()
}

// keepsNoHead reports whether a head that is gone stays gone: a RayJob whose submitter
// was in the head cannot go on with another.
func (p *plan) keepsNoHead() bool {
	return p.c.Annotations[rayv1.AnnotationNoHeadRestart] == "true" &&
		meta.IsStatusConditionTrue(p.c.Status.Conditions, rayv1.ConditionProvisioned)
}

func isHead(pod *corev1.Pod) bool { return pod.Labels[desired.LabelNodeType] == desired.Head }

func isWorker(pod *corev1.Pod) bool { return pod.Labels[desired.LabelNodeType] == desired.Worker }

// ended reports whether Ray has ended in a pod and will not start in it again.
func ended(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return true
	}
	if pod.Spec.RestartPolicy != corev1.RestartPolicyNever || len(pod.Spec.Containers) == 0 {
		return false
	}
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == pod.Spec.Containers[0].Name {
			return s.State.Terminated != nil
		}
	}
	return false
}

// lost reports whether nothing has been heard of the pod's node for too long. Where
// that is still to come it notes when.
func (p *plan) lost(pod *corev1.Pod) bool {
	if pod.Spec.NodeName == "" || p.seen.LostSince == nil {
		return false
	}
	since, silent := p.seen.LostSince(pod.Spec.NodeName)
	if !silent {
		return false
	}
	at := since.Add(p.rules.LostAfter)
	if !p.seen.Now.Before(at) {
		return true
	}
	if p.Again.IsZero() || at.Before(p.Again) {
		p.Again = at
	}
	return false
}

// Ready reports whether Ray answers in a pod that is not going.
func Ready(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// worthKeeping orders pods: those that work first, of these the oldest.
func worthKeeping(a, b *corev1.Pod) int {
	if d := health(b) - health(a); d != 0 {
		return d
	}
	if d := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); d != 0 {
		return d
	}
	if a.Name < b.Name {
		return -1
	}
	return 1
}

func health(pod *corev1.Pod) int {
	switch {
	case Ready(pod):
		return 3
	case pod.Status.Phase == corev1.PodRunning:
		return 2
	case pod.Spec.NodeName != "":
		return 1
	}
	return 0
}
