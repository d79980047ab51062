package rayv1

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Annotations and labels that a specification's meaning depends on.
const (
	AnnotationFTEnabled       = "ray.io/ft-enabled"
	AnnotationStorageName     = "ray.io/external-storage-namespace"
	AnnotationOverwriteCmd    = "ray.io/overwrite-container-cmd"
	AnnotationServeService    = "ray.io/enable-serve-service"
	AnnotationFTTimeout       = "ray.io/gcs-ft-deletion-timeout"
	AnnotationNoHeadRestart   = "ray.io/disable-provisioned-head-restart"
	LabelOriginCRD            = "ray.io/originated-from-crd"
	LabelOriginName           = "ray.io/originated-from-cr-name"
	envAutoscalerV2           = "RAY_enable_autoscaler_v2"
	envRedisAddress           = "RAY_REDIS_ADDRESS"
	envGenAutoscaler          = "KUBERAY_GEN_AUTOSCALER_START_CMD"
	maxClusterName            = 53 // so that names of pods and Services fit
	specHead                  = "spec.headGroupSpec"
	managedByMultiKueue       = "kueue.x-k8s.io/multikueue"
	reservedCollector         = "ray-history-collector"
	reservedAutoscaler        = "autoscaler"
	rayVersionTokens          = 52
	rayVersionKubernetesToken = 55
	rayVersionPriority        = 56
)

// Managed reports whether the cluster is this operator's to look after.
func (c *RayCluster) Managed() bool {
	return c.Spec.ManagedBy == nil || *c.Spec.ManagedBy != managedByMultiKueue
}

// KeepsState reports whether Ray's global state outlives the head.
func (c *RayCluster) KeepsState() bool {
	return c.Spec.GcsFaultToleranceOptions != nil || strings.EqualFold(c.Annotations[AnnotationFTEnabled], "true")
}

// Autoscaling reports whether Ray's autoscaler decides how many workers there are.
func (s *RayClusterSpec) Autoscaling() bool {
	return s.EnableInTreeAutoscaling != nil && *s.EnableInTreeAutoscaling
}

// AutoscalerVersion is the version that was asked for; empty: Ray decides.
func (s *RayClusterSpec) AutoscalerVersion() AutoscalerVersion {
	if s.AutoscalerOptions == nil || s.AutoscalerOptions.Version == nil {
		return ""
	}
	return *s.AutoscalerOptions.Version
}

// autoscalerV2ByEnv reports whether the head is told to have the second autoscaler by a
// variable, as was done before there was a field.
func (s *RayClusterSpec) autoscalerV2ByEnv() bool {
	for _, c := range first(s.HeadGroupSpec.Template.Spec.Containers) {
		for _, e := range c.Env {
			if e.Name == envAutoscalerV2 {
				return e.Value == "1" || e.Value == "true"
			}
		}
	}
	return false
}

// Validate tells all that is wrong with a cluster and all that does not do what it
// seems to say. It reads nothing but the cluster.
func (c *RayCluster) Validate() []Finding {
	var f findings
	f.name(c)
	if c.unreadable != "" {
		f.invalid(KindUnreadable, "spec", "", "it cannot be decoded: %s; correct that value", c.unreadable)
		return f
	}
	s := &c.Spec
	f.template(s, specHead, &s.HeadGroupSpec.Template, s.HeadGroupSpec.liftedFSGroup)
	f.params(s, specHead, s.HeadGroupSpec.RayStartParams, s.HeadGroupSpec.Resources, s.HeadGroupSpec.Labels, &s.HeadGroupSpec.Template)
	seen := map[string]bool{}
	for i := range s.WorkerGroupSpecs {
		g := &s.WorkerGroupSpecs[i]
		at := fmt.Sprintf("spec.workerGroupSpecs[%d]", i)
		f.group(s, at, g, seen)
		f.template(s, at, &g.Template, g.liftedFSGroup)
		f.params(s, at, g.RayStartParams, g.Resources, g.Labels, &g.Template)
	}
	f.faultTolerance(c)
	f.autoscaler(s)
	f.auth(s)
	f.network(s)
	f.upgrade(c)
	f.collector(s)
	f.logs(s.Logs)
	f.unsupported(s)
	return f
}

func (f *findings) name(c *RayCluster) {
	if len(c.Name) > maxClusterName {
		f.invalid(KindName, "metadata.name", c.Name, "it has %d characters, names of pods leave room for %d", len(c.Name), maxClusterName)
	}
	if wrong := validation.IsDNS1035Label(c.Name); len(wrong) > 0 {
		f.invalid(KindName, "metadata.name", c.Name, "Services need a name of lower-case letters, digits and '-' that begins with a letter")
	}
}

func (f *findings) group(s *RayClusterSpec, at string, g *WorkerGroupSpec, seen map[string]bool) {
	if wrong := validation.IsValidLabelValue(g.GroupName); g.GroupName == "" || len(wrong) > 0 {
		f.invalid(KindGroup, at+".groupName", g.GroupName, "pods carry it as a label: letters, digits, '-', '_' and '.', at most 63")
	}
	if seen[g.GroupName] {
		f.invalid(KindGroup, at+".groupName", g.GroupName, "another group has this name, give each its own")
	}
	seen[g.GroupName] = true
	if g.MinReplicas == nil || g.MaxReplicas == nil {
		if !s.Autoscaling() {
			f.invalid(KindReplicas, at, "", "give minReplicas and maxReplicas")
		}
	} else if *g.MinReplicas < 0 || *g.MinReplicas > *g.MaxReplicas {
		f.invalid(KindReplicas, at+".minReplicas", fmt.Sprint(*g.MinReplicas), "it must be from 0 to maxReplicas (%d)", *g.MaxReplicas)
	}
	if g.Replicas != nil && *g.Replicas < 0 {
		f.invalid(KindReplicas, at+".replicas", fmt.Sprint(*g.Replicas), "it cannot be negative")
	}
	if g.NumOfHosts < 0 {
		f.invalid(KindReplicas, at+".numOfHosts", fmt.Sprint(g.NumOfHosts), "a replica has at least one pod")
	}
	if g.Suspend != nil && *g.Suspend && s.Autoscaling() {
		f.invalid(KindAutoscaler, at+".suspend", "true", "Ray's autoscaler would start the group again; unset it or enableInTreeAutoscaling")
	}
	if t := g.IdleTimeoutSeconds; t != nil && *t < 0 {
		f.invalid(KindAutoscaler, at+".idleTimeoutSeconds", fmt.Sprint(*t), "it cannot be negative")
	} else if t != nil && s.AutoscalerVersion() != AutoscalerV2 && !s.autoscalerV2ByEnv() {
		f.invalid(KindAutoscaler, at+".idleTimeoutSeconds", fmt.Sprint(*t), "only the autoscaler v2 reads it: set autoscalerOptions.version to v2")
	}
	if g.Priority != nil && *g.Priority != 0 && (s.AutoscalerVersion() != AutoscalerV2 || !s.Version().AtLeast(2, rayVersionPriority)) {
		f.invalid(KindAutoscaler, at+".priority", fmt.Sprint(*g.Priority), "only the autoscaler v2 of Ray 2.%d and later reads it: set autoscalerOptions.version and rayVersion", rayVersionPriority)
	}
}

// params checks what goes to `ray start`.
func (f *findings) params(s *RayClusterSpec, at string, params, resources, labels map[string]string, template *corev1.PodTemplateSpec) {
	if len(resources) > 0 {
		for _, name := range []string{"num-cpus", "num-gpus", "memory", "resources"} {
			if value, ok := params[name]; ok {
				f.invalid(KindRayStartParams, at+".rayStartParams."+name, value, "the group's resources say it too, keep one of both")
			}
		}
	}
	if value, ok := params["labels"]; ok {
		f.invalid(KindRayStartParams, at+".rayStartParams.labels", value, "write labels into %s.labels", at)
	}
	if _, ok := params["redis-username"]; ok {
		f.invalid(KindFaultTolerance, at+".rayStartParams.redis-username", "", "write it into spec.gcsFaultToleranceOptions.redisUsername")
	}
	for _, name := range bytesParams {
		if value, ok := params[name]; ok {
			if _, err := Bytes(value); err != nil {
				f.invalid(KindRayStartParams, at+".rayStartParams."+name, value, "%v", err)
			} else if _, err := strconv.ParseInt(value, 10, 64); err != nil && s.Autoscaling() && name == "memory" {
				f.invalid(KindRayStartParams, at+".rayStartParams."+name, value, "Ray's autoscaler reads this itself and takes whole numbers only: write bytes, or remove it and set the container's limit")
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(resources)) {
		if _, err := Bytes(resources[key]); err != nil {
			f.invalid(KindRayStartParams, at+".resources."+key, resources[key], "it is no quantity, write 4 or 4Gi")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if wrong := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(labels[key])...); len(wrong) > 0 {
			f.invalid(KindLabels, at+".labels."+key, labels[key], "%s", wrong[0])
		}
	}
	f.beyondLimits(at, params, template)
	if dir, ok := params["plasma-directory"]; ok && strings.HasPrefix(dir, "/tmp") {
		f.advise(KindPlasmaOnDisk, at+".rayStartParams.plasma-directory", dir, "Ray keeps objects on disk then; without it they are in memory, at /dev/shm")
	}
}

func (f *findings) faultTolerance(c *RayCluster) {
	options, annotated := c.Spec.GcsFaultToleranceOptions, c.Annotations[AnnotationFTEnabled]
	if options != nil && annotated != "" {
		f.invalid(KindFaultTolerance, "metadata.annotations["+AnnotationFTEnabled+"]", annotated, "spec.gcsFaultToleranceOptions says it too, remove the annotation")
	}
	enabled := c.KeepsState()
	for _, container := range first(c.Spec.HeadGroupSpec.Template.Spec.Containers) {
		for _, env := range container.Env {
			at := specHead + ".template.spec.containers[0].env." + env.Name
			switch {
			case env.Name == "REDIS_USERNAME":
				f.invalid(KindFaultTolerance, at, "", "write it into spec.gcsFaultToleranceOptions.redisUsername")
			case env.Name == envRedisAddress && !enabled:
				f.invalid(KindFaultTolerance, at, env.Value, "Ray's state is kept in Redis then: write spec.gcsFaultToleranceOptions.redisAddress instead")
			case (env.Name == envRedisAddress || env.Name == "REDIS_PASSWORD") && options != nil:
				f.invalid(KindFaultTolerance, at, "", "spec.gcsFaultToleranceOptions is where this belongs, remove it here")
			}
		}
	}
	if options == nil {
		return
	}
	if _, ok := c.Spec.HeadGroupSpec.RayStartParams["redis-password"]; ok {
		f.invalid(KindFaultTolerance, specHead+".rayStartParams.redis-password", "", "write it into spec.gcsFaultToleranceOptions.redisPassword")
	}
	if value, ok := c.Annotations[AnnotationStorageName]; ok {
		f.invalid(KindFaultTolerance, "metadata.annotations["+AnnotationStorageName+"]", value, "write it into spec.gcsFaultToleranceOptions.externalStorageNamespace")
	}
	at := "spec.gcsFaultToleranceOptions"
	switch {
	case options.Backend == BackendRocksDB && (options.RedisAddress != "" || options.RedisUsername != nil || options.RedisPassword != nil):
		f.invalid(KindFaultTolerance, at+".backend", string(options.Backend), "it needs nothing of Redis, remove the redis fields")
	case options.Backend != BackendRocksDB && options.RedisAddress == "":
		f.invalid(KindFaultTolerance, at+".redisAddress", "", "give the address of a Redis, or backend rocksdb")
	case options.Backend != BackendRocksDB && options.Storage != nil:
		f.invalid(KindFaultTolerance, at+".storage", "", "only the backend rocksdb has a volume")
	}
	if st := options.Storage; st != nil && st.Size != "" {
		if _, err := Bytes(st.Size); err != nil {
			f.invalid(KindFaultTolerance, at+".storage.size", st.Size, "it is no quantity, write 1Gi")
		}
		if st.ClaimName != "" {
			f.invalid(KindFaultTolerance, at+".storage.claimName", st.ClaimName, "a claim that is there has its size, remove size")
		}
	}
}

func (f *findings) auth(s *RayClusterSpec) {
	o := s.AuthOptions
	if o == nil || o.Mode != AuthToken {
		return
	}
	byKubernetes := o.EnableK8sTokenAuth != nil && *o.EnableK8sTokenAuth
	if v := s.Version(); !v.AtLeast(2, rayVersionTokens) {
		f.invalid(KindAuth, "spec.authOptions.mode", "token", "Ray knows tokens since 2.%d: set rayVersion to that or later", rayVersionTokens)
	} else if byKubernetes && !v.AtLeast(2, rayVersionKubernetesToken) {
		f.invalid(KindAuth, "spec.authOptions.enableK8sTokenAuth", "true", "Ray knows tokens of Kubernetes since 2.%d: set rayVersion to that or later", rayVersionKubernetesToken)
	}
	if byKubernetes && o.SecretName != nil && *o.SecretName != "" {
		f.invalid(KindAuth, "spec.authOptions.secretName", *o.SecretName, "tokens of Kubernetes are in no Secret, keep one of both")
	}
}

func (f *findings) upgrade(c *RayCluster) {
	owner := c.Labels[LabelOriginCRD]
	if c.Spec.UpgradeStrategy != nil && c.Spec.UpgradeStrategy.Type != nil && (owner == "RayJob" || owner == "RayService") {
		f.invalid(KindUpgradeStrategy, "spec.upgradeStrategy.type", string(*c.Spec.UpgradeStrategy.Type), "this cluster is made by a %s, which decides that; remove it", owner)
	}
}

// network tells of pods that cannot reach what they need, and of rules for nobody.
func (f *findings) network(s *RayClusterSpec) {
	o := s.NetworkPolicy
	if o == nil {
		return
	}
	if s.Autoscaling() && o.Mode != DenyAllIngress && (o.Head == nil || len(o.Head.EgressRules) == 0) {
		f.advise(KindNetworkPolicy, "spec.networkPolicy.head.egressRules", "", "Ray's autoscaler runs in the head's pod and cannot reach the API server: open the way to it")
	}
	for _, name := range slices.Sorted(maps.Keys(o.WorkerGroups)) {
		if !slices.ContainsFunc(s.WorkerGroupSpecs, func(g WorkerGroupSpec) bool { return g.GroupName == name }) {
			f.advise(KindNetworkPolicy, "spec.networkPolicy.workerGroups."+name, "", "there is no group of this name, the rules are nobody's")
		}
	}
}

// unsupported names what is asked for and not there. Where it is about who may reach
// the cluster, running without it would be worse than not running.
func (f *findings) unsupported(s *RayClusterSpec) {
	if s.TLSOptions != nil && s.TLSOptions.Enabled != nil && *s.TLSOptions.Enabled {
		f.invalid(KindUnsupported, "spec.tlsOptions.enabled", "true", "this operator cannot encrypt between Ray's processes; remove it to run without")
	}
	if s.HistoryServerOptions != nil {
		f.advise(KindUnsupported, "spec.historyServerOptions", "", "KubeRay's collector is not started; the agent of spec.logs keeps the logs")
	}
}

func first(containers []corev1.Container) []corev1.Container {
	return containers[:min(1, len(containers))]
}
