package desired

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/remora-ray/remora/api/rayv1"
)

const autoscalerName = "autoscaler"

// addAutoscaler puts Ray's autoscaler beside the head.
func addAutoscaler(pod *corev1.Pod, c *rayv1.RayCluster) {
	ray := &pod.Spec.Containers[0]
	const start = "ray kuberay-autoscaler --cluster-name $(RAY_CLUSTER_NAME) --cluster-namespace $(RAY_CLUSTER_NAMESPACE)"
	size := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("500m"),
		corev1.ResourceMemory: resource.MustParse("512Mi"),
	}
	a := corev1.Container{
		Name:            autoscalerName,
		Image:           ray.Image,
		ImagePullPolicy: ray.ImagePullPolicy,
		Command:         []string{"/bin/bash", "-c", "--"},
		Args:            []string{start},
		Env: []corev1.EnvVar{
			fromField("RAY_CLUSTER_NAME", labelPath(LabelCluster)),
			fromField("RAY_CLUSTER_NAMESPACE", "metadata.namespace"),
			fromField("RAY_HEAD_POD_NAME", "metadata.name"),
			{Name: "KUBERAY_CRD_VER", Value: "v1"},
			{Name: "KUBERAY_GEN_AUTOSCALER_START_CMD", Value: start},
		},
		Resources:       corev1.ResourceRequirements{Limits: size, Requests: size.DeepCopy()},
		SecurityContext: unprivileged(ray.SecurityContext),
	}
	tokenFor(&a, c)
	if o := c.Spec.AutoscalerOptions.DeepCopy(); o != nil {
		withOptions(&a, o)
	}
	pod.Spec.Containers = append(pod.Spec.Containers, a)
	if pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName = objectName(c.Name)
	}
}

// unprivileged is as confined as s is, and has none of the powers that s gives: where
// Ray passes a level of Pod Security, what stands beside it does so too.
func unprivileged(s *corev1.SecurityContext) *corev1.SecurityContext {
	if s == nil {
		return nil
	}
	s = s.DeepCopy()
	s.Privileged, s.ProcMount = nil, nil
	if s.Capabilities != nil {
		s.Capabilities.Add = nil
	}
	return s
}

// shareAutoscalerLogs has the autoscaler write its logs where Ray reads them.
func shareAutoscalerLogs(pod *corev1.Pod) {
	for i := range pod.Spec.Containers[1:] {
		if a := &pod.Spec.Containers[i+1]; a.Name == autoscalerName && !mounted(a, logsPath) {
			mount(a, shareLogs(pod), logsPath)
		}
	}
}

func withOptions(a *corev1.Container, o *rayv1.AutoscalerOptions) {
	if o.Image != nil {
		a.Image = *o.Image
	}
	if o.ImagePullPolicy != nil {
		a.ImagePullPolicy = *o.ImagePullPolicy
	}
	if o.Resources != nil {
		a.Resources = *o.Resources
	}
	if len(o.Command) > 0 {
		a.Command = o.Command
	}
	if len(o.Args) > 0 {
		a.Args = o.Args
	}
	if o.SecurityContext != nil {
		a.SecurityContext = o.SecurityContext
	}
	a.Env = append(a.Env, o.Env...)
	a.EnvFrom = append(a.EnvFrom, o.EnvFrom...)
	a.VolumeMounts = append(a.VolumeMounts, o.VolumeMounts...)
}

// autoscalerEnv tells a head which autoscaler was asked for.
func autoscalerEnv(ray *corev1.Container, c *rayv1.RayCluster) {
	if !c.Spec.Autoscaling() {
		return
	}
	switch c.Spec.AutoscalerVersion() {
	case rayv1.AutoscalerV2:
		setEnv(ray, corev1.EnvVar{Name: "RAY_enable_autoscaler_v2", Value: "true"})
	case rayv1.AutoscalerV1:
		setEnv(ray, corev1.EnvVar{Name: "RAY_enable_autoscaler_v2", Value: "false"})
	}
}

func rbacLabels(c *rayv1.RayCluster) map[string]string {
	return map[string]string{LabelCluster: c.Name, labelAppName: appName, labelCreatedBy: createdBy}
}

// serviceAccount of the head's pod; nil where the template names one.
func serviceAccount(c *rayv1.RayCluster) *corev1.ServiceAccount {
	if c.Spec.HeadGroupSpec.Template.Spec.ServiceAccountName != "" {
		return nil
	}
	return &corev1.ServiceAccount{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta: meta(c, objectName(c.Name), rbacLabels(c)),
	}
}

// role is what Ray's autoscaler does: it lists pods and writes replicas.
func role(c *rayv1.RayCluster) *rbacv1.Role {
	return &rbacv1.Role{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
		ObjectMeta: meta(c, objectName(c.Name), rbacLabels(c)),
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch", "patch"}},
			{APIGroups: []string{""}, Resources: []string{"pods/resize"}, Verbs: []string{"patch"}},
			{APIGroups: []string{"ray.io"}, Resources: []string{"rayclusters"}, Verbs: []string{"get", "patch"}},
		},
	}
}

func roleBinding(c *rayv1.RayCluster) *rbacv1.RoleBinding {
	account := c.Spec.HeadGroupSpec.Template.Spec.ServiceAccountName
	if account == "" {
		account = objectName(c.Name)
	}
	return &rbacv1.RoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
		ObjectMeta: meta(c, objectName(c.Name), rbacLabels(c)),
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: account, Namespace: c.Namespace}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: objectName(c.Name)},
	}
}
