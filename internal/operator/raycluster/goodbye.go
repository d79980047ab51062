package raycluster

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
	"github.com/remora-ray/remora/internal/operator/plan"
)

// redisFinalizer keeps a cluster until its state is removed from Redis. It is KubeRay's,
// so that either operator can finish what the other began.
const redisFinalizer = "ray.io/gcs-ft-redis-cleanup-finalizer"

const (
	usualCleanup  = 5 * time.Minute // that removing the state may take; an annotation says otherwise
	cleanupPeriod = 2 * time.Second // between two looks at it
)

// keepUntilClean has a cluster with state in Redis stay until that is removed. It reports
// whether it had to say so: nothing is to be made before that is on record.
func (r *Reconciler) keepUntilClean(ctx context.Context, c *rayv1.RayCluster) (bool, error) {
	if !desired.KeepsInRedis(c) || slices.Contains(c.Finalizers, redisFinalizer) {
		return false, nil
	}
	return true, r.setFinalizers(ctx, c, append(slices.Clone(c.Finalizers), redisFinalizer))
}

func (r *Reconciler) setFinalizers(ctx context.Context, c *rayv1.RayCluster, finalizers []string) error {
	before := c.DeepCopy()
	c.Finalizers = finalizers
	err := r.Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil {
		return client.IgnoreNotFound(fmt.Errorf("write the finalizers of %s: %w", c.Name, err))
	}
	return nil
}

// letGo lets a cluster be deleted: its pods and objects are collected with it. Where its
// state is in Redis that is removed before, once no pod writes to it.
func (r *Reconciler) letGo(ctx context.Context, c *rayv1.RayCluster) (ctrl.Result, error) {
	if !slices.Contains(c.Finalizers, redisFinalizer) {
		r.recent.forget(client.ObjectKeyFromObject(c))
		return ctrl.Result{}, nil
	}
	clean, left, err := r.clean(ctx, c)
	if !clean && left == "" && r.now().After(c.DeletionTimestamp.Add(cleanupTimeout(c))) {
		left, err = "it took too long", nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if !clean && left == "" {
		return ctrl.Result{RequeueAfter: cleanupPeriod}, nil
	}
	kept := slices.DeleteFunc(slices.Clone(c.Finalizers), func(f string) bool { return f == redisFinalizer })
	if err := r.setFinalizers(ctx, c, kept); err != nil {
		return ctrl.Result{}, err
	}
	r.recent.forget(client.ObjectKeyFromObject(c))
	if left != "" {
		r.Events.Eventf(c, nil, corev1.EventTypeWarning, "RedisNotCleaned", "Delete", "Ray's state stays in Redis, as %s: delete the keys of this cluster's storage namespace", left)
		log.FromContext(ctx).Info("cluster let go, its state stays in redis", "reason", left)
	}
	return ctrl.Result{}, nil
}

// cleanupTimeout is how long a cluster is kept for its state to be removed.
func cleanupTimeout(c *rayv1.RayCluster) time.Duration {
	if seconds, err := strconv.ParseInt(c.Annotations[rayv1.AnnotationFTTimeout], 10, 32); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	return usualCleanup
}

// clean takes a cluster's state out of Redis, a step each time it is called. It reports
// whether that is done, or else why it never will be; while it goes on, neither.
func (r *Reconciler) clean(ctx context.Context, c *rayv1.RayCluster) (done bool, left string, err error) {
	if !desired.KeepsInRedis(c) || rayv1.Invalid(c.Validate()) {
		return false, "the specification does not tell where it is", nil
	}
	pods, err := r.pods(ctx, c)
	if err != nil {
		return false, "", err
	}
	writing := false
	for _, pod := range pods {
		node := pod.Labels[desired.LabelNodeType]
		if !metav1.IsControlledBy(pod, c) || node != desired.Head && node != desired.Worker {
			continue
		}
		writing = writing || node == desired.Head
		if pod.DeletionTimestamp == nil {
			if err := r.deletePod(ctx, c, plan.Deletion{Pod: pod, Reason: "ClusterDeleted"}); err != nil {
				return false, "", err
			}
		}
	}
	if writing {
		return false, "", nil
	}
	var job batchv1.Job
	err = r.Live.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: desired.CleanupName(c)}, &job)
	if apierrors.IsNotFound(err) {
		want := desired.RedisCleanup(c, r.Settings)
		if err := r.Create(ctx, want); apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return false, "its namespace is being deleted", nil
		} else if err != nil {
			return false, "", client.IgnoreAlreadyExists(fmt.Errorf("create Job %s: %w", want.Name, err))
		}
		r.Events.Eventf(c, want, corev1.EventTypeNormal, "CreatedRedisCleanupJob", "Create", "Created Job %s", want.Name)
		return false, "", nil
	}
	if err != nil {
		return false, "", fmt.Errorf("get Job %s: %w", desired.CleanupName(c), err)
	}
	done, left = ended(&job)
	return done, left, nil
}

// ended reports whether a Job has done its work, or else why it never will.
func ended(job *batchv1.Job) (done bool, left string) {
	for _, condition := range job.Status.Conditions {
		switch {
		case condition.Status != corev1.ConditionTrue:
		case condition.Type == batchv1.JobComplete:
			return true, ""
		case condition.Type == batchv1.JobFailed:
			return false, "Job " + job.Name + " failed: " + condition.Message
		}
	}
	return false, ""
}
