package rayv1

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RayCluster is a Ray head and groups of workers that join it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=all
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:printcolumn:name="desired workers",type=integer,JSONPath=".status.desiredWorkerReplicas",priority=0
// +kubebuilder:printcolumn:name="available workers",type=integer,JSONPath=".status.availableWorkerReplicas",priority=0
// +kubebuilder:printcolumn:name="cpus",type=string,JSONPath=".status.desiredCPU",priority=0
// +kubebuilder:printcolumn:name="memory",type=string,JSONPath=".status.desiredMemory",priority=0
// +kubebuilder:printcolumn:name="gpus",type=string,JSONPath=".status.desiredGPU",priority=0
// +kubebuilder:printcolumn:name="tpus",type=string,JSONPath=".status.desiredTPU",priority=1
// +kubebuilder:printcolumn:name="status",type="string",JSONPath=".status.state",priority=0
// +kubebuilder:printcolumn:name="age",type="date",JSONPath=".metadata.creationTimestamp",priority=0
// +kubebuilder:printcolumn:name="head pod IP",type="string",JSONPath=".status.head.podIP",priority=1
// +kubebuilder:printcolumn:name="head service IP",type="string",JSONPath=".status.head.serviceIP",priority=1
type RayCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   RayClusterSpec   `json:"spec,omitempty"`
	Status RayClusterStatus `json:"status,omitempty"`

	// unreadable says why the specification could not be decoded; all but the
	// metadata is empty then.
	unreadable string `json:"-"`
}

// RayClusterList is a list of clusters.
//
// +kubebuilder:object:root=true
type RayClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RayCluster `json:"items"`
}

// RayClusterSpec is what a user asks of a cluster.
type RayClusterSpec struct {
	// HeadGroupSpec is the head: one pod, which has Ray's global state.
	HeadGroupSpec HeadGroupSpec `json:"headGroupSpec"`
	// WorkerGroupSpecs are groups of workers that are made alike.
	WorkerGroupSpecs []WorkerGroupSpec `json:"workerGroupSpecs,omitempty"`
	// RayVersion is that of the image, such as 2.60.0. Probes and what may be asked of
	// Ray depend on it.
	RayVersion string `json:"rayVersion,omitempty"`
	// EnableInTreeAutoscaling runs Ray's autoscaler beside the head.
	EnableInTreeAutoscaling *bool `json:"enableInTreeAutoscaling,omitempty"`
	// AutoscalerOptions are of effect only with enableInTreeAutoscaling.
	AutoscalerOptions *AutoscalerOptions `json:"autoscalerOptions,omitempty"`
	// GcsFaultToleranceOptions keep Ray's global state where it outlives the head.
	GcsFaultToleranceOptions *GcsFaultToleranceOptions `json:"gcsFaultToleranceOptions,omitempty"`
	// Suspend deletes all pods and keeps the rest until it is false again.
	Suspend *bool `json:"suspend,omitempty"`
	// ManagedBy names who looks after this cluster. With kueue.x-k8s.io/multikueue the
	// operator leaves it alone.
	//
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="managedBy cannot be changed"
	// +kubebuilder:validation:XValidation:rule="self in ['ray.io/kuberay-operator', 'kueue.x-k8s.io/multikueue']",message="managedBy is 'ray.io/kuberay-operator' or 'kueue.x-k8s.io/multikueue'"
	ManagedBy *string `json:"managedBy,omitempty"`
	// UpgradeStrategy says what a change of the specification does to pods that run.
	UpgradeStrategy *RayClusterUpgradeStrategy `json:"upgradeStrategy,omitempty"`
	// HeadServiceAnnotations are those of the head's Service.
	HeadServiceAnnotations map[string]string `json:"headServiceAnnotations,omitempty"`
	// AuthOptions are who may talk to Ray.
	AuthOptions *AuthOptions `json:"authOptions,omitempty"`
	// NetworkPolicy says who may reach the pods and whom they may reach.
	NetworkPolicy *NetworkPolicyOptions `json:"networkPolicy,omitempty"`
	// TLSOptions encrypt what Ray's processes say to each other.
	TLSOptions *TLSOptions `json:"tlsOptions,omitempty"`
	// HistoryServerOptions are those of KubeRay's collector of logs.
	HistoryServerOptions *HistoryServerOptions `json:"historyServerOptions,omitempty"`
	// Logs say where the cluster's log lines go. They are kept unless it says otherwise.
	Logs *LogsSpec `json:"logs,omitempty"`
}

// HeadGroupSpec is the head of a cluster.
type HeadGroupSpec struct {
	// Template of the head's pod. Ray runs in its first container.
	Template corev1.PodTemplateSpec `json:"template"`
	// RayStartParams are flags of `ray start` without their dashes.
	//
	// +optional
	RayStartParams map[string]string `json:"rayStartParams,omitempty"`
	// ServiceType of the head's Service; empty: ClusterIP.
	ServiceType corev1.ServiceType `json:"serviceType,omitempty"`
	// HeadService is taken as the head's Service; the operator adds selector and ports.
	HeadService *corev1.Service `json:"headService,omitempty"`
	// EnableIngress makes an Ingress to the dashboard.
	EnableIngress *bool `json:"enableIngress,omitempty"`
	// IngressOptions are those of that Ingress.
	IngressOptions *IngressOptions `json:"ingressOptions,omitempty"`
	// Resources are what Ray may hand out on this node; they take the place of num-cpus,
	// num-gpus, memory and resources in rayStartParams.
	Resources map[string]string `json:"resources,omitempty"`
	// Labels of the Ray node, and of its pod.
	Labels map[string]string `json:"labels,omitempty"`

	liftedFSGroup string `json:"-"` // the container whose fsGroup was taken for the pod's
}

// IngressOptions are those of the Ingress to the dashboard.
type IngressOptions struct {
	Host string `json:"host,omitempty"`
	// +kubebuilder:default="/"
	Path string `json:"path,omitempty"`
	// +kubebuilder:default=Prefix
	PathType *networkingv1.PathType    `json:"pathType,omitempty"`
	TLS      []networkingv1.IngressTLS `json:"tls,omitempty"`
}

// WorkerGroupSpec is a group of workers.
type WorkerGroupSpec struct {
	// GroupName is unique in its cluster.
	GroupName string `json:"groupName"`
	// Replicas is how many there should be; Ray's autoscaler writes it.
	//
	// +kubebuilder:default=0
	Replicas *int32 `json:"replicas,omitempty"`
	// +kubebuilder:default=0
	MinReplicas *int32 `json:"minReplicas"`
	// +kubebuilder:default=2147483647
	MaxReplicas *int32 `json:"maxReplicas"`
	// NumOfHosts is of how many pods one replica consists.
	//
	// +kubebuilder:default=1
	NumOfHosts int32 `json:"numOfHosts,omitempty"`
	// RayStartParams are flags of `ray start` without their dashes.
	//
	// +optional
	RayStartParams map[string]string `json:"rayStartParams,omitempty"`
	// Template of the group's pods. Ray runs in its first container.
	Template corev1.PodTemplateSpec `json:"template"`
	// Resources are what Ray may hand out on these nodes; they take the place of
	// num-cpus, num-gpus, memory and resources in rayStartParams.
	Resources map[string]string `json:"resources,omitempty"`
	// Labels of the Ray nodes, and of their pods.
	Labels map[string]string `json:"labels,omitempty"`
	// ScaleStrategy is written by Ray's autoscaler.
	ScaleStrategy ScaleStrategy `json:"scaleStrategy,omitempty"`
	// Suspend deletes the group's pods.
	Suspend *bool `json:"suspend,omitempty"`
	// IdleTimeoutSeconds after which Ray's autoscaler v2 ends an idle worker of this group.
	IdleTimeoutSeconds *int32 `json:"idleTimeoutSeconds,omitempty"`
	// Priority by which Ray's autoscaler v2 chooses among groups that fit.
	//
	// +kubebuilder:default=0
	Priority *int32 `json:"priority,omitempty"`

	liftedFSGroup string `json:"-"`
}

// ScaleStrategy names pods that are to go.
type ScaleStrategy struct {
	WorkersToDelete []string `json:"workersToDelete,omitempty"`
}

// UpscalingMode is how fast Ray's autoscaler asks for workers.
//
// +kubebuilder:validation:Enum=Default;Aggressive;Conservative
type UpscalingMode string

// AutoscalerVersion is which autoscaler of Ray runs.
//
// +kubebuilder:validation:Enum=v1;v2
type AutoscalerVersion string

// The versions of Ray's autoscaler.
const (
	AutoscalerV1 AutoscalerVersion = "v1"
	AutoscalerV2 AutoscalerVersion = "v2"
)

// AutoscalerOptions are those of Ray's autoscaler.
type AutoscalerOptions struct {
	Version            *AutoscalerVersion           `json:"version,omitempty"`
	IdleTimeoutSeconds *int32                       `json:"idleTimeoutSeconds,omitempty"`
	UpscalingMode      *UpscalingMode               `json:"upscalingMode,omitempty"`
	Image              *string                      `json:"image,omitempty"`
	ImagePullPolicy    *corev1.PullPolicy           `json:"imagePullPolicy,omitempty"`
	Resources          *corev1.ResourceRequirements `json:"resources,omitempty"`
	Env                []corev1.EnvVar              `json:"env,omitempty"`
	EnvFrom            []corev1.EnvFromSource       `json:"envFrom,omitempty"`
	VolumeMounts       []corev1.VolumeMount         `json:"volumeMounts,omitempty"`
	SecurityContext    *corev1.SecurityContext      `json:"securityContext,omitempty"`
	Command            []string                     `json:"command,omitempty"`
	Args               []string                     `json:"args,omitempty"`

	// The rest is known to no autoscaler of Ray. It is kept, and a condition says what
	// to write instead.

	TargetUtilizationFraction  *float64 `json:"targetUtilizationFraction,omitempty"`
	CPUUtilizationThreshold    *float64 `json:"cpuUtilizationThreshold,omitempty"`
	MemoryUtilizationThreshold *float64 `json:"memoryUtilizationThreshold,omitempty"`
	CooldownPeriodSeconds      *int32   `json:"cooldownPeriodSeconds,omitempty"`
	MetricsPort                *int32   `json:"metricsPort,omitempty"`
	EnableMetrics              *bool    `json:"enableMetrics,omitempty"`
}

// GcsBackend is where Ray's global state is kept.
//
// +kubebuilder:validation:Enum=redis;rocksdb
type GcsBackend string

// The places for Ray's global state.
const (
	BackendRedis   GcsBackend = "redis"
	BackendRocksDB GcsBackend = "rocksdb"
)

// GcsFaultToleranceOptions say where Ray's global state outlives the head.
type GcsFaultToleranceOptions struct {
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="backend cannot be changed"
	Backend                  GcsBackend       `json:"backend,omitempty"`
	RedisAddress             string           `json:"redisAddress,omitempty"`
	RedisUsername            *RedisCredential `json:"redisUsername,omitempty"`
	RedisPassword            *RedisCredential `json:"redisPassword,omitempty"`
	ExternalStorageNamespace string           `json:"externalStorageNamespace,omitempty"`
	Storage                  *GcsStorage      `json:"storage,omitempty"`
}

// RedisCredential is a value or where it stands.
type RedisCredential struct {
	Value     string               `json:"value,omitempty"`
	ValueFrom *corev1.EnvVarSource `json:"valueFrom,omitempty"`
}

// GcsStorage is the volume of the rocksdb backend: one that is there, by claimName,
// or one to be made.
type GcsStorage struct {
	ClaimName        string  `json:"claimName,omitempty"`
	Size             string  `json:"size,omitempty"` // a quantity; empty: 1Gi
	StorageClassName *string `json:"storageClassName,omitempty"`
	// AccessModes, ReadWriteOnce where none is given.
	AccessModes []corev1.PersistentVolumeAccessMode `json:"accessModes,omitempty"`
	SubPath     string                              `json:"subPath,omitempty"`
	// +kubebuilder:validation:Enum=DeleteWithCluster;Retain
	DeletionPolicy string `json:"deletionPolicy,omitempty"`
}

// RayClusterUpgradeType is what a change does to pods that run.
//
// +kubebuilder:validation:Enum=Recreate;None
type RayClusterUpgradeType string

// What a change does to pods that run: all are made anew, or nothing.
const (
	UpgradeRecreate RayClusterUpgradeType = "Recreate"
	UpgradeNone     RayClusterUpgradeType = "None"
)

// RayClusterUpgradeStrategy is what a change does to pods that run.
type RayClusterUpgradeStrategy struct {
	Type *RayClusterUpgradeType `json:"type,omitempty"`
}

// AuthMode is how Ray asks who is talking to it.
//
// +kubebuilder:validation:Enum=disabled;token
type AuthMode string

// The ways in which Ray asks who is talking to it.
const (
	AuthDisabled AuthMode = "disabled"
	AuthToken    AuthMode = "token"
)

// AuthOptions are how Ray asks who is talking to it.
type AuthOptions struct {
	Mode AuthMode `json:"mode,omitempty"`
	// SecretName of a Secret with the key auth_token; empty: the operator makes one.
	SecretName         *string `json:"secretName,omitempty"`
	EnableK8sTokenAuth *bool   `json:"enableK8sTokenAuth,omitempty"`
}

// NetworkPolicyMode is what is closed but for what rules open.
//
// +kubebuilder:validation:Enum=DenyAll;DenyAllIngress;DenyAllEgress
type NetworkPolicyMode string

// What a network policy closes.
const (
	DenyAll        NetworkPolicyMode = "DenyAll"
	DenyAllIngress NetworkPolicyMode = "DenyAllIngress"
	DenyAllEgress  NetworkPolicyMode = "DenyAllEgress"
)

// NetworkPolicyOptions close a cluster's pods but for what Ray needs and rules open.
type NetworkPolicyOptions struct {
	// +kubebuilder:default=DenyAll
	Mode NetworkPolicyMode   `json:"mode,omitempty"`
	Head *NetworkPolicyRules `json:"head,omitempty"`
	// Worker are the rules of all groups but those that workerGroups names.
	Worker       *NetworkPolicyRules           `json:"worker,omitempty"`
	WorkerGroups map[string]NetworkPolicyRules `json:"workerGroups,omitempty"`
}

// NetworkPolicyRules open what the mode closes.
type NetworkPolicyRules struct {
	IngressRules []networkingv1.NetworkPolicyIngressRule `json:"ingressRules,omitempty"`
	EgressRules  []networkingv1.NetworkPolicyEgressRule  `json:"egressRules,omitempty"`
}

// TLSOptions encrypt what Ray's processes say to each other.
type TLSOptions struct {
	Enabled *bool `json:"enabled,omitempty"`
}

// HistoryServerOptions are those of KubeRay's collector of logs.
type HistoryServerOptions struct {
	CollectorOptions *CollectorOptions `json:"collectorOptions,omitempty"`
}

// CollectorOptions are the container of KubeRay's collector.
type CollectorOptions struct {
	Image           string                       `json:"image"`
	ImagePullPolicy corev1.PullPolicy            `json:"imagePullPolicy,omitempty"`
	Resources       *corev1.ResourceRequirements `json:"resources,omitempty"`
	Env             []corev1.EnvVar              `json:"env,omitempty"`
}
