package rayv1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RayService is Ray Serve applications on a RayCluster, moved to a new one when its
// specification changes.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=all
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:printcolumn:name="service status",type=string,JSONPath=".status.serviceStatus"
// +kubebuilder:printcolumn:name="num serve endpoints",type=string,JSONPath=".status.numServeEndpoints"
type RayService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   RayServiceSpec   `json:"spec,omitempty"`
	Status RayServiceStatus `json:"status,omitempty"`
}

// RayServiceList is a list of services.
//
// +kubebuilder:object:root=true
type RayServiceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RayService `json:"items"`
}

// RayServiceSpec is what a user asks of a service.
type RayServiceSpec struct {
	// ServeConfigV2 is the YAML of Ray Serve's applications.
	ServeConfigV2 string `json:"serveConfigV2,omitempty"`
	// RayClusterConfig is the cluster they run on.
	RayClusterConfig RayClusterSpec `json:"rayClusterConfig"`
	// ServeService is taken as the Service in front of them.
	ServeService *corev1.Service `json:"serveService,omitempty"`
	// ExcludeHeadPodFromServeSvc keeps requests away from the head.
	ExcludeHeadPodFromServeSvc bool `json:"excludeHeadPodFromServeSvc,omitempty"`
	// RayClusterDeletionDelaySeconds is how long an old cluster outlives the move.
	//
	// +kubebuilder:validation:Minimum=0
	RayClusterDeletionDelaySeconds *int32                     `json:"rayClusterDeletionDelaySeconds,omitempty"`
	UpgradeStrategy                *RayServiceUpgradeStrategy `json:"upgradeStrategy,omitempty"`
	Suspend                        bool                       `json:"suspend,omitempty"`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="managedBy cannot be changed"
	// +kubebuilder:validation:XValidation:rule="self in ['ray.io/kuberay-operator', 'kueue.x-k8s.io/multikueue']",message="managedBy is 'ray.io/kuberay-operator' or 'kueue.x-k8s.io/multikueue'"
	ManagedBy *string `json:"managedBy,omitempty"`

	// What KubeRay took once and ignores.

	ServiceUnhealthySecondThreshold    *int32 `json:"serviceUnhealthySecondThreshold,omitempty"`
	DeploymentUnhealthySecondThreshold *int32 `json:"deploymentUnhealthySecondThreshold,omitempty"`
}

// RayServiceUpgradeType is how a service moves to a new cluster.
//
// +kubebuilder:validation:Enum=NewCluster;NewClusterWithIncrementalUpgrade;None
type RayServiceUpgradeType string

// How a service moves to a new cluster: at once, by and by, not at all.
const (
	ServiceNewCluster  RayServiceUpgradeType = "NewCluster"
	ServiceIncremental RayServiceUpgradeType = "NewClusterWithIncrementalUpgrade"
	ServiceUpgradeNone RayServiceUpgradeType = "None"
)

// RayServiceUpgradeStrategy is how a service moves to a new cluster.
type RayServiceUpgradeStrategy struct {
	Type                  *RayServiceUpgradeType `json:"type,omitempty"`
	ClusterUpgradeOptions *ClusterUpgradeOptions `json:"clusterUpgradeOptions,omitempty"`
}

// ClusterUpgradeOptions are the steps of a move by and by.
type ClusterUpgradeOptions struct {
	// +kubebuilder:default=100
	MaxSurgePercent  *int32 `json:"maxSurgePercent,omitempty"`
	StepSizePercent  *int32 `json:"stepSizePercent"`
	IntervalSeconds  *int32 `json:"intervalSeconds"`
	GatewayClassName string `json:"gatewayClassName"`
}

// RayServiceStatus is what is known of a service.
type RayServiceStatus struct {
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
	// ServiceStatus is Running or empty.
	ServiceStatus        string              `json:"serviceStatus,omitempty"`
	ActiveServiceStatus  ServedClusterStatus `json:"activeServiceStatus,omitempty"`
	PendingServiceStatus ServedClusterStatus `json:"pendingServiceStatus,omitempty"`
	NumServeEndpoints    int32               `json:"numServeEndpoints,omitempty"`
	LastUpdateTime       *metav1.Time        `json:"lastUpdateTime,omitempty"`
	ObservedGeneration   int64               `json:"observedGeneration,omitempty"`
}

// ServedClusterStatus is one of the clusters of a service.
type ServedClusterStatus struct {
	RayClusterName          string                       `json:"rayClusterName,omitempty"`
	RayClusterStatus        RayClusterStatus             `json:"rayClusterStatus,omitempty"`
	ApplicationStatuses     map[string]ApplicationStatus `json:"applicationStatuses,omitempty"`
	TargetCapacity          *int32                       `json:"targetCapacity,omitempty"`
	TrafficRoutedPercent    *int32                       `json:"trafficRoutedPercent,omitempty"`
	LastTrafficMigratedTime *metav1.Time                 `json:"lastTrafficMigratedTime,omitempty"`
}

// ApplicationStatus is what Ray Serve says of an application.
type ApplicationStatus struct {
	Status                  string                      `json:"status,omitempty"`
	Message                 string                      `json:"message,omitempty"`
	ServeDeploymentStatuses map[string]DeploymentStatus `json:"serveDeploymentStatuses,omitempty"`
}

// DeploymentStatus is what Ray Serve says of a deployment.
type DeploymentStatus struct {
	Status  string `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
}
