package desired

import (
	"maps"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/remora-ray/remora/api/rayv1"
)

// redisCleanup is the node type of pods that remove a cluster's state from Redis.
const redisCleanup = "redis-cleanup"

// KeepsInRedis reports whether a cluster's state is in a Redis, from which nobody but the
// operator removes it.
func KeepsInRedis(c *rayv1.RayCluster) bool { return c.KeepsState() && !rocksDB(c) }

// CleanupName is the name of the Job that removes a cluster's state from Redis.
func CleanupName(c *rayv1.RayCluster) string { return clip(c.Name+"-"+redisCleanup, maxLabel) }

// cleaning has Ray remove what it keeps under a cluster's name, and fails where Ray does.
const cleaning = `python -c "
import os, sys
from urllib.parse import urlparse
from ray._private.gcs_utils import cleanup_redis_storage
address = os.getenv('RAY_REDIS_ADDRESS', '').split(',')[0]
at = urlparse(address if '://' in address else 'redis://' + address)
who = {'username': os.getenv('REDIS_USERNAME', at.username)} if 'REDIS_USERNAME' in os.environ else {}
done = cleanup_redis_storage(host=at.hostname, port=at.port, password=os.getenv('REDIS_PASSWORD', at.password or ''),
    use_ssl=at.scheme == 'rediss', storage_namespace=os.getenv('RAY_external_storage_namespace'), **who)
sys.exit(0 if done else 1)
"
`

// RedisCleanup is the Job that removes the state of a cluster whose pods are gone: Ray's
// container of the head, as what it is to Redis stands there, with little to live on.
func RedisCleanup(c *rayv1.RayCluster, s Settings) *batchv1.Job {
	c = c.DeepCopy()
	off := false
	c.Spec.Logs = &rayv1.LogsSpec{Enabled: &off}
	pod := HeadPod(c, s)
	pod.Labels[LabelNodeType] = redisCleanup
	if pod.Labels[LabelApp] == "ray-"+Head { // by which people find heads
		delete(pod.Labels, LabelApp)
	}
	pod.Spec.Containers = pod.Spec.Containers[:1]
	ray := &pod.Spec.Containers[0]
	ray.Command, ray.Args = []string{"/bin/bash", "-c", "--"}, []string{cleaning}
	ray.LivenessProbe, ray.ReadinessProbe = nil, nil
	ray.Env = append(ray.Env,
		corev1.EnvVar{Name: "RAY_redis_db_connect_retries", Value: "120"},
		corev1.EnvVar{Name: "RAY_redis_db_connect_wait_milliseconds", Value: "500"},
	)
	small := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("200m"),
		corev1.ResourceMemory: resource.MustParse("256Mi"),
	}
	ray.Resources = corev1.ResourceRequirements{Limits: small, Requests: small.DeepCopy()}
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	labels := maps.Clone(pod.Labels)
	return &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name: CleanupName(c), Namespace: c.Namespace, Labels: labels,
			Annotations: maps.Clone(pod.Annotations), OwnerReferences: owner(c),
		},
		Spec: batchv1.JobSpec{
			BackoffLimit:          ptr(int32(0)),
			ActiveDeadlineSeconds: ptr(int64(300)),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels, Annotations: pod.Annotations, Finalizers: slices.Clone(pod.Finalizers)},
				Spec:       pod.Spec,
			},
		},
	}
}
