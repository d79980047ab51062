package rayv1

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// unknownEnv are settings that people give Ray and Ray does not read, and what it reads.
var unknownEnv = map[string]string{
	"RAY_DASHBOARD_PASSWORD":            "the dashboard stays open to whoever reaches it; set spec.authOptions.mode to token (Ray 2.52 and later)",
	"RAY_DASHBOARD_PORT":                "set rayStartParams dashboard-port; 8080 is the port of the metrics",
	"RAY_METRICS_EXPORT_PORT":           "set rayStartParams metrics-export-port; it is 8080 anyway",
	"RAY_OBJECT_STORE_MAX_MEMORY_BYTES": "set rayStartParams object-store-memory",
	"RAY_PLASMA_DIRECTORY":              "set rayStartParams plasma-directory, or leave objects in memory at /dev/shm",
}

// template checks one group's pods.
func (f *findings) template(s *RayClusterSpec, at string, t *corev1.PodTemplateSpec, liftedFSGroup string) {
	at += ".template.spec"
	if len(t.Spec.Containers) == 0 {
		f.invalid(KindGroup, at+".containers", "", "give one container, in which Ray runs")
		return
	}
	for i, c := range t.Spec.Containers {
		if c.Name == reservedCollector && s.HistoryServerOptions != nil || c.Name == reservedAutoscaler && s.Autoscaling() && i > 0 {
			f.invalid(KindReservedContainer, fmt.Sprintf("%s.containers[%d].name", at, i), c.Name, "the operator's own container is called so, choose another name")
		}
	}
	for _, env := range t.Spec.Containers[0].Env {
		if way, ok := unknownEnv[env.Name]; ok {
			f.advise(KindUnknownToRay, at+".containers[0].env."+env.Name, env.Value, "Ray has no such setting: %s", way)
		}
	}
	if t.Spec.RestartPolicy == corev1.RestartPolicyAlways && s.Autoscaling() {
		f.advise(KindRestartPolicy, at+".restartPolicy", "Always", "the autoscaler replaces pods that ended, so Never is taken")
	}
	if liftedFSGroup != "" {
		f.advise(KindFSGroup, at+".containers["+liftedFSGroup+"].securityContext.fsGroup", "", "Kubernetes knows it for whole pods: it is taken as %s.securityContext.fsGroup, write it there", at)
	}
	f.probe(at+".containers[0].livenessProbe", t.Spec.Containers[0].LivenessProbe)
	f.probe(at+".containers[0].readinessProbe", t.Spec.Containers[0].ReadinessProbe)
	f.scheduling(at, &t.Spec)
}

// probe tells of one that asks Ray's metrics, which answer while Ray is dead.
func (f *findings) probe(at string, p *corev1.Probe) {
	if p == nil || p.HTTPGet == nil || p.HTTPGet.Port.IntValue() != 8080 {
		return
	}
	f.advise(KindProbe, at, p.HTTPGet.Path, "port 8080 has Ray's metrics, which answer any path also when Ray is dead; remove the probe and Ray is asked itself")
}

func (f *findings) scheduling(at string, pod *corev1.PodSpec) {
	if value, ok := pod.NodeSelector["kubernetes.io/instance-type"]; ok {
		f.advise(KindScheduling, at+".nodeSelector[kubernetes.io/instance-type]", value, "nodes carry node.kubernetes.io/instance-type")
	}
	for i, t := range pod.Tolerations {
		if t.Key == "topology.kubernetes.io/zone" {
			f.advise(KindScheduling, fmt.Sprintf("%s.tolerations[%d].key", at, i), t.Key, "this is a label of nodes and no taint; topologySpreadConstraints spread pods over zones")
		}
	}
}

// beyondLimits tells of what Ray would hand out and the container does not have.
func (f *findings) beyondLimits(at string, params map[string]string, t *corev1.PodTemplateSpec) {
	if len(t.Spec.Containers) == 0 {
		return
	}
	limits := t.Spec.Containers[0].Resources.Limits
	if value, ok := params["num-cpus"]; ok {
		asked, err := strconv.ParseFloat(value, 64)
		if limit, has := limits[corev1.ResourceCPU]; err == nil && has && asked > limit.AsApproximateFloat64() {
			f.advise(KindBeyondLimits, at+".rayStartParams.num-cpus", value, "the container's limit is %s", limit.String())
		}
	}
	if value, ok := params["memory"]; ok {
		asked, err := Bytes(value)
		if limit, has := limits[corev1.ResourceMemory]; err == nil && has && limit.CmpInt64(asked) < 0 {
			f.advise(KindBeyondLimits, at+".rayStartParams.memory", value, "the container's limit is %s", limit.String())
		}
	}
}

func (f *findings) autoscaler(s *RayClusterSpec) {
	const at = "spec.autoscalerOptions"
	for _, env := range first(s.HeadGroupSpec.Template.Spec.Containers) {
		for _, e := range env.Env {
			if e.Name != envAutoscalerV2 {
				continue
			}
			if s.AutoscalerVersion() != "" {
				f.invalid(KindAutoscaler, specHead+".template.spec.containers[0].env."+e.Name, e.Value, "autoscalerOptions.version says it too, keep one of both")
			} else if !s.Autoscaling() && s.autoscalerV2ByEnv() {
				f.invalid(KindAutoscaler, specHead+".template.spec.containers[0].env."+e.Name, e.Value, "no autoscaler runs: set enableInTreeAutoscaling")
			}
		}
	}
	o := s.AutoscalerOptions
	if o == nil {
		return
	}
	if !s.Autoscaling() {
		f.advise(KindAutoscalerIgnored, at, "", "no autoscaler runs, replicas stay as they are written: set spec.enableInTreeAutoscaling to true")
	}
	if t := o.IdleTimeoutSeconds; t != nil && *t < 0 {
		f.invalid(KindAutoscaler, at+".idleTimeoutSeconds", fmt.Sprint(*t), "it cannot be negative")
	}
	for _, e := range o.Env {
		if e.Name == envGenAutoscaler {
			f.invalid(KindAutoscaler, at+".env."+e.Name, e.Value, "the operator writes it, remove it")
		}
	}
	relics := map[string]struct {
		value string
		way   string
	}{
		"targetUtilizationFraction":  {decimal(o.TargetUtilizationFraction), "Ray's autoscaler follows what tasks and actors ask for, not how busy nodes are; remove it"},
		"cpuUtilizationThreshold":    {decimal(o.CPUUtilizationThreshold), "Ray's autoscaler knows no CPU usage: give tasks num_cpus, or Serve deployments an autoscaling_config"},
		"memoryUtilizationThreshold": {decimal(o.MemoryUtilizationThreshold), "Ray's autoscaler knows no memory usage: give tasks memory, or Serve deployments an autoscaling_config"},
		"cooldownPeriodSeconds":      {integer(o.CooldownPeriodSeconds), "idleTimeoutSeconds keeps idle workers, upscalingMode Conservative asks for fewer at once"},
		"metricsPort":                {integer(o.MetricsPort), "metrics are always on, at 8080; rayStartParams metrics-export-port moves them"},
	}
	if o.EnableMetrics != nil {
		relics["enableMetrics"] = struct{ value, way string }{strconv.FormatBool(*o.EnableMetrics), "metrics are always on, remove it"}
	}
	for _, name := range slices.Sorted(maps.Keys(relics)) {
		if r := relics[name]; r.value != "" {
			f.advise(KindUnknownToRay, at+"."+name, r.value, "%s", r.way)
		}
	}
}

func decimal(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

func integer(v *int32) string {
	if v == nil {
		return ""
	}
	return strconv.Itoa(int(*v))
}

// collector checks where KubeRay's collector would put logs.
func (f *findings) collector(s *RayClusterSpec) {
	if s.HistoryServerOptions == nil || s.HistoryServerOptions.CollectorOptions == nil {
		return
	}
	backends := []string{"ALIYUNOSS", "AZUREBLOB", "GCS", "S3"}
	const at = "spec.historyServerOptions.collectorOptions.env"
	for _, e := range s.HistoryServerOptions.CollectorOptions.Env {
		if e.Name == "STORAGE_BACKEND" && !slices.Contains(backends, e.Value) {
			f.invalid(KindCollector, at+"."+e.Name, e.Value, "it is one of %s", strings.Join(backends, ", "))
		}
	}
}

// MaxWaitForLogs is the most that a pod may wait for its last lines.
const MaxWaitForLogs = time.Hour

func (f *findings) logs(l *LogsSpec) {
	if l == nil {
		return
	}
	if l.URL != "" {
		u, err := url.Parse(l.URL)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			f.invalid(KindLogs, "spec.logs.url", "", "write it as http://HOST:PORT")
		case u.User != nil:
			f.invalid(KindLogs, "spec.logs.url", "", "a password does not belong here, put a token into a Secret and name it in spec.logs.tokenSecret")
		}
	}
	if l.WaitForLogs != "" {
		if d, err := time.ParseDuration(l.WaitForLogs); err != nil || d < 0 || d > MaxWaitForLogs {
			f.invalid(KindLogs, "spec.logs.waitForLogs", l.WaitForLogs, "write a duration such as 15s, at most %s", MaxWaitForLogs)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.Labels)) {
		if wrong := validation.IsCIdentifier(name); len(wrong) > 0 {
			f.invalid(KindLogs, "spec.logs.labels."+name, l.Labels[name], "a label's name has letters, digits and '_' and begins with no digit")
		}
	}
}
