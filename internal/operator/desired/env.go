package desired

import (
	"cmp"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/remora-ray/remora/api/rayv1"
)

func fromField(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}}
}

func labelPath(label string) string { return "metadata.labels['" + label + "']" }

// addEnv sets variables unless they are there.
func addEnv(c *corev1.Container, vars ...corev1.EnvVar) {
	for _, v := range vars {
		if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == v.Name }) {
			c.Env = append(c.Env, v)
		}
	}
}

// setEnv sets variables whatever was there.
func setEnv(c *corev1.Container, vars ...corev1.EnvVar) {
	for _, v := range vars {
		c.Env = slices.DeleteFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == v.Name })
		c.Env = append(c.Env, v)
	}
}

// addressEnv tells where the head is: its full name and, for older images, the short one.
func addressEnv(c *rayv1.RayCluster, s Settings) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "FQ_RAY_IP", Value: HeadAddress(c, s)},
		{Name: "RAY_IP", Value: HeadServiceName(c)},
	}
}

// setRayEnv sets the variables that Ray and what runs on it read.
func setRayEnv(ray *corev1.Container, c *rayv1.RayCluster, s Settings, nodeType, start string) {
	address := "127.0.0.1:" + gcsPort(c)
	if nodeType == Worker {
		address = HeadAddress(c, s) + ":" + gcsPort(c)
		setEnv(ray, addressEnv(c, s)...)
	}
	setEnv(ray,
		fromField("RAY_CLUSTER_NAME", labelPath(LabelCluster)),
		fromField("RAY_CLUSTER_NAMESPACE", "metadata.namespace"),
		fromField("RAY_CLOUD_INSTANCE_ID", "metadata.name"),
		fromField("RAY_NODE_TYPE_NAME", labelPath(LabelGroup)),
		corev1.EnvVar{Name: "KUBERAY_GEN_RAY_START_CMD", Value: start},
	)
	addEnv(ray, corev1.EnvVar{Name: "RAY_PORT", Value: gcsPort(c)})
	if c.Labels[rayv1.LabelOriginCRD] == rayService {
		addEnv(ray,
			corev1.EnvVar{Name: "RAY_timeout_ms_task_wait_for_death_info", Value: "0"},
			corev1.EnvVar{Name: "RAY_gcs_server_request_timeout_seconds", Value: "5"},
			corev1.EnvVar{Name: "RAY_SERVE_KV_TIMEOUT_S", Value: "5"},
		)
	}
	addEnv(ray,
		corev1.EnvVar{Name: "RAY_ADDRESS", Value: address},
		corev1.EnvVar{Name: "RAY_USAGE_STATS_KUBERAY_IN_USE", Value: "1"},
	)
	if nodeType == Head {
		crd := cmp.Or(c.Labels[rayv1.LabelOriginCRD], "RayCluster")
		setEnv(ray, corev1.EnvVar{Name: "RAY_USAGE_STATS_EXTRA_TAGS", Value: "kuberay_version=" + s.Version + ";kuberay_crd=" + crd})
	}
	addEnv(ray, corev1.EnvVar{Name: "RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE", Value: "1"})
	if l := c.Spec.Logs; l != nil && l.Rotation != nil {
		if n := l.Rotation.Bytes; n != nil {
			addEnv(ray, corev1.EnvVar{Name: "RAY_ROTATION_MAX_BYTES", Value: strconv.FormatInt(*n, 10)})
		}
		if n := l.Rotation.Backups; n != nil {
			addEnv(ray, corev1.EnvVar{Name: "RAY_ROTATION_BACKUP_COUNT", Value: strconv.Itoa(int(*n))})
		}
	}
}
