package raycluster

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
	"github.com/remora-ray/remora/internal/operator/kube"
	"github.com/remora-ray/remora/internal/operator/plan"
	"github.com/remora-ray/remora/internal/operator/status"
)

// parallel is how many pods are made or deleted at once for one cluster.
const parallel = 16

// applyObjects brings all but pods to what is desired. It returns the head's Service as
// it is now, and goes on after an error.
func (r *Reconciler) applyObjects(ctx context.Context, c *rayv1.RayCluster) (*corev1.Service, error) {
	want, names := desired.Of(c, r.Settings), desired.NamesOf(c)
	parts := []part{
		of(want.HeadService, ""), // there always is one
		of(want.HeadlessService, names.Headless),
		of(want.ServeService, names.Serve),
		of(want.Ingress, names.Ingress),
		of(want.ServiceAccount, names.Access),
		of(want.Role, names.Access),
		of(want.RoleBinding, names.Access),
		of(want.AgentConfig, names.AgentConfig),
		of(want.Volume, ""), // what is in it is the user's to delete
	}
	var errs []error
	for _, p := range parts {
		if p.want != nil {
			errs = append(errs, kube.Ensure(ctx, r.Client, r.Live, c, p.want))
		} else if p.name != "" {
			errs = append(errs, kube.Remove(ctx, r.Client, c, p.kind, p.name))
		}
	}
	errs = append(errs, r.applyPolicies(ctx, c, want.NetworkPolicies), r.ensureToken(ctx, c))
	var head corev1.Service
	if err := r.Get(ctx, client.ObjectKeyFromObject(want.HeadService), &head); err != nil {
		return nil, errors.Join(append(errs, client.IgnoreNotFound(err))...) // the cache will tell
	}
	return &head, errors.Join(errs...)
}

// applyPolicies brings network policies to what is desired, and removes those of groups
// that are gone.
func (r *Reconciler) applyPolicies(ctx context.Context, c *rayv1.RayCluster, want []*networkingv1.NetworkPolicy) error {
	var errs []error
	wanted := map[string]bool{}
	for _, policy := range want {
		wanted[policy.Name] = true
		errs = append(errs, kube.Ensure(ctx, r.Client, r.Live, c, policy))
	}
	var there networkingv1.NetworkPolicyList
	if err := r.List(ctx, &there, client.InNamespace(c.Namespace), client.MatchingLabels{kube.LabelCluster: c.Name}); err != nil {
		return errors.Join(append(errs, fmt.Errorf("list network policies of %s: %w", c.Name, err))...)
	}
	for _, policy := range there.Items {
		if !wanted[policy.Name] {
			errs = append(errs, kube.Remove(ctx, r.Client, c, &networkingv1.NetworkPolicy{}, policy.Name))
		}
	}
	return errors.Join(errs...)
}

// part is an object that should be there, or the name of one that should not.
type part struct {
	want, kind client.Object
	name       string
}

func of[T any, P interface {
	*T
	client.Object
}](want P, name string,
) part {
	if want == nil {
		return part{kind: P(new(T)), name: name}
	}
	return part{want: want}
}

// ensureToken makes the Secret with the token that Ray asks for. It never reads one.
func (r *Reconciler) ensureToken(ctx context.Context, c *rayv1.RayCluster) error {
	name, made := desired.TokenSecret(c)
	if !made {
		return nil
	}
	key := string(c.UID) + "/" + name
	if _, done := r.tokens.Load(key); done {
		return nil
	}
	token := make([]byte, 32)
	if _, err := rand.Read(token); err != nil {
		return fmt.Errorf("make a token: %w", err)
	}
	secret := desired.Token(c, base64.StdEncoding.EncodeToString(token))
	if err := r.Create(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create Secret %s: %w", name, err)
	}
	r.tokens.Store(key, true)
	return nil
}

// applyPods deletes and makes pods, several at once.
func (r *Reconciler) applyPods(ctx context.Context, c *rayv1.RayCluster, changes plan.Changes) []status.Failure {
	var mu sync.Mutex
	var failures []status.Failure
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	try := func(reason string, do func() error) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := do(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failures = append(failures, status.Failure{Reason: reason, Message: err.Error()})
			}
		})
	}
	for _, pod := range changes.Restamp {
		try("FailedUpdateHeadPod", func() error { return r.restamp(ctx, c, pod) })
	}
	for _, d := range changes.Delete {
		try("FailedDelete"+kindOf(d.Pod), func() error { return r.deletePod(ctx, c, d) })
	}
	wg.Wait() // what goes leaves room for what comes
	var made creations
	if changes.Head {
		try("FailedCreateHeadPod", func() error { return r.createPod(ctx, c, desired.HeadPod(c, r.Settings), &made) })
	}
	for _, w := range changes.Workers {
		try("FailedCreateWorkerPod", func() error {
			return r.createPod(ctx, c, desired.WorkerPod(c, w.Group, w.Replica, r.Settings), &made)
		})
	}
	wg.Wait()
	made.announce(r.Events, c)
	return failures
}

func kindOf(pod *corev1.Pod) string {
	if pod.Labels[desired.LabelNodeType] == desired.Head {
		return "HeadPod"
	}
	return "WorkerPod"
}

// creations are pods that were made in a pass, by group.
type creations struct {
	mu   sync.Mutex
	pods map[string][]*corev1.Pod
}

func (m *creations) add(pod *corev1.Pod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pods == nil {
		m.pods = map[string][]*corev1.Pod{}
	}
	group := pod.Labels[desired.LabelGroup]
	m.pods[group] = append(m.pods[group], pod)
}

// announce has an event for each group, and not for each of its pods.
func (m *creations) announce(to events.EventRecorder, c *rayv1.RayCluster) {
	for _, group := range slices.Sorted(maps.Keys(m.pods)) {
		pods := m.pods[group]
		var names []string
		for _, pod := range pods {
			names = append(names, pod.Name)
		}
		slices.Sort(names)
		note := "Created pod " + names[0]
		if len(names) > 1 {
			note = fmt.Sprintf("Created %d pods of group %s: %s", len(names), group, strings.Join(names, ", "))
		}
		to.Eventf(c, pods[0], corev1.EventTypeNormal, "Created"+kindOf(pods[0]), "Create", "%s", brief(note))
	}
}

func (r *Reconciler) createPod(ctx context.Context, c *rayv1.RayCluster, pod *corev1.Pod, made *creations) error {
	if err := r.Create(ctx, pod); err != nil {
		return fmt.Errorf("create pod %s: %w", pod.GenerateName, err)
	}
	r.recent.create(client.ObjectKeyFromObject(c), pod, r.now())
	r.Metrics.created.WithLabelValues(pod.Labels[desired.LabelNodeType]).Inc()
	made.add(pod)
	return nil
}

func (r *Reconciler) deletePod(ctx context.Context, c *rayv1.RayCluster, d plan.Deletion) error {
	options := []client.DeleteOption{client.Preconditions{UID: &d.Pod.UID}}
	if d.Force {
		options = append(options, client.GracePeriodSeconds(0))
	}
	if err := r.Delete(ctx, d.Pod.DeepCopy(), options...); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete pod %s: %w", d.Pod.Name, err)
	}
	r.recent.remove(client.ObjectKeyFromObject(c), d.Pod, r.now())
	r.Metrics.deleted.WithLabelValues(d.Pod.Labels[desired.LabelNodeType], d.Reason).Inc()
	r.Events.Eventf(c, d.Pod, corev1.EventTypeNormal, "Deleted"+kindOf(d.Pod), "Delete", "Deleted pod %s: %s", d.Pod.Name, d.Reason)
	return nil
}

// restamp marks a head that another operator made as ours, without touching what runs.
func (r *Reconciler) restamp(ctx context.Context, c *rayv1.RayCluster, pod *corev1.Pod) error {
	stamped := pod.DeepCopy()
	if stamped.Annotations == nil {
		stamped.Annotations = map[string]string{}
	}
	for key, value := range desired.HeadPod(c, r.Settings).Annotations {
		if key == desired.AnnotationVersion || key == desired.AnnotationRecreateHash {
			stamped.Annotations[key] = value
		}
	}
	if err := r.Patch(ctx, stamped, client.MergeFrom(pod)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("annotate pod %s: %w", pod.Name, err))
	}
	return nil
}
