package raycluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
	"github.com/remora-ray/remora/internal/operator/kube"
)

// Indexes of pods: by the node that they are on, and by their cluster.
const (
	podNode    = "spec.nodeName"
	podCluster = "cluster"
)

// children are the kinds that the operator makes, beside pods.
func children() []client.Object {
	return []client.Object{
		&corev1.Service{}, &corev1.ConfigMap{}, &corev1.ServiceAccount{}, &corev1.PersistentVolumeClaim{},
		&networkingv1.Ingress{}, &networkingv1.NetworkPolicy{}, &rbacv1.Role{}, &rbacv1.RoleBinding{},
	}
}

// CacheOptions keep in memory what the reconciler reads and nothing else: pods of Ray
// and the operator's own objects.
func CacheOptions() cache.Options {
	options := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject:         map[client.Object]cache.ByObject{},
	}
	options.ByObject[&corev1.Pod{}] = cache.ByObject{Label: having(desired.LabelCluster), Transform: stripPod}
	options.ByObject[&corev1.Node{}] = cache.ByObject{Transform: stripNode}
	for _, child := range children() {
		options.ByObject[child] = cache.ByObject{Label: kube.Ours()}
	}
	return options
}

func having(label string) labels.Selector {
	has, err := labels.NewRequirement(label, selection.Exists, nil)
	if err != nil {
		panic(fmt.Sprintf("label %s: %v", label, err)) // constants of ours
	}
	return labels.NewSelector().Add(*has)
}

// stripPod keeps of a pod what is looked at: most of its specification is not, and of
// many pods that is most of what they take.
func stripPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	pod.ManagedFields = nil
	kept := corev1.PodSpec{NodeName: pod.Spec.NodeName, RestartPolicy: pod.Spec.RestartPolicy}
	for _, c := range pod.Spec.Containers {
		kept.Containers = append(kept.Containers, corev1.Container{Name: c.Name, Image: c.Image})
	}
	pod.Spec = kept
	return pod, nil
}

// stripNode keeps of a node whether it is heard of.
func stripNode(object any) (any, error) {
	if node, ok := object.(*corev1.Node); ok {
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion},
			Status:     corev1.NodeStatus{Conditions: node.Status.Conditions},
		}, nil
	}
	return object, nil
}

// SetupWithManager has mgr call r whenever something of a cluster changes.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, concurrency int) error {
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	b := ctrl.NewControllerManagedBy(mgr).
		Named("raycluster").
		For(&rayv1.RayCluster{}, builder.WithPredicates(changed)).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(r.onPod)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency})
	for _, child := range children() {
		b = b.Watches(child, handler.EnqueueRequestsFromMapFunc(byLabel(kube.LabelCluster)))
	}
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &corev1.Pod{}, podCluster, func(o client.Object) []string {
		return []string{o.GetLabels()[desired.LabelCluster]}
	})
	if err != nil {
		return fmt.Errorf("index pods by cluster: %w", err)
	}
	if r.Nodes {
		err := mgr.GetFieldIndexer().IndexField(context.Background(), &corev1.Pod{}, podNode, func(o client.Object) []string {
			return []string{o.(*corev1.Pod).Spec.NodeName}
		})
		if err != nil {
			return fmt.Errorf("index pods by node: %w", err)
		}
		b = b.Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.onNode), builder.WithPredicates(heardOf()))
	}
	if r.Backlog != nil {
		if err := mgr.Add(r.Backlog); err != nil {
			return fmt.Errorf("ask agents how far behind they are: %w", err)
		}
		b = b.WatchesRawSource(source.Channel(r.Backlog.Changed, &handler.EnqueueRequestForObject{}))
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("set up the controller of RayClusters: %w", err)
	}
	return nil
}

func byLabel(label string) handler.MapFunc {
	return func(_ context.Context, o client.Object) []reconcile.Request {
		name := o.GetLabels()[label]
		if name == "" {
			return nil
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
	}
}

// onNode are the clusters with pods on a node.
func (r *Reconciler) onNode(ctx context.Context, node client.Object) []reconcile.Request {
	var pods corev1.PodList
	if err := r.List(ctx, &pods, client.MatchingFields{podNode: node.GetName()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache of this process, which fails only when it ends
	}
	seen := map[reconcile.Request]bool{}
	var all []reconcile.Request
	for i := range pods.Items {
		for _, request := range byLabel(desired.LabelCluster)(ctx, &pods.Items[i]) {
			if !seen[request] {
				seen[request] = true
				all = append(all, request)
			}
		}
	}
	return all
}

// heardOf passes nodes that come or go or begin or cease to be heard of.
func heardOf() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false }, // their pods are looked at anyway
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*corev1.Node)
			after, ok2 := e.ObjectNew.(*corev1.Node)
			if !ok || !ok2 {
				return false
			}
			_, was := silentSince(before)
			_, is := silentSince(after)
			return was != is
		},
	}
}
