package desired

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/remora-ray/remora/api/rayv1"
)

const (
	// AgentName is the name of the agent's container.
	AgentName  = "remora-agent"
	agentState = "remora-agent-state"
	agentConf  = "remora-agent-config"
	agentToken = "remora-agent-token"

	// AgentTokenSecret is the Secret in a cluster's namespace by which agents get the
	// operator's own token, under the key AgentTokenKey.
	AgentTokenSecret = "remora-agent-token"
	AgentTokenKey    = "token"

	statePath   = "/var/lib/remora-agent"
	confPath    = "/etc/remora"
	tokenPath   = "/var/run/secrets/remora"
	AgentPort   = 9081
	rayUser     = 1000 // of Ray's images
	rayGroup    = 100
	usualGrace  = 30 // seconds that Kubernetes gives a pod to end
	defaultWait = 15 * time.Second
)

// Why a cluster's pods have the agent or not; reasons of the condition Logs.
const (
	LogsKept         = "Kept"
	LogsTurnedOff    = "TurnedOff"
	LogsNoServer     = "NoServer"
	LogsOwnCollector = "OwnCollector"
)

// Logs tells whether the pods of c get the agent, and why or why not.
func Logs(c *rayv1.RayCluster, s Settings) (on bool, reason, message string) {
	l := logsOf(c, s)
	switch {
	case l.Enabled != nil && !*l.Enabled:
		return false, LogsTurnedOff, "spec.logs.enabled is false: no log line is kept"
	case l.URL == "" || l.Image == "":
		return false, LogsNoServer, "nobody says where log lines go: set spec.logs.url and spec.logs.image, or the operator's --logs-url and --agent-image"
	}
	if l.Enabled == nil {
		groups := []group{headGroup(c)}
		for i := range c.Spec.WorkerGroupSpecs {
			groups = append(groups, workerGroup(&c.Spec.WorkerGroupSpecs[i]))
		}
		var own []string
		for _, g := range groups {
			if name := ownCollector(&g.template.Spec); name != "" {
				own = append(own, g.name+" ("+name+")")
			}
		}
		if len(own) == len(groups) {
			return false, LogsOwnCollector, "the pods have a log collector of their own: " + strings.Join(own, ", ") + "; spec.logs.enabled true adds the agent beside it"
		}
		if len(own) > 0 {
			return true, LogsKept, "lines go to " + l.URL + "; not those of groups with a log collector of their own: " + strings.Join(own, ", ")
		}
	}
	return true, LogsKept, "lines go to " + l.URL
}

// logsOf are the cluster's settings with the operator's where it has none.
func logsOf(c *rayv1.RayCluster, s Settings) rayv1.LogsSpec {
	var l rayv1.LogsSpec
	if c.Spec.Logs != nil {
		l = *c.Spec.Logs.DeepCopy()
	}
	if l.URL == "" { // tenant and token belong to a server
		l.URL = s.Agent.URL
		if l.TokenSecret == nil {
			l.TokenSecret = s.Agent.TokenSecret
		}
		if l.TokenSecret == nil && s.Agent.HandToken {
			l.TokenSecret = &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: AgentTokenSecret}, Key: AgentTokenKey}
		}
		if l.Tenant == "" {
			l.Tenant = s.Agent.Tenant
		}
	}
	if l.Image == "" {
		l.Image = s.Agent.Image
	}
	return l
}

// ownCollector names the container that shares /tmp/ray with Ray, and so reads its
// logs; empty: there is none.
func ownCollector(pod *corev1.PodSpec) string {
	volume := ""
	for _, m := range pod.Containers[0].VolumeMounts {
		if m.MountPath == logsPath || strings.HasPrefix(m.MountPath, logsPath+"/") {
			volume = m.Name
		}
	}
	if volume == "" {
		return ""
	}
	for _, c := range slices.Concat(pod.Containers[1:], pod.InitContainers) {
		lives := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		if slices.ContainsFunc(pod.InitContainers, func(i corev1.Container) bool { return i.Name == c.Name }) && !lives {
			continue
		}
		if c.Name != autoscalerName && slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume }) {
			return c.Name
		}
	}
	return ""
}

// AddAgent puts the log agent beside Ray, where c's pods get it: first of the init containers and always
// restarted, so that it starts before Ray, ends after it, and is not among the
// containers by whose state Ray's autoscaler judges the pod.
func AddAgent(pod *corev1.Pod, c *rayv1.RayCluster, s Settings) {
	on, _, _ := Logs(c, s)
	l := logsOf(c, s)
	if !on || l.Enabled == nil && ownCollector(&pod.Spec) != "" || slices.ContainsFunc(pod.Spec.InitContainers, func(i corev1.Container) bool { return i.Name == AgentName }) {
		return
	}
	volume := shareLogs(pod)
	agent := agentContainer(pod, &l)
	mount(&agent, volume, logsPath)
	mount(&agent, agentState, statePath)
	mount(&agent, agentConf, confPath)
	addVolume(pod, corev1.Volume{Name: agentState, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr(resource.MustParse("256Mi"))}}})
	addVolume(pod, corev1.Volume{Name: agentConf, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: NamesOf(c).AgentConfig},
	}}})
	if t := l.TokenSecret; t != nil {
		addVolume(pod, corev1.Volume{Name: agentToken, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: t.Name, Items: []corev1.KeyToPath{{Key: t.Key, Path: "token"}}, Optional: t.Optional,
		}}})
		mount(&agent, agentToken, tokenPath)
	}
	pod.Spec.InitContainers = slices.Insert(pod.Spec.InitContainers, 0, agent)
	setGrace(&pod.Spec, wait(&l, s))
}

func wait(l *rayv1.LogsSpec, s Settings) time.Duration {
	if d, err := time.ParseDuration(l.WaitForLogs); err == nil && d >= 0 && d <= rayv1.MaxWaitForLogs {
		return d
	}
	if s.Agent.Wait > 0 {
		return s.Agent.Wait
	}
	return defaultWait
}

// setGrace gives the pod so much longer to end: Ray drains for up to 30 s, and the
// agent ends only after it. Where the user's own grace has room for both it stays.
func setGrace(pod *corev1.PodSpec, wait time.Duration) {
	seconds := int64((wait + time.Second - 1) / time.Second)
	own := pod.TerminationGracePeriodSeconds
	switch {
	case own == nil:
		pod.TerminationGracePeriodSeconds = ptr(usualGrace + seconds)
	case *own < usualGrace+seconds:
		pod.TerminationGracePeriodSeconds = ptr(*own + seconds)
	}
}

func agentContainer(pod *corev1.Pod, l *rayv1.LogsSpec) corev1.Container {
	ray := &pod.Spec.Containers[0]
	agent := corev1.Container{
		Name:            AgentName,
		Image:           l.Image,
		ImagePullPolicy: l.ImagePullPolicy,
		RestartPolicy:   ptr(corev1.ContainerRestartPolicyAlways),
		Args:            []string{"--config", confPath + "/agent.yaml"},
		Env: []corev1.EnvVar{
			fromField("REMORA_CLUSTER", labelPath(LabelCluster)),
			fromField("REMORA_NAMESPACE", "metadata.namespace"),
			fromField("REMORA_POD", "metadata.name"),
			fromField("REMORA_POD_UID", "metadata.uid"),
			fromField("REMORA_NODE_TYPE", labelPath(LabelNodeType)),
			fromField("REMORA_GROUP", labelPath(LabelGroup)),
			{Name: "REMORA_CONTAINER", Value: ray.Name},
		},
		Ports: []corev1.ContainerPort{{Name: "agent-metrics", ContainerPort: AgentPort}},
		LivenessProbe: &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("agent-metrics")}},
			PeriodSeconds: 20, TimeoutSeconds: 5, FailureThreshold: 6,
		},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("20m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
		},
		SecurityContext: agentSecurity(pod),
		// One that could not deliver everything says so last, and ends with an error.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
	if l.Resources != nil {
		agent.Resources = *l.Resources
	}
	return agent
}

// agentSecurity runs the agent as Ray's user: as the same user it may give unread files
// a second name, by which they outlive their deletion.
func agentSecurity(pod *corev1.Pod) *corev1.SecurityContext {
	user, group := int64(rayUser), int64(rayGroup)
	if p := pod.Spec.SecurityContext; p != nil {
		user, group = value(p.RunAsUser, user), value(p.RunAsGroup, group)
	}
	if r := pod.Spec.Containers[0].SecurityContext; r != nil {
		user, group = value(r.RunAsUser, user), value(r.RunAsGroup, group)
	}
	return &corev1.SecurityContext{
		RunAsUser:                &user,
		RunAsGroup:               &group,
		RunAsNonRoot:             ptr(user != 0),
		AllowPrivilegeEscalation: ptr(false),
		ReadOnlyRootFilesystem:   ptr(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// AgentConfig is the agent's configuration, which it takes up without a restart; nil
// where no pod has the agent.
func AgentConfig(c *rayv1.RayCluster, s Settings) *corev1.ConfigMap {
	on, _, _ := Logs(c, s)
	if !on {
		return nil
	}
	l := logsOf(c, s)
	server := map[string]any{"url": l.URL}
	if l.Tenant != "" {
		server["tenant"] = l.Tenant
	}
	if l.TokenSecret != nil {
		server["bearer_token_file"] = tokenPath + "/token"
	}
	conf := map[string]any{
		"state":         statePath,
		"drain_timeout": wait(&l, s).String(),
		"sources":       []any{map[string]any{"ray": map[string]any{"root": logsPath}}},
		"outputs":       []any{map[string]any{"remora": server}},
	}
	if len(l.Labels) > 0 {
		conf["labels"] = l.Labels
	}
	metadata := map[string]string{}
	if kind, name := c.Labels[rayv1.LabelOriginCRD], c.Labels[rayv1.LabelOriginName]; kind != "" && name != "" {
		metadata["owner"] = kind + "/" + name
	}
	if l.Retention != "" {
		metadata["retention"] = l.Retention
	}
	if len(metadata) > 0 {
		conf["metadata"] = metadata
	}
	text, err := yaml.Marshal(conf)
	if err != nil { // maps of text encode
		return nil
	}
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: meta(c, NamesOf(c).AgentConfig, map[string]string{LabelCluster: c.Name, labelAppName: appName, labelCreatedBy: createdBy}),
		// A $ would name a variable of the environment.
		Data: map[string]string{"agent.yaml": strings.ReplaceAll(string(text), "${", "$${")},
	}
}

// TakesToken reports whether the agents of c send the operator's own token, and so need
// [AgentTokenSecret].
func TakesToken(c *rayv1.RayCluster, s Settings) bool {
	on, _, _ := Logs(c, s)
	own := c.Spec.Logs != nil && (c.Spec.Logs.URL != "" || c.Spec.Logs.TokenSecret != nil)
	return on && !own && s.Agent.TokenSecret == nil && s.Agent.HandToken
}
