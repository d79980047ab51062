package desired

import (
	"net"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/remora-ray/remora/api/rayv1"
)

// labelNamespace is on every namespace, with its name.
const labelNamespace = "kubernetes.io/metadata.name"

// networkPolicies close the pods of a cluster that asks for it, one policy for the head
// and one for each group: open stays what its pods say to each other, names, the way to
// where log lines go, and what the user's rules open.
func networkPolicies(c *rayv1.RayCluster, s Settings) []*networkingv1.NetworkPolicy {
	o := c.Spec.NetworkPolicy
	if o == nil {
		return nil
	}
	all := []*networkingv1.NetworkPolicy{networkPolicy(c, s, Head, HeadGroup, c.Name+"-head", o.Head)}
	for _, g := range c.Spec.WorkerGroupSpecs {
		rules := o.Worker
		if own, ok := o.WorkerGroups[g.GroupName]; ok {
			rules = &own
		}
		name := strings.ToLower(strings.ReplaceAll(c.Name+"-workers-"+g.GroupName, "_", "-"))
		all = append(all, networkPolicy(c, s, Worker, g.GroupName, name, rules))
	}
	return all
}

func networkPolicy(c *rayv1.RayCluster, s Settings, nodeType, group, name string, rules *rayv1.NetworkPolicyRules) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: meta(c, name, rbacLabels(c)),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{LabelCluster: c.Name, LabelNodeType: nodeType, LabelGroup: group}},
		},
	}
	if rules == nil {
		rules = &rayv1.NetworkPolicyRules{}
	}
	siblings := []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{LabelCluster: c.Name}}}}
	if c.Spec.NetworkPolicy.Mode != rayv1.DenyAllEgress {
		p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
		p.Spec.Ingress = append([]networkingv1.NetworkPolicyIngressRule{{From: siblings}}, rules.DeepCopy().IngressRules...)
	}
	if c.Spec.NetworkPolicy.Mode != rayv1.DenyAllIngress {
		p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		p.Spec.Egress = slices.Concat([]networkingv1.NetworkPolicyEgressRule{{To: siblings}, toNames()}, toLogs(c, s), rules.DeepCopy().EgressRules)
	}
	return p
}

// toNames lets pods ask for names: workers know their head by one.
func toNames() networkingv1.NetworkPolicyEgressRule {
	return networkingv1.NetworkPolicyEgressRule{Ports: []networkingv1.NetworkPolicyPort{
		{Protocol: ptr(corev1.ProtocolUDP), Port: ptr(intstr.FromInt32(53))},
		{Protocol: ptr(corev1.ProtocolTCP), Port: ptr(intstr.FromInt32(53))},
	}}
}

// toLogs lets the agent reach the server: a Service by its namespace, as its pods may
// listen on another port than it has, and what is elsewhere by its port.
func toLogs(c *rayv1.RayCluster, s Settings) []networkingv1.NetworkPolicyEgressRule {
	if on, _, _ := Logs(c, s); !on {
		return nil
	}
	u, err := url.Parse(logsOf(c, s).URL)
	if err != nil {
		return nil // told by Validate
	}
	if parts := strings.Split(u.Hostname(), "."); net.ParseIP(u.Hostname()) == nil && (len(parts) <= 2 || parts[2] == "svc") {
		namespace := c.Namespace
		if len(parts) > 1 {
			namespace = parts[1]
		}
		in := &metav1.LabelSelector{MatchLabels: map[string]string{labelNamespace: namespace}}
		return []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: in}}}}
	}
	port := intstr.Parse(u.Port())
	if u.Port() == "" {
		port = intstr.FromInt32(map[string]int32{"http": 80, "https": 443}[u.Scheme])
	}
	return []networkingv1.NetworkPolicyEgressRule{{Ports: []networkingv1.NetworkPolicyPort{{Protocol: ptr(corev1.ProtocolTCP), Port: &port}}}}
}
