package rayv1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClusterState is how a cluster is, in one word.
type ClusterState string

// How a cluster is. Empty: its pods are not all ready.
const (
	StateReady     ClusterState = "ready"
	StateFailed    ClusterState = "failed"
	StateSuspended ClusterState = "suspended"
)

// Conditions that KubeRay's users know.
const (
	ConditionProvisioned    = "RayClusterProvisioned" // once all pods were ready, until the cluster is suspended
	ConditionHeadPodReady   = "HeadPodReady"
	ConditionReplicaFailure = "ReplicaFailure"
	ConditionSuspending     = "RayClusterSuspending"
	ConditionSuspended      = "RayClusterSuspended"
)

// Conditions of Remora's own.
const (
	ConditionInvalid  = "Invalid"  // the specification cannot be run; nothing is changed until it is corrected
	ConditionAdvice   = "Advice"   // something in the specification does not do what it says
	ConditionPodsFail = "PodsFail" // pods cannot start or do not live
	ConditionLogs     = "Logs"     // whether the agent is in the cluster's pods
)

// Reasons of conditions that KubeRay's users know.
const (
	ReasonAllReadyFirstTime = "AllPodRunningAndReadyFirstTime"
	ReasonProvisioning      = "RayClusterPodsProvisioning"
	ReasonHeadNotFound      = "HeadPodNotFound"
	ReasonHeadReady         = "HeadPodRunningAndReady"
	ReasonUnknown           = "Unknown"
)

// RayClusterStatus is what is known of a cluster.
type RayClusterStatus struct {
	// State is empty while a pod that should be ready is not.
	State ClusterState `json:"state,omitempty"`
	// Reason says why State is what it is.
	Reason string `json:"reason,omitempty"`
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	ReadyWorkerReplicas     int32 `json:"readyWorkerReplicas,omitempty"`
	AvailableWorkerReplicas int32 `json:"availableWorkerReplicas,omitempty"`
	DesiredWorkerReplicas   int32 `json:"desiredWorkerReplicas,omitempty"`
	MinWorkerReplicas       int32 `json:"minWorkerReplicas,omitempty"`
	MaxWorkerReplicas       int32 `json:"maxWorkerReplicas,omitempty"`

	DesiredCPU    resource.Quantity `json:"desiredCPU,omitempty"`
	DesiredMemory resource.Quantity `json:"desiredMemory,omitempty"`
	DesiredGPU    resource.Quantity `json:"desiredGPU,omitempty"`
	DesiredTPU    resource.Quantity `json:"desiredTPU,omitempty"`

	// LastUpdateTime is when this status was written.
	//
	// +nullable
	LastUpdateTime *metav1.Time `json:"lastUpdateTime,omitempty"`
	// StateTransitionTimes tell for each state when it was reached last.
	StateTransitionTimes map[ClusterState]*metav1.Time `json:"stateTransitionTimes,omitempty"`
	// Endpoints of the head's Service: name of a port → its number.
	Endpoints map[string]string `json:"endpoints,omitempty"`
	Head      HeadInfo          `json:"head,omitempty"`
	// ObservedGeneration is that of the specification this status tells of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// HeadInfo says where the head is.
type HeadInfo struct {
	PodIP       string `json:"podIP,omitempty"`
	PodName     string `json:"podName,omitempty"`
	ServiceIP   string `json:"serviceIP,omitempty"`
	ServiceName string `json:"serviceName,omitempty"`
}
