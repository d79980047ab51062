package desired_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
)

func value(c *corev1.Container, name string) string {
	for _, v := range c.Env {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

func TestAHeadWithTheAutoscalerKnowsItsStorage(t *testing.T) {
	c := load(t, "../testdata/manifests/article-ray-cluster.yaml")
	on := true
	c.Spec.EnableInTreeAutoscaling = &on
	c.Spec.GcsFaultToleranceOptions = &rayv1.GcsFaultToleranceOptions{RedisAddress: "redis:6379"}
	ray := &desired.HeadPod(c, settings()).Spec.Containers[0]
	if got := value(ray, "RAY_REDIS_ADDRESS"); got != "redis:6379" {
		t.Errorf("RAY_REDIS_ADDRESS of Ray is %q: its state would be lost with the head", got)
	}
	if got := value(ray, "RAY_external_storage_namespace"); got != string(c.UID) {
		t.Errorf("RAY_external_storage_namespace of Ray is %q, want the cluster's uid", got)
	}
}

func TestContainersThatSayHowTheyAreAsked(t *testing.T) {
	c := load(t, "../testdata/manifests/article-ray-cluster.yaml")
	c.Spec.AuthOptions = &rayv1.AuthOptions{Mode: rayv1.AuthToken}
	own := &c.Spec.HeadGroupSpec.Template.Spec.Containers[0]
	own.Env = append(own.Env, corev1.EnvVar{Name: "RAY_AUTH_MODE", Value: "disabled"})
	if got := value(&desired.HeadPod(c, settings()).Spec.Containers[0], "RAY_AUTH_MODE"); got != "disabled" {
		t.Errorf("RAY_AUTH_MODE is %q, want the user's own", got)
	}
}

func TestTheHeadServiceNamesWhatItSelects(t *testing.T) {
	c := load(t, "../testdata/manifests/article-ray-cluster.yaml")
	c.Spec.HeadServiceAnnotations = map[string]string{"a": "of the cluster"}
	c.Spec.HeadGroupSpec.HeadService = &corev1.Service{}
	c.Spec.HeadGroupSpec.HeadService.Annotations = map[string]string{"a": "of the service", "b": "of the service"}
	if got := desired.Of(c, settings()).HeadService.Annotations; got["a"] != "of the cluster" || got["b"] != "of the service" {
		t.Errorf("annotations are %v, want the cluster's to win", got)
	}
	c.Spec.HeadGroupSpec.HeadService = nil
	c.Spec.HeadGroupSpec.ServiceType = corev1.ServiceTypeLoadBalancer
	if desired.Of(c, settings()).HeadService.Spec.PublishNotReadyAddresses {
		t.Error("a load balancer leads to a head that is not ready")
	}
}

// Only Ray's container of the head cleans Redis, and it has what it needs for that.
func TestRedisCleanup(t *testing.T) {
	c := load(t, "../testdata/manifests/article-ray-cluster.yaml")
	on := true
	c.Spec.EnableInTreeAutoscaling = &on
	c.Spec.GcsFaultToleranceOptions = &rayv1.GcsFaultToleranceOptions{RedisAddress: "redis:6379", RedisPassword: &rayv1.RedisCredential{Value: "p"}}
	job := desired.RedisCleanup(c, settings())
	pod := job.Spec.Template
	if len(pod.Spec.Containers) != 1 || slices.ContainsFunc(pod.Spec.InitContainers, func(i corev1.Container) bool { return i.Name == desired.AgentName }) {
		t.Errorf("the Job has %d containers and %d init containers, want Ray's alone", len(pod.Spec.Containers), len(pod.Spec.InitContainers))
	}
	ray := &pod.Spec.Containers[0]
	if value(ray, "RAY_REDIS_ADDRESS") != "redis:6379" || value(ray, "REDIS_PASSWORD") != "p" || value(ray, "RAY_external_storage_namespace") == "" {
		t.Errorf("the Job does not know where the state is: %v", ray.Env)
	}
	if job.Labels[desired.LabelNodeType] == desired.Head || pod.Labels[desired.LabelNodeType] == desired.Head {
		t.Error("the Job's pod would be taken for a head")
	}
	if ray.LivenessProbe != nil || ray.ReadinessProbe != nil || pod.Spec.RestartPolicy != corev1.RestartPolicyNever {
		t.Error("the Job's pod is asked how Ray is, which does not run, or starts again")
	}
	c.Spec.GcsFaultToleranceOptions = &rayv1.GcsFaultToleranceOptions{Backend: rayv1.BackendRocksDB}
	if desired.KeepsInRedis(c) {
		t.Error("a volume is taken for a Redis")
	}
}

// What is closed stays open for the pods themselves, for names and for log lines.
func TestNetworkPolicies(t *testing.T) {
	c := load(t, "../testdata/manifests/hosts.yaml")
	group := c.Spec.WorkerGroupSpecs[0].GroupName
	c.Spec.NetworkPolicy = &rayv1.NetworkPolicyOptions{Mode: rayv1.DenyAllEgress}
	policies := desired.Of(c, settings()).NetworkPolicies
	if len(policies) != 1+len(c.Spec.WorkerGroupSpecs) || policies[0].Name != c.Name+"-head" || policies[1].Name != c.Name+"-workers-"+group {
		t.Fatalf("the policies are %v", policies)
	}
	head := desired.HeadPod(c, settings())
	for key, want := range policies[0].Spec.PodSelector.MatchLabels {
		if head.Labels[key] != want {
			t.Errorf("the head's policy selects %s=%s, its pod has %q", key, want, head.Labels[key])
		}
	}
	spec := policies[0].Spec
	if len(spec.PolicyTypes) != 1 || spec.PolicyTypes[0] != "Egress" || len(spec.Ingress) != 0 {
		t.Errorf("DenyAllEgress closes %v", spec.PolicyTypes)
	}
	for _, test := range []struct{ url, namespace, port string }{
		{"http://remora.logs:3100", "logs", ""},
		{"http://remora.logs.svc.cluster.local", "logs", ""},
		{"http://remora:3100", c.Namespace, ""},
		{"https://loki.example.com", "", "443"},
		{"http://10.1.2.3:3100", "", "3100"},
	} {
		c.Spec.Logs = &rayv1.LogsSpec{URL: test.url, Image: "agent"}
		rules := desired.Of(c, settings()).NetworkPolicies[0].Spec.Egress
		last := rules[len(rules)-1]
		switch {
		case test.namespace != "" && (len(last.To) != 1 || last.To[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != test.namespace):
			t.Errorf("lines to %s: open is %v, want namespace %s", test.url, last.To, test.namespace)
		case test.port != "" && (len(last.Ports) != 1 || last.Ports[0].Port.String() != test.port):
			t.Errorf("lines to %s: open is %v, want port %s", test.url, last.Ports, test.port)
		}
	}
}
