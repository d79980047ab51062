// Package raycluster keeps RayClusters as they are specified. Its one invariant: a
// pass observes, decides by pure functions, applies, and writes the status once; it
// asks no Ray dashboard anything, and a cluster that cannot be run keeps none other
// waiting.
package raycluster

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/backlog"
	"github.com/remora-ray/remora/internal/operator/desired"
	"github.com/remora-ray/remora/internal/operator/plan"
	"github.com/remora-ray/remora/internal/operator/status"
)

// Reconciler looks after RayClusters. All fields but Nodes, Now and Backlog must be set.
type Reconciler struct {
	client.Client               // reads come from its cache
	Live          client.Reader // reads that must be of this moment
	Events        events.EventRecorder
	Settings      desired.Settings
	LostAfter     time.Duration
	Nodes         bool // whether nodes may be read
	Now           func() time.Time
	NewName       func(group string) string
	Metrics       *Metrics
	Backlog       *backlog.Watch // nil: no agent is asked how far behind it is

	recent  recent
	endings endings
	tokens  sync.Map // Secrets that are known to be there, by owner and name
}

// Reconcile brings one cluster to what its specification says.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var c rayv1.RayCluster
	if err := r.Get(ctx, request.NamespacedName, &c); err != nil {
		if apierrors.IsNotFound(err) {
			r.recent.forget(request.NamespacedName)
			r.endings.forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !c.Managed() {
		return ctrl.Result{}, nil
	}
	if c.DeletionTimestamp != nil {
		return r.letGo(ctx, &c)
	}
	found := c.Validate()
	pods, err := r.pods(ctx, &c)
	if err != nil {
		return ctrl.Result{}, err
	}
	var failures []status.Failure
	var head *corev1.Service
	var again time.Time
	if !rayv1.Invalid(found) {
		if wrote, err := r.keepUntilClean(ctx, &c); wrote || err != nil {
			return ctrl.Result{RequeueAfter: time.Millisecond}, err
		}
		if head, err = r.applyObjects(ctx, &c); err != nil {
			failures = append(failures, status.Failure{Reason: "FailedApply", Message: err.Error()})
		}
		changes := plan.Of(&c, plan.Seen{Pods: pods, LostSince: r.lostSince(ctx), Now: r.now()}, r.rules())
		failures = append(failures, r.applyPods(ctx, &c, changes)...)
		again = changes.Again
		if pods, err = r.pods(ctx, &c); err != nil {
			return ctrl.Result{}, err
		}
	}
	once, err := r.tell(ctx, &c, pods, head, found, failures)
	if err != nil {
		return ctrl.Result{}, err
	}
	if len(failures) > 0 {
		return ctrl.Result{}, fmt.Errorf("%s: %s", failures[0].Reason, failures[0].Message)
	}
	if once {
		return ctrl.Result{RequeueAfter: time.Millisecond}, nil
	}
	return ctrl.Result{RequeueAfter: r.until(again)}, nil
}

func (r *Reconciler) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *Reconciler) until(at time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return max(at.Sub(r.now()), time.Millisecond)
}

func (r *Reconciler) rules() plan.Rules {
	return plan.Rules{LostAfter: r.LostAfter, Version: r.Settings.Version, NewName: r.NewName}
}

// pods are all that carry the cluster's name: those of the cache, and those made just
// now that it does not have yet.
func (r *Reconciler) pods(ctx context.Context, c *rayv1.RayCluster) ([]*corev1.Pod, error) {
	var list corev1.PodList
	err := r.List(ctx, &list, client.InNamespace(c.Namespace), client.MatchingFields{podCluster: c.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list pods of %s: %w", c.Name, err)
	}
	pods := make([]*corev1.Pod, 0, len(list.Items))
	for i := range list.Items {
		pods = append(pods, &list.Items[i])
	}
	return r.recent.with(client.ObjectKeyFromObject(c), pods, r.now()), nil
}

// lostSince tells of nodes since when they are not ready; nil where nodes cannot be read.
func (r *Reconciler) lostSince(ctx context.Context) func(string) (time.Time, bool) {
	if !r.Nodes {
		return nil
	}
	return func(name string) (time.Time, bool) {
		var node corev1.Node
		if err := r.Get(ctx, types.NamespacedName{Name: name}, &node, client.UnsafeDisableDeepCopy); err != nil {
			return time.Time{}, apierrors.IsNotFound(err)
		}
		return silentSince(&node)
	}
}

// silentSince tells since when nothing has been heard of a node. One that says itself
// that it is not ready is heard of.
func silentSince(node *corev1.Node) (time.Time, bool) {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionUnknown {
			return c.LastTransitionTime.Time, true
		}
	}
	return time.Time{}, false
}

// tell writes the status where it differs, and events of what became of conditions. It
// reports whether that opens a further step, which no event would announce.
func (r *Reconciler) tell(ctx context.Context, c *rayv1.RayCluster, pods []*corev1.Pod, head *corev1.Service, found []rayv1.Finding, failures []status.Failure) (bool, error) {
	var own []*corev1.Pod
	for _, pod := range pods {
		if metav1.IsControlledBy(pod, c) {
			own = append(own, pod)
		}
	}
	var logs status.Logs
	if !rayv1.Invalid(found) {
		logs.On, logs.Reason, logs.Message = desired.Logs(c, r.Settings)
	}
	behind := ""
	if r.Backlog != nil {
		behind = r.Backlog.Of(client.ObjectKeyFromObject(c))
	}
	now, differs := status.Of(c, status.Seen{Pods: own, Head: head, Found: found, Failures: failures, Logs: logs, Unsent: r.endings.of(client.ObjectKeyFromObject(c)), Behind: behind, Now: r.now()})
	if !differs {
		return false, nil
	}
	before := c.DeepCopy()
	c.Status = now
	if err := r.Status().Patch(ctx, c, statusPatch(before)); err != nil {
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return false, fmt.Errorf("write the status of %s: %w", c.Name, err)
	}
	r.announce(c, before.Status.Conditions, now.Conditions)
	return suspension(before.Status.Conditions) != suspension(now.Conditions), nil
}

// statusPatch writes what differs from before; the first time all, as zeros do not differ
// from what is not there.
func statusPatch(before *rayv1.RayCluster) client.Patch {
	if before.Status.LastUpdateTime == nil {
		return firstStatus{}
	}
	return client.MergeFrom(before)
}

type firstStatus struct{}

func (firstStatus) Type() types.PatchType { return types.MergePatchType }

func (firstStatus) Data(object client.Object) ([]byte, error) {
	return json.Marshal(map[string]any{"status": object.(*rayv1.RayCluster).Status})
}

// suspension is how far a cluster is on its way to sleep.
func suspension(conditions []metav1.Condition) [2]bool {
	return [2]bool{
		meta.IsStatusConditionTrue(conditions, rayv1.ConditionSuspending),
		meta.IsStatusConditionTrue(conditions, rayv1.ConditionSuspended),
	}
}

// announce has an event for each condition of trouble that is new or says something else.
func (r *Reconciler) announce(c *rayv1.RayCluster, before, now []metav1.Condition) {
	old := map[string]metav1.Condition{}
	for _, condition := range before {
		old[condition.Type] = condition
	}
	for _, condition := range now {
		was := old[condition.Type]
		if condition.Status != metav1.ConditionTrue || was.Status == condition.Status && was.Message == condition.Message {
			continue
		}
		switch condition.Reason {
		case "Invalid":
			r.Events.Eventf(c, nil, corev1.EventTypeWarning, "InvalidRayClusterSpec", "Validate", "%s: %s", condition.Type, brief(condition.Message))
		case "Advice", "PodsFail":
			r.Events.Eventf(c, nil, corev1.EventTypeWarning, condition.Type, "Observe", "%s", brief(condition.Message))
		}
	}
}

// onPod is the cluster of a pod. It tells at once what the pod's agent left unsent.
func (r *Reconciler) onPod(ctx context.Context, object client.Object) []reconcile.Request {
	requests := byLabel(desired.LabelCluster)(ctx, object)
	pod, ok := object.(*corev1.Pod)
	if !ok || len(requests) == 0 {
		return requests
	}
	if message, bytes := r.endings.note(pod, r.now()); message != "" {
		r.Metrics.incomplete.Inc()
		r.Metrics.unsent.Add(bytes)
		r.Events.Eventf(pod, nil, corev1.EventTypeWarning, status.LogsIncomplete, "Observe", "%s", brief(message))
	}
	return requests
}

// brief fits a message into an event's note.
func brief(s string) string {
	const longest = 1000
	if len(s) <= longest {
		return s
	}
	return s[:longest] + "…"
}
