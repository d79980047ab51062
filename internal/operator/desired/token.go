package desired

import (
	"slices"

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

const (
	tokenVolume = "ray-token"
	tokenDir    = "/var/run/secrets/ray.io/serviceaccount" // where Ray looks for Kubernetes' tokens
)

// addToken gives Ray, and what waits for it in the pod, the token. The autoscaler has it.
func addToken(pod *corev1.Pod, c *rayv1.RayCluster) {
	if !asksToken(c) {
		return
	}
	if truth(c.Spec.AuthOptions.EnableK8sTokenAuth) {
		addVolume(pod, corev1.Volume{Name: tokenVolume, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}}},
		}}})
	}
	tokenFor(&pod.Spec.Containers[0], c)
	for i := range pod.Spec.InitContainers {
		if init := &pod.Spec.InitContainers[i]; init.Name == waitForHead {
			tokenFor(init, c)
		}
	}
}

func asksToken(c *rayv1.RayCluster) bool {
	return c.Spec.AuthOptions != nil && c.Spec.AuthOptions.Mode == rayv1.AuthToken
}

// tokenFor has a container show the token, unless it says itself how it is asked.
func tokenFor(container *corev1.Container, c *rayv1.RayCluster) {
	if !asksToken(c) {
		return
	}
	addEnv(container, corev1.EnvVar{Name: "RAY_AUTH_MODE", Value: "token"})
	secret, _ := TokenSecret(c)
	if secret == "" {
		addEnv(container, corev1.EnvVar{Name: "RAY_ENABLE_K8S_TOKEN_AUTH", Value: "true"})
		if !slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == tokenVolume }) {
			container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: tokenVolume, MountPath: tokenDir, ReadOnly: true})
		}
		return
	}
	addEnv(container, corev1.EnvVar{Name: "RAY_AUTH_TOKEN", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: TokenKey,
	}}})
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
