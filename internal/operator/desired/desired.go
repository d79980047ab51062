// Package desired builds what a RayCluster should consist of. Its one invariant: every
// function is pure. It reads the cluster and the settings and nothing else, changes
// neither, and returns fresh objects, the same ones each time.
package desired

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/remora-ray/remora/api/rayv1"
)

// Settings are the operator's own, the same for all clusters. Its zero value works and
// puts no agent into pods.
type Settings struct {
	ClusterDomain string // of Kubernetes; empty: cluster.local
	Version       string // of this operator
	Agent         Agent
}

// Agent is the log agent that pods get.
type Agent struct {
	Image       string // empty: no agent unless spec.logs names an image
	URL         string // of the server; empty: no agent unless spec.logs names one
	Tenant      string
	TokenSecret *corev1.SecretKeySelector // in each cluster's namespace
	HandToken   bool                      // agents get the operator's token in AgentTokenSecret, where TokenSecret is nil
	Wait        time.Duration             // how much longer pods may take to end; 0: 15 s
}

// Objects are all of a cluster but its pods. What a cluster does not need is nil.
type Objects struct {
	HeadService     *corev1.Service
	HeadlessService *corev1.Service
	ServeService    *corev1.Service
	Ingress         *networkingv1.Ingress
	ServiceAccount  *corev1.ServiceAccount
	Role            *rbacv1.Role
	RoleBinding     *rbacv1.RoleBinding
	AgentConfig     *corev1.ConfigMap
	Volume          *corev1.PersistentVolumeClaim
	NetworkPolicies []*networkingv1.NetworkPolicy
}

// Of builds all objects of a cluster but its pods.
func Of(c *rayv1.RayCluster, s Settings) Objects {
	o := Objects{
		HeadService:     headService(c),
		HeadlessService: headlessService(c),
		ServeService:    serveService(c),
		Ingress:         ingress(c),
		AgentConfig:     AgentConfig(c, s),
		Volume:          gcsVolume(c),
		NetworkPolicies: networkPolicies(c, s),
	}
	if c.Spec.Autoscaling() {
		o.ServiceAccount, o.Role, o.RoleBinding = serviceAccount(c), role(c), roleBinding(c)
	}
	return o
}

func truth(b *bool) bool { return b != nil && *b }
