// Package status tells how a RayCluster is. Its one invariant: a status is a pure
// function of what was seen, and says what is true at that time, not what once was.
package status

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
	"github.com/remora-ray/remora/internal/operator/plan"
)

// Seen is what a status is made of.
type Seen struct {
	Pods     []*corev1.Pod   // of this very cluster
	Head     *corev1.Service // nil: there is none yet
	Found    []rayv1.Finding
	Failures []Failure // of what was tried just now
	Logs     Logs
	Behind   string   // what agents are nearly too far behind with; empty: nothing
	Unsent   []string // of pods that ended before their agent had delivered everything
	Now      time.Time
}

// Failure is something that the operator could not do.
type Failure struct {
	Reason  string // such as FailedCreateHeadPod
	Message string
}

// Logs says whether the cluster's pods have the agent.
type Logs struct {
	On              bool
	Reason, Message string
}

// Of is the status of a cluster, and whether it differs from the one it has.
func Of(c *rayv1.RayCluster, seen Seen) (rayv1.RayClusterStatus, bool) {
	s := *c.Status.DeepCopy()
	s.ObservedGeneration = c.Generation
	t := teller{c: c, s: &s, seen: &seen}
	t.findings()
	if !rayv1.Invalid(seen.Found) {
		t.counts()
		t.head()
		t.suspension()
		t.provisioned()
		t.set(rayv1.ConditionLogs, seen.Logs.On, seen.Logs.Reason, seen.Logs.Message)
	}
	t.failures()
	t.troubles()
	t.unsent()
	t.behind()
	t.state()
	if equality.Semantic.DeepEqual(s, c.Status) {
		return s, false
	}
	s.LastUpdateTime = &metav1.Time{Time: seen.Now}
	return s, true
}

type teller struct {
	c    *rayv1.RayCluster
	s    *rayv1.RayClusterStatus
	seen *Seen
}

func (t *teller) set(kind string, on bool, reason, message string) {
	status := metav1.ConditionFalse
	if on {
		status = metav1.ConditionTrue
	}
	const longest = 32 << 10 // the API server's own bound
	meta.SetStatusCondition(&t.s.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message[:min(len(message), longest)],
		ObservedGeneration: t.c.Generation, LastTransitionTime: metav1.Time{Time: t.seen.Now},
	})
}

// Reasons of the conditions that tell findings.
const (
	reasonInvalid = "Invalid"
	reasonAdvice  = "Advice"
)

// findings has a condition for each kind of finding, and none for what is not found.
func (t *teller) findings() {
	kinds, told := rayv1.ByKind(t.seen.Found)
	t.s.Conditions = slices.DeleteFunc(t.s.Conditions, func(c metav1.Condition) bool {
		return (c.Reason == reasonInvalid || c.Reason == reasonAdvice) && !slices.Contains(kinds, c.Type)
	})
	for _, kind := range kinds {
		reason := reasonAdvice
		if slices.ContainsFunc(t.seen.Found, func(f rayv1.Finding) bool { return f.Kind == kind && f.Invalid }) {
			reason = reasonInvalid
		}
		t.set(kind, true, reason, told[kind])
	}
}

func worker(pod *corev1.Pod) bool { return pod.Labels[desired.LabelNodeType] == desired.Worker }

// counts tells how many workers there are and should be, and what they ask for.
func (t *teller) counts() {
	s, spec := t.s, &t.c.Spec
	var want, least, most int64
	totals := corev1.ResourceList{}
	add(totals, &spec.HeadGroupSpec.Template.Spec, 1)
	for i := range spec.WorkerGroupSpecs {
		g := &spec.WorkerGroupSpecs[i]
		hosts := int64(plan.Hosts(g))
		want += int64(plan.Wanted(g)) * hosts
		if g.Suspend == nil || !*g.Suspend {
			least += int64(value(g.MinReplicas)) * hosts
			most += int64(value(g.MaxReplicas)) * hosts
		}
		add(totals, &g.Template.Spec, int64(value(g.Replicas))*hosts)
	}
	s.DesiredWorkerReplicas, s.MinWorkerReplicas, s.MaxWorkerReplicas = clamp(want), clamp(least), clamp(most)
	s.ReadyWorkerReplicas, s.AvailableWorkerReplicas = 0, 0
	for _, pod := range t.seen.Pods {
		if !worker(pod) || pod.DeletionTimestamp != nil {
			continue
		}
		if pod.Status.Phase == corev1.PodRunning {
			s.AvailableWorkerReplicas++
		}
		if plan.Ready(pod) {
			s.ReadyWorkerReplicas++
		}
	}
	var gpus resource.Quantity
	for name, amount := range totals {
		if desired.GPU(name) {
			gpus.Add(amount)
		}
	}
	assign(&s.DesiredCPU, totals[corev1.ResourceCPU])
	assign(&s.DesiredMemory, totals[corev1.ResourceMemory])
	assign(&s.DesiredGPU, gpus)
	assign(&s.DesiredTPU, totals["google.com/tpu"])
}

// assign keeps an equal quantity as it is written.
func assign(to *resource.Quantity, q resource.Quantity) {
	if to.Cmp(q) != 0 || to.Format == "" {
		*to = resource.MustParse(q.String())
	}
}

func value(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}

func clamp(n int64) int32 { return int32(min(max(n, 0), math.MaxInt32)) }

// add sums what n pods ask for: their requests, else their limits.
func add(totals corev1.ResourceList, pod *corev1.PodSpec, n int64) {
	for _, c := range pod.Containers {
		asked := c.Resources.Requests.DeepCopy()
		if asked == nil {
			asked = corev1.ResourceList{}
		}
		for name, limit := range c.Resources.Limits {
			if _, ok := asked[name]; !ok {
				asked[name] = limit
			}
		}
		for name, amount := range asked {
			sum := totals[name]
			amount.Mul(n)
			sum.Add(amount)
			totals[name] = sum
		}
	}
}

// head tells where the head is and whether it answers.
func (t *teller) head() {
	s := t.s
	s.Head, s.Endpoints = rayv1.HeadInfo{}, nil
	pod := t.headPod()
	if pod != nil {
		s.Head.PodName, s.Head.PodIP = pod.Name, pod.Status.PodIP
	}
	if svc := t.seen.Head; svc != nil {
		s.Head.ServiceName = svc.Name
		if s.Head.ServiceIP = svc.Spec.ClusterIP; s.Head.ServiceIP == corev1.ClusterIPNone {
			s.Head.ServiceIP = s.Head.PodIP
		}
		s.Endpoints = map[string]string{}
		for _, p := range svc.Spec.Ports {
			if s.Endpoints[p.Name] = p.TargetPort.String(); p.NodePort != 0 {
				s.Endpoints[p.Name] = fmt.Sprint(p.NodePort)
			}
		}
	}
	switch {
	case pod == nil:
		t.set(rayv1.ConditionHeadPodReady, false, rayv1.ReasonHeadNotFound, "Head Pod not found")
	case plan.Ready(pod):
		t.set(rayv1.ConditionHeadPodReady, true, rayv1.ReasonHeadReady, "")
	default:
		reason, message := unready(pod)
		t.set(rayv1.ConditionHeadPodReady, false, reason, message)
	}
}

func (t *teller) headPod() *corev1.Pod {
	for _, pod := range t.seen.Pods {
		if pod.Labels[desired.LabelNodeType] == desired.Head && pod.DeletionTimestamp == nil {
			return pod
		}
	}
	return nil
}

// unready says why a pod is not ready: what its first container that is not says.
func unready(pod *corev1.Pod) (reason, message string) {
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := c.State.Waiting; w != nil && w.Reason != "" && !c.Ready {
			return w.Reason, c.Name + ": " + w.Message
		}
		if e := c.State.Terminated; e != nil && e.Reason != "" && e.ExitCode != 0 {
			return e.Reason, c.Name + ": " + e.Message
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Status != corev1.ConditionTrue && c.Reason != "" {
			return c.Reason, c.Message
		}
	}
	return rayv1.ReasonUnknown, ""
}

func (t *teller) suspension() {
	const gone = "RayCluster has been suspended"
	asked := t.c.Spec.Suspend != nil && *t.c.Spec.Suspend
	suspending := meta.IsStatusConditionTrue(t.s.Conditions, rayv1.ConditionSuspending)
	suspended := meta.IsStatusConditionTrue(t.s.Conditions, rayv1.ConditionSuspended)
	switch {
	case suspending && len(t.seen.Pods) == 0:
		t.set(rayv1.ConditionSuspending, false, rayv1.ConditionSuspending, "")
		t.set(rayv1.ConditionSuspended, true, rayv1.ConditionSuspended, "")
	case suspending || asked && suspended:
	case asked:
		t.set(rayv1.ConditionSuspended, false, rayv1.ConditionSuspended, "")
		t.set(rayv1.ConditionSuspending, true, rayv1.ConditionSuspending, "")
		t.set(rayv1.ConditionProvisioned, false, rayv1.ReasonProvisioning, gone)
	default:
		t.set(rayv1.ConditionSuspended, false, rayv1.ConditionSuspended, "")
		t.set(rayv1.ConditionSuspending, false, rayv1.ConditionSuspending, "")
	}
}

// complete reports whether every pod that should be there is ready.
func (t *teller) complete() bool {
	return meta.IsStatusConditionTrue(t.s.Conditions, rayv1.ConditionHeadPodReady) &&
		t.s.ReadyWorkerReplicas >= t.s.DesiredWorkerReplicas
}

func (t *teller) provisioned() {
	if meta.IsStatusConditionTrue(t.s.Conditions, rayv1.ConditionProvisioned) || meta.IsStatusConditionTrue(t.s.Conditions, rayv1.ConditionSuspending) {
		return
	}
	if t.complete() {
		t.set(rayv1.ConditionProvisioned, true, rayv1.ReasonAllReadyFirstTime, "All Ray Pods are ready for the first time")
	} else if !meta.IsStatusConditionTrue(t.s.Conditions, rayv1.ConditionSuspended) {
		t.set(rayv1.ConditionProvisioned, false, rayv1.ReasonProvisioning, "RayCluster Pods are being provisioned for first time")
	}
}

// LogsIncomplete tells which pods ended before their agent had delivered everything. It
// stays: what is lost does not come back.
const LogsIncomplete = "LogsIncomplete"

func (t *teller) unsent() {
	if len(t.seen.Unsent) > 0 {
		t.set(LogsIncomplete, true, "PodEnded", strings.Join(slices.Sorted(slices.Values(t.seen.Unsent)), "; "))
	}
}

// LogsBehind tells that lines are about to be rotated away before they are delivered.
const LogsBehind = "LogsBehind"

func (t *teller) behind() {
	if t.seen.Behind == "" {
		meta.RemoveStatusCondition(&t.s.Conditions, LogsBehind)
		return
	}
	t.set(LogsBehind, true, "PodsFail", t.seen.Behind)
}

func (t *teller) failures() {
	if len(t.seen.Failures) == 0 {
		meta.RemoveStatusCondition(&t.s.Conditions, rayv1.ConditionReplicaFailure)
		return
	}
	f := t.seen.Failures[0]
	t.set(rayv1.ConditionReplicaFailure, true, f.Reason, f.Message)
}

// state is the cluster in one word, as it is now.
func (t *teller) state() {
	s := t.s
	before := s.State
	switch {
	case meta.IsStatusConditionTrue(s.Conditions, rayv1.ConditionSuspended):
		s.State, s.Reason = rayv1.StateSuspended, ""
	case rayv1.Invalid(t.seen.Found):
		kinds, told := rayv1.ByKind(t.seen.Found)
		s.Reason = told[kinds[0]] // pods that run go on, and so does the state
	case t.complete() && !meta.IsStatusConditionTrue(s.Conditions, rayv1.ConditionSuspending):
		s.State, s.Reason = rayv1.StateReady, ""
	default:
		s.State, s.Reason = "", t.why()
	}
	if s.State != before && s.State != "" {
		if s.StateTransitionTimes == nil {
			s.StateTransitionTimes = map[rayv1.ClusterState]*metav1.Time{}
		}
		s.StateTransitionTimes[s.State] = &metav1.Time{Time: t.seen.Now}
	}
}

// why says in a line what keeps a cluster from being ready.
func (t *teller) why() string {
	for _, kind := range troubles {
		if c := meta.FindStatusCondition(t.s.Conditions, kind); c != nil {
			return kind + ": " + c.Message
		}
	}
	if head := meta.FindStatusCondition(t.s.Conditions, rayv1.ConditionHeadPodReady); head != nil && head.Status != metav1.ConditionTrue {
		return "the head is not ready: " + head.Reason
	}
	return fmt.Sprintf("%d of %d workers are ready", t.s.ReadyWorkerReplicas, t.s.DesiredWorkerReplicas)
}
