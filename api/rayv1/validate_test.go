package rayv1_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/remora-ray/remora/api/rayv1"
)

const plain = `
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: c, namespace: default}
spec:
  rayVersion: 2.60.0
  headGroupSpec:
    rayStartParams: {}
    template: {spec: {containers: [{name: ray, image: "rayproject/ray:2.60.0", resources: {limits: {cpu: 2, memory: 4Gi}}}]}}
  workerGroupSpecs:
  - {groupName: w, replicas: 1, minReplicas: 0, maxReplicas: 2, template: {spec: {containers: [{name: ray, image: "rayproject/ray:2.60.0"}]}}}
`

// cluster reads plain with changes: pairs of dotted path and YAML.
func cluster(t *testing.T, changes ...string) *rayv1.RayCluster {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(plain), &tree); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(changes); i += 2 {
		var value any
		if err := yaml.Unmarshal([]byte(changes[i+1]), &value); err != nil {
			t.Fatalf("%s: %v", changes[i+1], err)
		}
		set(tree, strings.Split(changes[i], "."), value)
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	var c rayv1.RayCluster
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return &c
}

func set(node any, path []string, value any) {
	if list, ok := node.([]any); ok {
		node = list[0]
	}
	m := node.(map[string]any)
	if len(path) == 1 {
		m[strings.ReplaceAll(path[0], "~", ".")] = value
		return
	}
	key := strings.ReplaceAll(path[0], "~", ".")
	if m[key] == nil {
		m[key] = map[string]any{}
	}
	set(m[key], path[1:], value)
}

func TestValidate(t *testing.T) {
	const (
		head   = "spec.headGroupSpec"
		pod    = "spec.headGroupSpec.template.spec"
		ray    = "spec.headGroupSpec.template.spec.containers"
		worker = "spec.workerGroupSpecs"
	)
	for _, test := range []struct {
		name    string
		changes []string
		want    []string // KIND FIELD, invalid ones with a ! in front
	}{
		{"nothing wrong", nil, nil},
		{"long name", []string{"metadata.name", strings.Repeat("a", 54)}, []string{"!InvalidName metadata.name"}},
		{"name that no Service can have", []string{"metadata.name", "1a"}, []string{"!InvalidName metadata.name"}},
		{"no container", []string{ray, "[]"}, []string{"!InvalidGroup spec.headGroupSpec.template.spec.containers"}},
		{"two groups of one name", []string{worker, `[{groupName: a, minReplicas: 0, maxReplicas: 1, template: {spec: {containers: [{name: r}]}}}, {groupName: a, minReplicas: 0, maxReplicas: 1, template: {spec: {containers: [{name: r}]}}}]`}, []string{"!InvalidGroup spec.workerGroupSpecs[1].groupName"}},
		{"more at least than at most", []string{worker + ".minReplicas", "3"}, []string{"!InvalidReplicas spec.workerGroupSpecs[0].minReplicas"}},
		{"no bounds", []string{worker + ".minReplicas", "null"}, []string{"!InvalidReplicas spec.workerGroupSpecs[0]"}},
		{"no bounds, which the autoscaler takes", []string{worker + ".minReplicas", "null", "spec.enableInTreeAutoscaling", "true"}, nil},
		{"CPUs said twice", []string{head + ".resources", "{CPU: '1'}", head + ".rayStartParams", "{num-cpus: '1'}"}, []string{"!InvalidRayStartParams spec.headGroupSpec.rayStartParams.num-cpus"}},
		{"labels as a parameter", []string{head + ".rayStartParams", "{labels: a=b}"}, []string{"!InvalidRayStartParams spec.headGroupSpec.rayStartParams.labels"}},
		{"labels that Kubernetes does not take", []string{worker + ".labels", "{a: 'b c'}"}, []string{"!InvalidLabels spec.workerGroupSpecs[0].labels.a"}},
		{"memory as people write it", []string{head + ".rayStartParams", "{memory: 4Gi, object-store-memory: 2Gi}"}, nil},
		{"memory that is none", []string{head + ".rayStartParams", "{memory: 4GB}"}, []string{"!InvalidRayStartParams spec.headGroupSpec.rayStartParams.memory"}},
		{"memory that Ray's autoscaler cannot read", []string{head + ".rayStartParams", "{memory: 4Gi}", "spec.enableInTreeAutoscaling", "true"}, []string{"!InvalidRayStartParams spec.headGroupSpec.rayStartParams.memory"}},
		{"more memory than there is", []string{head + ".rayStartParams", "{memory: 5Gi, num-cpus: '3'}"}, []string{"BeyondLimits spec.headGroupSpec.rayStartParams.num-cpus", "BeyondLimits spec.headGroupSpec.rayStartParams.memory"}},
		{"fault tolerance said twice", []string{"metadata.annotations", "{ray.io/ft-enabled: 'true'}", "spec.gcsFaultToleranceOptions", "{redisAddress: 'redis:6379'}"}, []string{"!InvalidFaultTolerance metadata.annotations[ray.io/ft-enabled]"}},
		{"Redis without fault tolerance", []string{ray + ".env", "[{name: RAY_REDIS_ADDRESS, value: 'redis:6379'}]"}, []string{"!InvalidFaultTolerance spec.headGroupSpec.template.spec.containers[0].env.RAY_REDIS_ADDRESS"}},
		{"Redis' password twice", []string{head + ".rayStartParams", "{redis-password: secret}", "spec.gcsFaultToleranceOptions", "{redisAddress: 'redis:6379'}"}, []string{"!InvalidFaultTolerance spec.headGroupSpec.rayStartParams.redis-password"}},
		{"Redis' user as a parameter", []string{head + ".rayStartParams", "{redis-username: u}"}, []string{"!InvalidFaultTolerance spec.headGroupSpec.rayStartParams.redis-username"}},
		{"Redis without an address", []string{"spec.gcsFaultToleranceOptions", "{backend: redis}"}, []string{"!InvalidFaultTolerance spec.gcsFaultToleranceOptions.redisAddress"}},
		{"autoscaler v2 said twice", []string{"spec.enableInTreeAutoscaling", "true", "spec.autoscalerOptions", "{version: v2}", ray + ".env", "[{name: RAY_enable_autoscaler_v2, value: 'true'}]"}, []string{"!InvalidAutoscaler spec.headGroupSpec.template.spec.containers[0].env.RAY_enable_autoscaler_v2"}},
		{"options without an autoscaler", []string{"spec.autoscalerOptions", "{idleTimeoutSeconds: 5}"}, []string{"AutoscalerOptionsIgnored spec.autoscalerOptions"}},
		{"the autoscaler's own command", []string{"spec.enableInTreeAutoscaling", "true", "spec.autoscalerOptions", "{env: [{name: KUBERAY_GEN_AUTOSCALER_START_CMD, value: x}]}"}, []string{"!InvalidAutoscaler spec.autoscalerOptions.env.KUBERAY_GEN_AUTOSCALER_START_CMD"}},
		{"a group suspended under an autoscaler", []string{"spec.enableInTreeAutoscaling", "true", worker + ".suspend", "true"}, []string{"!InvalidAutoscaler spec.workerGroupSpecs[0].suspend"}},
		{"a restart policy against the autoscaler", []string{"spec.enableInTreeAutoscaling", "true", pod + ".restartPolicy", "Always"}, []string{"RestartPolicyTaken spec.headGroupSpec.template.spec.restartPolicy"}},
		{"tokens that this Ray does not know", []string{"spec.rayVersion", "2.51.0", "spec.authOptions", "{mode: token}"}, []string{"!InvalidAuth spec.authOptions.mode"}},
		{"Kubernetes' tokens that this Ray does not know", []string{"spec.rayVersion", "2.54.0", "spec.authOptions", "{mode: token, enableK8sTokenAuth: true}"}, []string{"!InvalidAuth spec.authOptions.enableK8sTokenAuth"}},
		{"Kubernetes' tokens and a Secret", []string{"spec.authOptions", "{mode: token, enableK8sTokenAuth: true, secretName: mine}"}, []string{"!InvalidAuth spec.authOptions.secretName"}},
		{"an idle time below none", []string{"spec.enableInTreeAutoscaling", "true", "spec.autoscalerOptions", "{idleTimeoutSeconds: -1}"}, []string{"!InvalidAutoscaler spec.autoscalerOptions.idleTimeoutSeconds"}},
		{"an idle time of a group below none", []string{"spec.enableInTreeAutoscaling", "true", "spec.autoscalerOptions", "{version: v2}", worker + ".idleTimeoutSeconds", "-1"}, []string{"!InvalidAutoscaler spec.workerGroupSpecs[0].idleTimeoutSeconds"}},
		{"an idle time of a group, which autoscaler v1 does not read", []string{"spec.enableInTreeAutoscaling", "true", worker + ".idleTimeoutSeconds", "5"}, []string{"!InvalidAutoscaler spec.workerGroupSpecs[0].idleTimeoutSeconds"}},
		{"an idle time of a group, and v2 by a variable", []string{"spec.enableInTreeAutoscaling", "true", worker + ".idleTimeoutSeconds", "5", ray + ".env", "[{name: RAY_enable_autoscaler_v2, value: '1'}]"}, nil},
		{"v2 by a variable where no autoscaler runs", []string{ray + ".env", "[{name: RAY_enable_autoscaler_v2, value: '1'}]"}, []string{"!InvalidAutoscaler spec.headGroupSpec.template.spec.containers[0].env.RAY_enable_autoscaler_v2"}},
		{"no v2 by a variable where no autoscaler runs", []string{ray + ".env", "[{name: RAY_enable_autoscaler_v2, value: '0'}]"}, nil},
		{"an autoscaler behind a wall", []string{"spec.enableInTreeAutoscaling", "true", "spec.networkPolicy", "{mode: DenyAll}"}, []string{"NetworkPolicyAdvice spec.networkPolicy.head.egressRules"}},
		{"rules for nobody", []string{"spec.networkPolicy", "{mode: DenyAllIngress, workerGroups: {x: {}}}"}, []string{"NetworkPolicyAdvice spec.networkPolicy.workerGroups.x"}},
		{"an upgrade strategy against the owner", []string{"metadata.labels", "{ray.io/originated-from-crd: RayJob}", "spec.upgradeStrategy", "{type: Recreate}"}, []string{"!InvalidUpgradeStrategy spec.upgradeStrategy.type"}},
		{"a backend that KubeRay's collector does not know", []string{"spec.historyServerOptions", "{collectorOptions: {image: i, env: [{name: STORAGE_BACKEND, value: FTP}]}}"}, []string{"!InvalidCollector spec.historyServerOptions.collectorOptions.env.STORAGE_BACKEND", "UnsupportedField spec.historyServerOptions"}},
		{"encryption, which is not there", []string{"spec.tlsOptions", "{enabled: true}"}, []string{"!UnsupportedField spec.tlsOptions.enabled"}},
		{"a wait that is no time", []string{"spec.logs", "{waitForLogs: soon}"}, []string{"!InvalidLogs spec.logs.waitForLogs"}},
		{"a server that is no address", []string{"spec.logs", "{url: 'remora:3100'}"}, []string{"!InvalidLogs spec.logs.url"}},
		{"a value that no decoder takes", []string{ray + ".resources.limits.memory", "1e5.5"}, []string{"!UnreadableSpec spec"}},
		{"fsGroup of a container", []string{ray + ".securityContext", "{fsGroup: 1000}"}, []string{"FSGroupOfPod spec.headGroupSpec.template.spec.containers[ray].securityContext.fsGroup"}},
		{"a password that Ray does not ask for", []string{ray + ".env", "[{name: RAY_DASHBOARD_PASSWORD, value: p}]"}, []string{"UnknownToRay spec.headGroupSpec.template.spec.containers[0].env.RAY_DASHBOARD_PASSWORD"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := cluster(t, test.changes...).Validate()
			var got []string
			for _, f := range found {
				mark := ""
				if f.Invalid {
					mark = "!"
				}
				got = append(got, mark+f.Kind+" "+f.Field)
				if f.Way == "" {
					t.Errorf("%s says no way out", f.Field)
				}
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// One object that cannot be decoded must not keep the others from being listed.
func TestAListWithAnUnreadableCluster(t *testing.T) {
	text := `{"items": [
		{"metadata": {"name": "bad", "resourceVersion": "7"}, "spec": {"headGroupSpec": {"template": {"spec": {"containers": [{"resources": {"limits": {"cpu": "1e5.5"}}}]}}}}},
		{"metadata": {"name": "good"}, "spec": {"headGroupSpec": {"template": {"spec": {"containers": [{"name": "ray"}]}}}}}]}`
	var list rayv1.RayClusterList
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	if bad := list.Items[0]; bad.Name != "bad" || bad.ResourceVersion != "7" || !rayv1.Invalid(bad.Validate()) {
		t.Errorf("the unreadable one is %q at %q and not told", bad.Name, bad.ResourceVersion)
	}
	if good := list.Items[1]; rayv1.Invalid(good.Validate()) {
		t.Errorf("the other one suffers: %v", good.Validate())
	}
}

func TestFSGroupOfAContainerBecomesThePods(t *testing.T) {
	c := cluster(t, "spec.headGroupSpec.template.spec.containers.securityContext", "{runAsUser: 1000, fsGroup: 2000}")
	if got := c.Spec.HeadGroupSpec.Template.Spec.SecurityContext; got == nil || got.FSGroup == nil || *got.FSGroup != 2000 {
		t.Errorf("the pod's security context is %v, want fsGroup 2000", got)
	}
}

func FuzzBytes(f *testing.F) {
	for _, s := range []string{"4Gi", "1000", "", "-1", "1e30", "0.5", "9223372036854775808"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := rayv1.Bytes(s); err == nil && n < 0 {
			t.Errorf("Bytes(%q) = %d", s, n)
		}
	})
}

func TestVersion(t *testing.T) {
	for _, test := range []struct {
		rayVersion, image string
		want              rayv1.Version
	}{
		{"2.60.0", "x", rayv1.Version{Major: 2, Minor: 60}},
		{"", "docker.io/rayproject/ray:2.9.0-py39-gpu", rayv1.Version{Major: 2, Minor: 9}},
		{"", "localhost:5000/rayproject/ray-ml:2.31", rayv1.Version{Major: 2, Minor: 31}},
		{"", "mine:2.60.0", rayv1.Version{}},
		{"", "rayproject/ray:nightly", rayv1.Version{}},
		{"", "rayproject/ray", rayv1.Version{}},
		{"latest", "rayproject/ray:2.9.0", rayv1.Version{}},
	} {
		c := cluster(t, "spec.rayVersion", `"`+test.rayVersion+`"`, "spec.headGroupSpec.template.spec.containers.image", test.image)
		if got := c.Spec.Version(); got != test.want {
			t.Errorf("rayVersion %q, image %q: %v, want %v", test.rayVersion, test.image, got, test.want)
		}
	}
}
