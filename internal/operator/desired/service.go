package desired

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/remora-ray/remora/api/rayv1"
)

var serviceType = metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}

// headPorts are those of the Ray container, else Ray's own; the metrics always.
func headPorts(c *rayv1.RayCluster) []corev1.ServicePort {
	ports := map[string]int32{}
	for _, p := range c.Spec.HeadGroupSpec.Template.Spec.Containers[0].Ports {
		name := p.Name
		if name == "" {
			name = fmt.Sprintf("%d-port", p.ContainerPort)
		}
		ports[name] = p.ContainerPort
	}
	if len(ports) == 0 {
		ports = map[string]int32{"client": 10001, "gcs-server": 6379, "dashboard": 8265, "serve": 8000}
	}
	if _, ok := ports["metrics"]; !ok {
		ports["metrics"] = metricsPort(c.Spec.HeadGroupSpec.RayStartParams)
	}
	var list []corev1.ServicePort
	for name, port := range ports {
		list = append(list, corev1.ServicePort{Name: name, Port: port, TargetPort: intstr.FromInt32(port), Protocol: corev1.ProtocolTCP, AppProtocol: ptr("tcp")})
	}
	slices.SortFunc(list, byName)
	return list
}

func byName(a, b corev1.ServicePort) int { return cmp.Compare(a.Name, b.Name) }

// headService is the name that workers and people find the head by. Unless it is of a
// type that needs an address it is headless, and also names a head that is not ready.
func headService(c *rayv1.RayCluster) *corev1.Service {
	selector := HeadSelector(c)
	if name := c.Spec.HeadGroupSpec.Template.Labels[labelAppName]; name != "" {
		selector[labelAppName] = name
	}
	labels := maps.Clone(selector)
	if own := c.Spec.HeadGroupSpec.HeadService; own != nil {
		return customHeadService(c, own.DeepCopy(), labels, selector)
	}
	s := &corev1.Service{
		TypeMeta:   serviceType,
		ObjectMeta: meta(c, HeadServiceName(c), labels),
		Spec: corev1.ServiceSpec{
			Type:     cmp.Or(c.Spec.HeadGroupSpec.ServiceType, corev1.ServiceTypeClusterIP),
			Selector: selector,
			Ports:    headPorts(c),
		},
	}
	s.Annotations = maps.Clone(c.Spec.HeadServiceAnnotations)
	if s.Spec.Type == corev1.ServiceTypeClusterIP {
		s.Spec.ClusterIP = corev1.ClusterIPNone
		s.Spec.PublishNotReadyAddresses = true
	}
	return s
}

// customHeadService is the user's own Service with the selector and the ports of a head.
func customHeadService(c *rayv1.RayCluster, s *corev1.Service, labels, selector map[string]string) *corev1.Service {
	own := s.Labels
	if own == nil {
		own = map[string]string{}
	}
	maps.Copy(own, labels)
	annotations := s.Annotations
	if annotations == nil {
		annotations = map[string]string{}
	}
	maps.Copy(annotations, c.Spec.HeadServiceAnnotations)
	s.TypeMeta, s.Status = serviceType, corev1.ServiceStatus{}
	s.ObjectMeta = meta(c, HeadServiceName(c), own)
	s.Annotations = annotations
	s.Spec.Selector = selector
	if s.Spec.Type == "" {
		s.Spec.Type = cmp.Or(c.Spec.HeadGroupSpec.ServiceType, corev1.ServiceTypeClusterIP)
	}
	for _, port := range headPorts(c) {
		if !slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == port.Name }) {
			s.Spec.Ports = append(s.Spec.Ports, port)
		}
	}
	slices.SortStableFunc(s.Spec.Ports, byName)
	return s
}

// headlessService lets the pods of one replica find each other; nil where every
// replica is one pod.
func headlessService(c *rayv1.RayCluster) *corev1.Service {
	if !slices.ContainsFunc(c.Spec.WorkerGroupSpecs, func(g rayv1.WorkerGroupSpec) bool { return g.NumOfHosts > 1 }) {
		return nil
	}
	return &corev1.Service{
		TypeMeta:   serviceType,
		ObjectMeta: meta(c, NamesOf(c).Headless, map[string]string{LabelHeadless: c.Name}),
		Spec: corev1.ServiceSpec{
			Type:                     corev1.ServiceTypeClusterIP,
			ClusterIP:                corev1.ClusterIPNone,
			Selector:                 map[string]string{LabelCluster: c.Name, LabelNodeType: Worker},
			PublishNotReadyAddresses: true,
		},
	}
}

// serveService is in front of Ray Serve where an annotation asks for it.
func serveService(c *rayv1.RayCluster) *corev1.Service {
	if c.Annotations[rayv1.AnnotationServeService] != "true" {
		return nil
	}
	var ports []corev1.ServicePort
	for _, p := range headPorts(c) {
		if p.Name == "serve" || strings.HasPrefix(p.Name, "serve-") {
			ports = append(ports, corev1.ServicePort{Name: p.Name, Port: p.Port, TargetPort: p.TargetPort, Protocol: p.Protocol})
		}
	}
	if len(ports) == 0 {
		return nil
	}
	return &corev1.Service{
		TypeMeta: serviceType,
		ObjectMeta: meta(c, NamesOf(c).Serve, map[string]string{
			rayv1.LabelOriginName: c.Name,
			rayv1.LabelOriginCRD:  "RayCluster",
			LabelServe:            labelValue(c.Name + "-serve"),
		}),
		Spec: corev1.ServiceSpec{
			Type:     cmp.Or(c.Spec.HeadGroupSpec.ServiceType, corev1.ServiceTypeClusterIP),
			Selector: map[string]string{LabelCluster: c.Name},
			Ports:    ports,
		},
	}
}
