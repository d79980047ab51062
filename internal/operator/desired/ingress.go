package desired

import (
	"cmp"
	"maps"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/remora-ray/remora/api/rayv1"
)

const annotationIngressClass = "kubernetes.io/ingress.class"

// ingress leads to the dashboard; nil unless it is asked for. It carries the cluster's
// annotations, of which the class is a field of its own.
func ingress(c *rayv1.RayCluster) *networkingv1.Ingress {
	if !truth(c.Spec.HeadGroupSpec.EnableIngress) {
		return nil
	}
	o := c.Spec.HeadGroupSpec.IngressOptions.DeepCopy()
	if o == nil {
		o = &rayv1.IngressOptions{}
	}
	if o.PathType == nil {
		o.PathType = ptr(networkingv1.PathTypePrefix)
	}
	port := int32(8265)
	for _, p := range headPorts(c) {
		if p.Name == "dashboard" {
			port = p.Port
		}
	}
	annotations := maps.Clone(c.Annotations)
	delete(annotations, annotationIngressClass)
	delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
	in := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "Ingress"},
		ObjectMeta: meta(c, NamesOf(c).Ingress, map[string]string{LabelCluster: c.Name, LabelIdentifier: labelValue(c.Name + "-" + Head), labelAppName: appName, labelCreatedBy: createdBy}),
		Spec: networkingv1.IngressSpec{
			TLS: o.TLS,
			Rules: []networkingv1.IngressRule{{Host: o.Host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{
					Path: cmp.Or(o.Path, "/"), PathType: o.PathType,
					Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
						Name: HeadServiceName(c), Port: networkingv1.ServiceBackendPort{Number: port},
					}},
				}},
			}}}},
		},
	}
	if len(annotations) > 0 {
		in.Annotations = annotations
	}
	if class := c.Annotations[annotationIngressClass]; class != "" {
		in.Spec.IngressClassName = &class
	}
	return in
}
