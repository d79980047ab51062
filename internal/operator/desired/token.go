package desired

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/remora-ray/remora/api/rayv1"
)

// TokenKey is the key of the token in a cluster's Secret.
const TokenKey = "auth_token"

// TokenSecret is the name of the Secret with the token that Ray asks for, and whether
// the operator makes it. Empty: Ray asks for none, or for Kubernetes' own tokens.
func TokenSecret(c *rayv1.RayCluster) (name string, made bool) {
	o := c.Spec.AuthOptions
	if o == nil || o.Mode != rayv1.AuthToken || truth(o.EnableK8sTokenAuth) {
		return "", false
	}
	if o.SecretName != nil && *o.SecretName != "" {
		return *o.SecretName, false
	}
	return objectName(c.Name), true
}

// addToken gives Ray, and what talks to it in the pod, the token.
func addToken(pod *corev1.Pod, c *rayv1.RayCluster) {
	o := c.Spec.AuthOptions
	if o == nil || o.Mode != rayv1.AuthToken {
		return
	}
	vars := []corev1.EnvVar{{Name: "RAY_AUTH_MODE", Value: "token"}}
	secret, _ := TokenSecret(c)
	if secret != "" {
		vars = append(vars, corev1.EnvVar{Name: "RAY_AUTH_TOKEN", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: TokenKey,
		}}})
	} else {
		const dir = "/var/run/secrets/ray.io/serviceaccount"
		vars = append(vars,
			corev1.EnvVar{Name: "RAY_ENABLE_K8S_TOKEN_AUTH", Value: "true"},
			corev1.EnvVar{Name: "RAY_AUTH_TOKEN_PATH", Value: dir + "/token"},
		)
		addVolume(pod, corev1.Volume{Name: "ray-token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}}},
		}}})
		for _, container := range talkers(pod) {
			mount(container, "ray-token", dir)
		}
	}
	for _, container := range talkers(pod) {
		setEnv(container, vars...)
	}
}

// talkers are the containers of a pod that talk to Ray.
func talkers(pod *corev1.Pod) []*corev1.Container {
	found := []*corev1.Container{&pod.Spec.Containers[0]}
	for i := range pod.Spec.Containers[1:] {
		if c := &pod.Spec.Containers[i+1]; c.Name == autoscalerName {
			found = append(found, c)
		}
	}
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; c.Name == waitForHead {
			found = append(found, c)
		}
	}
	return found
}

// Token is the Secret that holds a token for c.
func Token(c *rayv1.RayCluster, token string) *corev1.Secret {
	name, _ := TokenSecret(c)
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: meta(c, name, map[string]string{LabelCluster: c.Name}),
		StringData: map[string]string{TokenKey: token},
	}
}
