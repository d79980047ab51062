package desired

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/remora-ray/remora/api/rayv1"
)

const waitForHead = "wait-gcs-ready"

// waiting asks the head every 5 s whether it is there: in silence for two minutes, then
// with what the question is answered.
const waiting = `SECONDS=0
until if (( SECONDS <= 120 )); then ray health-check --address %[1]s >/dev/null 2>&1; else ray health-check --address %[1]s; fi; do
  echo "$SECONDS s: waiting for the head at %[1]s"
  sleep 5
done
echo "the head is ready"
`

// addWaitForHead keeps a worker from starting before the head answers; Ray would give up.
func addWaitForHead(pod *corev1.Pod, c *rayv1.RayCluster, s Settings) {
	ray := pod.Spec.Containers[0].DeepCopy()
	small := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("200m"),
		corev1.ResourceMemory: resource.MustParse("256Mi"),
	}
	init := corev1.Container{
		Name:            waitForHead,
		Image:           ray.Image,
		ImagePullPolicy: ray.ImagePullPolicy,
		Command:         []string{"/bin/bash", "-c", "--"},
		Args:            []string{fmt.Sprintf(waiting, HeadAddress(c, s)+":"+gcsPort(c))},
		SecurityContext: ray.SecurityContext,
		Env:             ray.Env,
		VolumeMounts:    ray.VolumeMounts,
		Resources:       corev1.ResourceRequirements{Limits: small, Requests: small.DeepCopy()},
	}
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, init)
}
