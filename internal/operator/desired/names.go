package desired

import (
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/remora-ray/remora/api/rayv1"
)

// Labels of pods and Services. Ray's autoscaler reads cluster, node type and group;
// people's selectors read all of them.
const (
	LabelCluster      = "ray.io/cluster"
	LabelNodeType     = "ray.io/node-type"
	LabelGroup        = "ray.io/group"
	LabelIsRayNode    = "ray.io/is-ray-node"
	LabelIdentifier   = "ray.io/identifier"
	LabelServe        = "ray.io/serve"
	LabelHeadless     = "ray.io/headless-worker-svc"
	LabelReplicaIndex = "ray.io/worker-group-replica-index"
	LabelReplicaName  = "ray.io/worker-group-replica-name"
	LabelHostIndex    = "ray.io/replica-host-index"
	LabelApp          = "app"
	labelAppName      = "app.kubernetes.io/name"
	labelCreatedBy    = "app.kubernetes.io/created-by"

	Head      = "head"
	Worker    = "worker"
	HeadGroup = "headgroup"

	appName   = "kuberay"          // as KubeRay's pods carry it, whoever makes them
	createdBy = "kuberay-operator" // likewise
)

// Annotations that the operator writes on a head.
const (
	AnnotationRecreateHash = "ray.io/upgrade-strategy-recreate-hash"
	AnnotationVersion      = "ray.io/kuberay-version"
)

const (
	maxGenerated = 50 // of a name before what is appended to it
	maxLabel     = 63
)

// podName is the beginning of a pod's name, to which the API server adds five letters.
func podName(prefix, nodeType string) string {
	return strings.ToLower(prefix[:min(len(prefix), maxGenerated)] + "-" + nodeType + "-")
}

// objectName makes a name of at most 50 characters that begins with a letter. It keeps
// the end, as KubeRay does.
func objectName(s string) string { return clip(s, maxGenerated) }

func labelValue(s string) string { return clip(s, maxLabel) }

func clip(s string, longest int) string {
	s = s[max(0, len(s)-longest):]
	if s == "" {
		return s
	}
	if c := s[0]; c >= '0' && c <= '9' || strings.IndexByte("-_./:", c) >= 0 {
		s = "r" + s[1:]
	}
	return s
}

// HeadServiceName is the name of the Service in front of the head.
func HeadServiceName(c *rayv1.RayCluster) string {
	if own := c.Spec.HeadGroupSpec.HeadService; own != nil && own.Name != "" {
		return own.Name
	}
	return c.Name + "-head-svc"
}

// HeadAddress is the head's name in the cluster's DNS.
func HeadAddress(c *rayv1.RayCluster, s Settings) string {
	domain := s.ClusterDomain
	if domain == "" {
		domain = "cluster.local"
	}
	return HeadServiceName(c) + "." + c.Namespace + ".svc." + domain
}

// gcsPort is where Ray's global state listens.
func gcsPort(c *rayv1.RayCluster) string {
	if port := c.Spec.HeadGroupSpec.RayStartParams["port"]; port != "" {
		return port
	}
	return "6379"
}

// podLabels are those of a pod. What the template and the group say wins but for what
// tells whose the pod is.
func podLabels(c *rayv1.RayCluster, nodeType, group string, template, groupLabels map[string]string) map[string]string {
	labels := map[string]string{
		LabelIsRayNode:  "yes",
		LabelIdentifier: labelValue(c.Name + "-" + nodeType),
		labelAppName:    appName,
		labelCreatedBy:  createdBy,
		LabelApp:        "ray-" + nodeType,
	}
	maps.Copy(labels, template)
	maps.Copy(labels, groupLabels)
	labels[LabelNodeType], labels[LabelGroup], labels[LabelCluster] = nodeType, group, c.Name
	return labels
}

// HeadSelector are labels that heads of c have, and no other pods.
func HeadSelector(c *rayv1.RayCluster) map[string]string {
	return map[string]string{
		LabelCluster:    c.Name,
		LabelNodeType:   Head,
		LabelIdentifier: labelValue(c.Name + "-" + Head),
		labelAppName:    appName,
		labelCreatedBy:  createdBy,
	}
}

// meta is the beginning of every object but pods.
func meta(c *rayv1.RayCluster, name string, labels map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: c.Namespace, Labels: labels, OwnerReferences: owner(c)}
}

func owner(c *rayv1.RayCluster) []metav1.OwnerReference {
	return []metav1.OwnerReference{*metav1.NewControllerRef(c, rayv1.GroupVersion.WithKind("RayCluster"))}
}

// Names are those of objects that a cluster may have or not.
type Names struct {
	Headless, Serve, Ingress, Access, AgentConfig string
}

// NamesOf are the names of c's objects, whether they are desired or not.
func NamesOf(c *rayv1.RayCluster) Names {
	return Names{
		Headless:    c.Name + "-headless",
		Serve:       c.Name + "-serve-svc",
		Ingress:     objectName(c.Name + "-head-ingress"),
		Access:      objectName(c.Name),
		AgentConfig: objectName(c.Name + "-logs"),
	}
}
