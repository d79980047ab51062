package tokens

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
	"github.com/remora-ray/remora/internal/operator/kube"
)

const (
	labelManagedBy = "app.kubernetes.io/managed-by"
	labelName      = "app.kubernetes.io/name"
)

// Handing keeps the token of agents in the Secret [desired.AgentTokenSecret] of each
// namespace with a cluster that takes it, and removes it with the last of them. The
// Secret has the same name everywhere, so that a role can allow to read it and no other.
type Handing struct {
	client.Client                  // reads come from its cache
	Direct        client.Client    // without a cache
	Tokens        client.ObjectKey // the Secret of [Ensure]
	Settings      desired.Settings

	tokens client.Reader // a cache of Tokens alone
}

// Cached adds to the options of a cache what [Handing] reads: Secrets of one name.
func Cached(o cache.Options) cache.Options {
	o.ByObject[&corev1.Secret{}] = cache.ByObject{Field: named(desired.AgentTokenSecret)}
	return o
}

func named(name string) fields.Selector { return fields.OneTermEqualSelector("metadata.name", name) }

// SetupWithManager has mgr call h whenever clusters come or go, and whenever the
// Secret of a namespace or the one of all tokens changes.
func (h *Handing) SetupWithManager(mgr ctrl.Manager, config *rest.Config) error {
	tokens, err := cache.New(config, cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{&corev1.Secret{}: {
			Namespaces: map[string]cache.Config{h.Tokens.Namespace: {FieldSelector: named(h.Tokens.Name)}},
		}},
	})
	if err == nil {
		err = mgr.Add(tokens)
	}
	if err != nil {
		return fmt.Errorf("watch Secret %s: %w", h.Tokens, err)
	}
	h.tokens = tokens
	everywhere := handler.TypedEnqueueRequestsFromMapFunc(func(ctx context.Context, _ *corev1.Secret) []reconcile.Request { return h.everywhere(ctx) })
	err = ctrl.NewControllerManagedBy(mgr).Named("agent-tokens").
		Watches(&rayv1.RayCluster{}, handler.EnqueueRequestsFromMapFunc(inNamespace)).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(inNamespace)).
		WatchesRawSource(source.Kind(tokens, &corev1.Secret{}, everywhere)).
		Complete(h)
	if err != nil {
		return fmt.Errorf("set up the controller of tokens: %w", err)
	}
	return nil
}

func requestOf(namespace string) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKey{Namespace: namespace, Name: desired.AgentTokenSecret}}
}

func inNamespace(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{requestOf(o.GetNamespace())}
}

// everywhere are all namespaces with clusters.
func (h *Handing) everywhere(ctx context.Context) []reconcile.Request {
	var clusters rayv1.RayClusterList
	if err := h.List(ctx, &clusters, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache of this process, which fails only when it ends
	}
	seen := map[string]bool{}
	var all []reconcile.Request
	for i := range clusters.Items {
		if name := clusters.Items[i].Namespace; !seen[name] {
			seen[name] = true
			all = append(all, requestOf(name))
		}
	}
	return all
}

// Reconcile brings the Secret of one namespace to what it should be. One of that name
// that somebody else made is left alone.
func (h *Handing) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	taken, err := h.taken(ctx, request.Namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	var have corev1.Secret
	err = h.Get(ctx, request.NamespacedName, &have)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("get Secret %s: %w", request, err)
	}
	there := err == nil
	switch {
	case there && have.Labels[labelManagedBy] != kube.FieldManager:
		if taken {
			log.FromContext(ctx).Info("a Secret that somebody else made is left alone: agents send the token in it")
		}
		return ctrl.Result{}, nil
	case taken:
		return ctrl.Result{}, h.write(ctx, request.NamespacedName, have.Data)
	case there:
		return ctrl.Result{}, h.remove(ctx, &have)
	}
	return ctrl.Result{}, nil
}

// taken reports whether a cluster of the namespace takes the token.
func (h *Handing) taken(ctx context.Context, namespace string) (bool, error) {
	var clusters rayv1.RayClusterList
	if err := h.List(ctx, &clusters, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("list the clusters of %s: %w", namespace, err)
	}
	for i := range clusters.Items {
		c := &clusters.Items[i]
		if c.Managed() && !rayv1.Invalid(c.Validate()) && desired.TakesToken(c, h.Settings) {
			return true, nil
		}
	}
	return false, nil
}

func (h *Handing) write(ctx context.Context, key client.ObjectKey, have map[string][]byte) error {
	var all corev1.Secret
	token := ""
	err := h.tokens.Get(ctx, h.Tokens, &all)
	switch {
	case apierrors.IsNotFound(err):
		token, err = Ensure(ctx, h.Direct, h.Tokens)
	case err == nil:
		token, err = ofAgents(&all)
	}
	if err != nil || string(have[desired.AgentTokenKey]) == token {
		return err
	}
	return kube.Write(ctx, h.Client, &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{labelName: "remora", labelManagedBy: kube.FieldManager}},
		Data:       map[string][]byte{desired.AgentTokenKey: []byte(token)},
	})
}

func (h *Handing) remove(ctx context.Context, have *corev1.Secret) error {
	err := h.Delete(ctx, have, client.Preconditions{UID: &have.UID})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete Secret %s: %w", client.ObjectKeyFromObject(have), err)
	}
	return nil
}
