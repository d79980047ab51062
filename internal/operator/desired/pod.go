package desired

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/remora-ray/remora/api/rayv1"
)

const (
	sharedMemory = "shared-mem"
	sharedPath   = "/dev/shm"
	logsVolume   = "ray-logs"
	logsPath     = "/tmp/ray"
	rayService   = "RayService" // value of [rayv1.LabelOriginCRD]
)

// HeadPod builds the head of a cluster that [rayv1.RayCluster.Validate] finds runnable.
func HeadPod(c *rayv1.RayCluster, s Settings) *corev1.Pod {
	g := headGroup(c)
	pod := bare(c, g, podName(c.Name, Head))
	if c.Labels[rayv1.LabelOriginCRD] == rayService {
		pod.Labels[LabelServe] = "false" // until it is known to serve
	}
	if c.Spec.Autoscaling() {
		addAutoscaler(pod, c) // first: it may move the containers
	}
	autoscalerEnv(&pod.Spec.Containers[0], c)
	setStorage(pod, c)
	finish(pod, c, s, g, startParams(c, s, g))
	annotate(pod, AnnotationVersion, s.Version)
	annotate(pod, AnnotationRecreateHash, SpecHash(&c.Spec)) // Recreate may be asked for later
	return pod
}

// Replica is which replica of a group a worker belongs to, and which of its hosts it is.
type Replica struct {
	Index int
	Name  string // of a replica with several hosts; else empty
	Host  int
}

// WorkerPod builds a worker of a cluster that [rayv1.RayCluster.Validate] finds runnable.
func WorkerPod(c *rayv1.RayCluster, w *rayv1.WorkerGroupSpec, r Replica, s Settings) *corev1.Pod {
	g := workerGroup(w)
	pod := bare(c, g, podName(c.Name+"-"+w.GroupName, Worker))
	pod.Labels[LabelReplicaIndex] = strconv.Itoa(r.Index)
	if w.NumOfHosts > 1 {
		pod.Labels[LabelReplicaName] = r.Name
		pod.Labels[LabelHostIndex] = strconv.Itoa(r.Host)
		if pod.Spec.Subdomain == "" {
			pod.Spec.Subdomain = c.Name + "-headless"
		}
	}
	if c.Labels[rayv1.LabelOriginCRD] == rayService {
		pod.Labels[LabelServe] = "true"
	}
	addWaitForHead(pod, c, s)
	if c.KeepsState() {
		addEnv(&pod.Spec.Containers[0], corev1.EnvVar{Name: "RAY_gcs_rpc_server_reconnect_timeout_s", Value: "600"})
	}
	finish(pod, c, s, g, startParams(c, s, g))
	return pod
}

// bare is a pod as its template says, with the cluster's name on it.
func bare(c *rayv1.RayCluster, g group, name string) *corev1.Pod {
	t := g.template.DeepCopy()
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			GenerateName:    name,
			Namespace:       c.Namespace,
			Labels:          podLabels(c, g.nodeType, g.name, t.Labels, g.labels),
			Annotations:     t.Annotations,
			Finalizers:      t.Finalizers,
			OwnerReferences: owner(c),
		},
		Spec: t.Spec,
	}
	if c.Spec.Autoscaling() && (c.Spec.AutoscalerVersion() == rayv1.AutoscalerV2 || pod.Spec.RestartPolicy == corev1.RestartPolicyAlways) {
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever // the autoscaler replaces what ended
	}
	if (!c.Spec.Autoscaling() || g.nodeType == Worker) && pod.Spec.ServiceAccountName == "" && pod.Spec.AutomountServiceAccountToken == nil {
		pod.Spec.AutomountServiceAccountToken = ptr(false) // Ray asks nothing of Kubernetes
	}
	return pod
}

// finish makes the pod's first container a Ray node, and adds what every pod has.
func finish(pod *corev1.Pod, c *rayv1.RayCluster, s Settings, g group, params map[string]string) {
	ray := &pod.Spec.Containers[0]
	if !slices.ContainsFunc(ray.Ports, func(p corev1.ContainerPort) bool { return p.Name == "metrics" }) {
		ray.Ports = append(ray.Ports, corev1.ContainerPort{Name: "metrics", ContainerPort: metricsPort(params)})
	}
	addToken(pod, c)
	addSharedMemory(pod, ray, params)
	shareAutoscalerLogs(pod)
	start := startCommand(g.nodeType, params)
	overwritten := strings.EqualFold(c.Annotations[rayv1.AnnotationOverwriteCmd], "true")
	if overwritten {
		annotate(pod, rayv1.AnnotationOverwriteCmd, "true")
	}
	setCommand(ray, start, overwritten)
	for i := range pod.Spec.InitContainers {
		setEnv(&pod.Spec.InitContainers[i], addressEnv(c, s)...)
	}
	setRayEnv(ray, c, s, g.nodeType, start)
	setProbes(ray, c, g, params)
	AddAgent(pod, c, s)
}

// metricsPort is where Ray's metrics are.
func metricsPort(params map[string]string) int32 {
	port, err := strconv.ParseInt(params["metrics-export-port"], 10, 32)
	if err != nil || port == 0 {
		return 8080
	}
	return int32(port)
}

// addSharedMemory gives Ray's objects memory, unless the user put them elsewhere.
func addSharedMemory(pod *corev1.Pod, ray *corev1.Container, params map[string]string) {
	if _, elsewhere := params["plasma-directory"]; elsewhere || mounted(ray, sharedPath) {
		return
	}
	limit := ray.Resources.Limits.Memory()
	if limit.IsZero() {
		limit = ray.Resources.Requests.Memory()
	}
	var size *resource.Quantity
	if !limit.IsZero() {
		size = ptr(limit.DeepCopy())
	}
	addVolume(pod, corev1.Volume{Name: sharedMemory, VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: size},
	}})
	mount(ray, sharedMemory, sharedPath)
}

// shareLogs returns the name of the volume at /tmp/ray of the Ray container, the
// user's own or one made here.
func shareLogs(pod *corev1.Pod) string {
	ray := &pod.Spec.Containers[0]
	for _, m := range ray.VolumeMounts {
		if m.MountPath == logsPath {
			return m.Name
		}
	}
	addVolume(pod, corev1.Volume{Name: logsVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	mount(ray, logsVolume, logsPath)
	return logsVolume
}

func mounted(c *corev1.Container, path string) bool {
	return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == path })
}

func mount(c *corev1.Container, volume, path string) {
	if !mounted(c, path) {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: volume, MountPath: path})
	}
}

func addVolume(pod *corev1.Pod, v corev1.Volume) {
	if !slices.ContainsFunc(pod.Spec.Volumes, func(has corev1.Volume) bool { return has.Name == v.Name }) {
		pod.Spec.Volumes = append(pod.Spec.Volumes, v)
	}
}

func annotate(pod *corev1.Pod, key, value string) {
	if value == "" {
		return
	}
	pod.Annotations = maps.Clone(pod.Annotations)
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[key] = value
}

func ptr[T any](v T) *T { return &v }
