// Package logsonly gives the pods of clusters that another operator runs the log agent,
// and nothing else. Its one invariant: it never keeps a pod from being made. A pod that
// it cannot give the agent is made without it.
package logsonly

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
	"github.com/remora-ray/remora/internal/operator/kube"
)

// Reconciler keeps the configuration of the agents of a cluster. All fields must be set.
type Reconciler struct {
	client.Client               // reads come from its cache
	Live          client.Reader // reads that must be of this moment
	Settings      desired.Settings
}

// CacheOptions keep in memory RayClusters and the agents' configurations.
func CacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject:         map[client.Object]cache.ByObject{&corev1.ConfigMap{}: {Label: kube.Ours()}},
	}
}

// SetupWithManager has mgr call r whenever a cluster or its configuration changes.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).Named("logs").For(&rayv1.RayCluster{}).Owns(&corev1.ConfigMap{}).Complete(r)
	if err != nil {
		return fmt.Errorf("set up the controller of agents: %w", err)
	}
	return nil
}

// Reconcile brings what the agents of one cluster need to what it should be.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var c rayv1.RayCluster
	if err := r.Get(ctx, request.NamespacedName, &c); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if c.DeletionTimestamp != nil || rayv1.Invalid(c.Validate()) {
		return ctrl.Result{}, nil // building looks into pods that may not be there
	}
	if config := desired.AgentConfig(&c, r.Settings); config != nil {
		return ctrl.Result{}, kube.Ensure(ctx, r.Client, r.Live, &c, config)
	}
	return ctrl.Result{}, kube.Remove(ctx, r.Client, &c, &corev1.ConfigMap{}, desired.NamesOf(&c).AgentConfig)
}
