// Package manifests loads what deploy/agent offers as Kubernetes would, strictly, and
// checks that it is confined and speaks the agent's own language. It is a module of its
// own, so that nothing else links Kubernetes' types.
package manifests

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const dir = "../../deploy/agent"

// rayCluster is as much of KubeRay's type as the example uses.
type rayCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		RayVersion       string     `json:"rayVersion"`
		HeadGroupSpec    group      `json:"headGroupSpec"`
		WorkerGroupSpecs []rayGroup `json:"workerGroupSpecs"`
	} `json:"spec"`
}

type group struct {
	RayStartParams map[string]string      `json:"rayStartParams"`
	Template       corev1.PodTemplateSpec `json:"template"`
}

type rayGroup struct {
	group
	GroupName   string `json:"groupName"`
	Replicas    *int32 `json:"replicas"`
	MinReplicas *int32 `json:"minReplicas"`
	MaxReplicas *int32 `json:"maxReplicas"`
}

// kinds makes an empty object of each kind that may be there.
var kinds = map[string]func() any{
	"v1 Pod":            func() any { return new(corev1.Pod) },
	"v1 ConfigMap":      func() any { return new(corev1.ConfigMap) },
	"v1 Namespace":      func() any { return new(corev1.Namespace) },
	"v1 ServiceAccount": func() any { return new(corev1.ServiceAccount) },
	"rbac.authorization.k8s.io/v1 ClusterRole":        func() any { return new(rbacv1.ClusterRole) },
	"rbac.authorization.k8s.io/v1 ClusterRoleBinding": func() any { return new(rbacv1.ClusterRoleBinding) },
	"apps/v1 DaemonSet":                               func() any { return new(appsv1.DaemonSet) },
	"networking.k8s.io/v1 NetworkPolicy":              func() any { return new(networkingv1.NetworkPolicy) },
	"ray.io/v1 RayCluster":                            func() any { return new(rayCluster) },
}

// load reads every object of a file; an unknown field is a mistake.
func load(t *testing.T, name string) []any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	var all []any
	for _, doc := range regexp.MustCompile(`(?m)^---$`).Split(string(text), -1) {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(doc), &kind); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		make := kinds[kind.APIVersion+" "+kind.Kind]
		if make == nil {
			t.Fatalf("%s: no type is known for %s %s", name, kind.APIVersion, kind.Kind)
		}
		object := make()
		if err := yaml.UnmarshalStrict([]byte(doc), object); err != nil {
			t.Fatalf("%s, %s: %v", name, kind.Kind, err)
		}
		all = append(all, object)
	}
	return all
}

func find[T any](t *testing.T, name string) (found []T) {
	t.Helper()
	for _, o := range load(t, name) {
		if o, ok := o.(T); ok {
			found = append(found, o)
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s has no %T", name, *new(T))
	}
	return found
}

// pods are the specs of all pods with an agent.
func pods(t *testing.T) map[string]corev1.PodSpec {
	t.Helper()
	ray := find[*rayCluster](t, "raycluster.yaml")[0].Spec
	all := map[string]corev1.PodSpec{
		"sidecar":         find[*corev1.Pod](t, "sidecar.yaml")[0].Spec,
		"raycluster head": ray.HeadGroupSpec.Template.Spec,
		"daemonset":       find[*appsv1.DaemonSet](t, "daemonset.yaml")[0].Spec.Template.Spec,
	}
	for _, g := range ray.WorkerGroupSpecs {
		all["raycluster "+g.GroupName] = g.Template.Spec
	}
	return all
}

func agentOf(t *testing.T, p corev1.PodSpec) corev1.Container {
	t.Helper()
	for _, c := range append(slices.Clone(p.InitContainers), p.Containers...) {
		if c.Name == "remora-agent" {
			return c
		}
	}
	t.Fatal("no container remora-agent")
	return corev1.Container{}
}

func TestEveryFileLoads(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(names) < 5 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		load(t, filepath.Base(name))
	}
}

func TestAgentsAreConfined(t *testing.T) {
	for name, p := range pods(t) {
		c := agentOf(t, p)
		s := c.SecurityContext
		switch {
		case s == nil, !is(s.ReadOnlyRootFilesystem, true), !is(s.AllowPrivilegeEscalation, false):
			t.Errorf("%s: %+v", name, s)
		case s.Privileged != nil && *s.Privileged:
			t.Errorf("%s is privileged", name)
		case s.Capabilities == nil || len(s.Capabilities.Add) > 0 || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}):
			t.Errorf("%s: capabilities %+v", name, s.Capabilities)
		case s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault:
			t.Errorf("%s: seccomp %+v", name, s.SeccompProfile)
		case name != "daemonset" && (s.RunAsUser == nil || *s.RunAsUser != 1000 || !is(s.RunAsNonRoot, true)):
			t.Errorf("%s: user %v", name, s.RunAsUser)
		}
		if p.HostNetwork || p.HostPID || p.HostIPC {
			t.Errorf("%s shares the node's namespaces", name)
		}
		if c.Resources.Limits.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() {
			t.Errorf("%s: resources %+v", name, c.Resources)
		}
		if c.LivenessProbe == nil || c.LivenessProbe.HTTPGet.Path != "/healthz" {
			t.Errorf("%s: no liveness probe of /healthz", name)
		}
		for _, m := range c.VolumeMounts {
			if !slices.ContainsFunc(p.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
				t.Errorf("%s: mount %s of no volume", name, m.Name)
			}
		}
	}
}

func is(v *bool, want bool) bool { return v != nil && *v == want }

func TestSidecar(t *testing.T) {
	for name, p := range pods(t) {
		if name == "daemonset" {
			continue
		}
		c := p.InitContainers[0]
		if c.Name != "remora-agent" || c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			t.Errorf("%s: the first init container is no native sidecar: %s %v", name, c.Name, c.RestartPolicy)
		}
		if cpu, memory := resource.MustParse("100m"), resource.MustParse("128Mi"); !c.Resources.Limits.Cpu().Equal(cpu) || !c.Resources.Limits.Memory().Equal(memory) {
			t.Errorf("%s: limits %v", name, c.Resources.Limits)
		}
		if c.ReadinessProbe != nil || c.StartupProbe != nil {
			t.Errorf("%s: a probe of the agent holds up Ray", name)
		}
		// Both see the same /tmp/ray, and the agent may write names of its own there.
		shared := mountAt(c, "/tmp/ray")
		if shared == nil || shared.ReadOnly || mountAt(p.Containers[0], "/tmp/ray") == nil || mountAt(p.Containers[0], "/tmp/ray").Name != shared.Name {
			t.Errorf("%s: /tmp/ray is not shared", name)
		}
		if state := mountAt(c, "/var/lib/remora-agent"); state == nil || state.ReadOnly {
			t.Errorf("%s: no state", name)
		}
		if p.TerminationGracePeriodSeconds == nil || *p.TerminationGracePeriodSeconds < 30 {
			t.Errorf("%s: the grace period is too short to drain", name)
		}
	}
}

func mountAt(c corev1.Container, path string) *corev1.VolumeMount {
	for i := range c.VolumeMounts {
		if c.VolumeMounts[i].MountPath == path {
			return &c.VolumeMounts[i]
		}
	}
	return nil
}

// The agent of a node can write nothing of the node's but its own state, and may ask the
// API for nothing but pods.
func TestDaemonSet(t *testing.T) {
	p := pods(t)["daemonset"]
	c := agentOf(t, p)
	for _, v := range p.Volumes {
		for _, m := range c.VolumeMounts {
			if v.HostPath != nil && m.Name == v.Name && !m.ReadOnly && v.HostPath.Path != "/var/lib/remora-agent" {
				t.Errorf("%s can be written to", v.HostPath.Path)
			}
		}
	}
	for _, path := range []string{"/var/lib/kubelet/pods", "/var/log/pods", "/tmp/ray", "/var/ray", "/etc/machine-id"} {
		if mountAt(c, path) == nil {
			t.Errorf("%s is not mounted", path)
		}
	}
	want := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}}}
	role, binding := find[*rbacv1.ClusterRole](t, "daemonset.yaml")[0], find[*rbacv1.ClusterRoleBinding](t, "daemonset.yaml")[0]
	if !reflect.DeepEqual(role.Rules, want) {
		t.Errorf("rights: %+v", role.Rules)
	}
	if s := binding.Subjects; binding.RoleRef.Name != role.Name || len(s) != 1 || s[0].Name != p.ServiceAccountName || s[0].Namespace != "remora" {
		t.Errorf("the role is bound to %+v", s)
	}
	for _, a := range find[*corev1.ServiceAccount](t, "daemonset.yaml") {
		if !is(a.AutomountServiceAccountToken, false) {
			t.Errorf("%s mounts a token", a.Name)
		}
	}
	if c.ReadinessProbe == nil || c.ReadinessProbe.HTTPGet.Path != "/readyz" {
		t.Error("no readiness probe of /readyz")
	}
}

func TestNetworkPoliciesLetAgentsReachTheServer(t *testing.T) {
	for _, p := range find[*networkingv1.NetworkPolicy](t, "networkpolicy.yaml") {
		if !slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) {
			t.Errorf("%s has no egress", p.Name)
		}
		var ports []int
		for _, e := range p.Spec.Egress {
			if len(e.To) == 0 && len(e.Ports) == 0 {
				t.Errorf("%s lets traffic out to everywhere", p.Name)
			}
			for _, port := range e.Ports {
				ports = append(ports, port.Port.IntValue())
			}
		}
		slices.Sort(ports)
		want := []int{53, 53, 3100}
		if p.Name == "remora-agent" { // asks the API server too
			want = []int{53, 53, 443, 3100, 6443}
		}
		if !slices.Equal(ports, want) {
			t.Errorf("%s: ports %v", p.Name, ports)
		}
	}
}

// Flags and variables of the manifests are the agent's own, and it takes the
// configurations in them.
func TestTheAgentKnowsWhatManifestsSay(t *testing.T) {
	agent := build(t)
	help, err := exec.Command(agent, "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, help)
	}
	reference, err := exec.Command(agent, "reference").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range pods(t) {
		c := agentOf(t, p)
		for _, arg := range c.Args {
			if !known(help, arg) {
				t.Errorf("%s: no flag %s in\n%s", name, arg, help)
			}
		}
		for _, e := range c.Env {
			if !bytes.Contains(help, []byte(e.Name)) && !bytes.Contains(reference, []byte("`"+e.Name+"`")) {
				t.Errorf("%s: no variable %s in\n%s", name, e.Name, help)
			}
		}
		if m := mountAt(c, "/etc/remora"); m == nil || m.SubPath != "" || !slices.Contains(c.Args, "/etc/remora/agent.yaml") {
			t.Errorf("%s: the configuration is not mounted as a directory", name)
		}
	}
	for _, name := range []string{"configmap.yaml", "daemonset.yaml"} {
		for _, m := range find[*corev1.ConfigMap](t, name) {
			file := filepath.Join(t.TempDir(), "agent.yaml")
			if err := os.WriteFile(file, []byte(m.Data["agent.yaml"]), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(agent, "check", file).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
	}
}

// known reports whether the help tells of a flag; what is none is not asked about.
func known(help []byte, arg string) bool {
	name, flag := strings.CutPrefix(arg, "--")
	return !flag || regexp.MustCompile(`(?m)^\s+--?`+regexp.QuoteMeta(name)+`\b`).Match(help)
}

// Nor does the systemd unit name a flag that is not there.
func TestTheAgentKnowsWhatTheUnitSays(t *testing.T) {
	agent := build(t)
	help, err := exec.Command(agent, "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, help)
	}
	unit, err := os.ReadFile("../../internal/agent/install/testdata/flags.service")
	if err != nil {
		t.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^ExecStart=.*$`).FindString(string(unit))
	words := strings.Fields(start)
	if len(words) < 12 {
		t.Fatalf("only %q", start)
	}
	for _, w := range words {
		if !known(help, w) {
			t.Errorf("no flag %s in\n%s", w, help)
		}
	}
}

// build makes the agent.
func build(t *testing.T) string {
	t.Helper()
	agent := filepath.Join(t.TempDir(), "remora-agent")
	cmd := exec.Command("go", "build", "-o", agent, "./cmd/remora-agent")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v\n%s", err, out)
	}
	return agent
}

// Pods that have /tmp/ray on the node have each its own directory, where the agent of the
// node looks for them.
func TestDirectoriesOfTheNode(t *testing.T) {
	ray := find[*rayCluster](t, "raycluster-hostpath.yaml")[0].Spec
	agent := pods(t)["daemonset"]
	for name, p := range map[string]corev1.PodSpec{"head": ray.HeadGroupSpec.Template.Spec, "worker": ray.WorkerGroupSpecs[0].Template.Spec} {
		c := p.Containers[0]
		m := mountAt(c, "/tmp/ray")
		if m == nil || !strings.Contains(m.SubPathExpr, "$(POD_NAME)") || p.Volumes[0].HostPath == nil {
			t.Fatalf("%s: /tmp/ray is %+v", name, m)
		}
		for _, v := range regexp.MustCompile(`\$\((\w+)\)`).FindAllStringSubmatch(m.SubPathExpr, -1) {
			if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == v[1] && e.ValueFrom.FieldRef != nil }) {
				t.Errorf("%s: no variable %s", name, v[1])
			}
		}
		if mountAt(agentOf(t, agent), p.Volumes[0].HostPath.Path) == nil {
			t.Errorf("%s: the agent does not see %s", name, p.Volumes[0].HostPath.Path)
		}
	}
}

// The pods of the RayCluster carry the same agent as the sidecar of sidecar.yaml.
func TestTheSidecarIsTheSameEverywhere(t *testing.T) {
	all := pods(t)
	want, err := json.Marshal(agentOf(t, all["sidecar"]))
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range all {
		if got, _ := json.Marshal(agentOf(t, p)); name != "daemonset" && !bytes.Equal(got, want) {
			t.Errorf("%s:\n%s\nsidecar:\n%s", name, got, want)
		}
	}
}
