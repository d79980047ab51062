package rayv1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RayJob is a program that runs on a RayCluster, one made for it or one that is there.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=all
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:printcolumn:name="job status",type=string,JSONPath=".status.jobStatus",priority=0
// +kubebuilder:printcolumn:name="deployment status",type=string,JSONPath=".status.jobDeploymentStatus",priority=0
// +kubebuilder:printcolumn:name="ray cluster name",type="string",JSONPath=".status.rayClusterName",priority=0
// +kubebuilder:printcolumn:name="start time",type=string,JSONPath=".status.startTime",priority=0
// +kubebuilder:printcolumn:name="end time",type=string,JSONPath=".status.endTime",priority=0
// +kubebuilder:printcolumn:name="age",type="date",JSONPath=".metadata.creationTimestamp",priority=0
type RayJob struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   RayJobSpec   `json:"spec,omitempty"`
	Status RayJobStatus `json:"status,omitempty"`
}

// RayJobList is a list of jobs.
//
// +kubebuilder:object:root=true
type RayJobList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RayJob `json:"items"`
}

// JobSubmissionMode is how a job's entrypoint gets to Ray.
//
// +kubebuilder:validation:Enum=K8sJobMode;HTTPMode;InteractiveMode;SidecarMode
type JobSubmissionMode string

// How a job's entrypoint gets to Ray: by a Kubernetes Job, by a request of the
// operator, by the user, by a container beside the head.
const (
	SubmitK8sJob      JobSubmissionMode = "K8sJobMode"
	SubmitHTTP        JobSubmissionMode = "HTTPMode"
	SubmitInteractive JobSubmissionMode = "InteractiveMode"
	SubmitSidecar     JobSubmissionMode = "SidecarMode"
)

// RayJobSpec is what a user asks of a job.
type RayJobSpec struct {
	// Entrypoint is the command line that Ray runs.
	Entrypoint string `json:"entrypoint,omitempty"`
	// RuntimeEnvYAML is Ray's runtime environment.
	RuntimeEnvYAML string `json:"runtimeEnvYAML,omitempty"`
	// Metadata that Ray keeps with the job.
	Metadata map[string]string `json:"metadata,omitempty"`
	// JobId is the submission id; empty: one is made up.
	JobId string `json:"jobId,omitempty"`
	// +kubebuilder:default=K8sJobMode
	SubmissionMode JobSubmissionMode `json:"submissionMode,omitempty"`
	// Resources that the driver takes.
	EntrypointNumCpus   float32 `json:"entrypointNumCpus,omitempty"`
	EntrypointNumGpus   float32 `json:"entrypointNumGpus,omitempty"`
	EntrypointResources string  `json:"entrypointResources,omitempty"`

	// RayClusterSpec of a cluster made for this job.
	RayClusterSpec *RayClusterSpec `json:"rayClusterSpec,omitempty"`
	// ClusterSelector {"ray.io/cluster": NAME} takes a cluster that is there.
	ClusterSelector map[string]string `json:"clusterSelector,omitempty"`

	SubmitterPodTemplate *corev1.PodTemplateSpec `json:"submitterPodTemplate,omitempty"`
	SubmitterConfig      *SubmitterConfig        `json:"submitterConfig,omitempty"`
	// BackoffLimit is how often the job is tried again on a new cluster.
	//
	// +kubebuilder:default=0
	BackoffLimit *int32 `json:"backoffLimit,omitempty"`
	// ActiveDeadlineSeconds after which the job has failed.
	ActiveDeadlineSeconds *int32 `json:"activeDeadlineSeconds,omitempty"`
	// PreRunningDeadlineSeconds after which a job that does not run yet has failed.
	//
	// +kubebuilder:validation:Minimum=1
	PreRunningDeadlineSeconds *int32 `json:"preRunningDeadlineSeconds,omitempty"`
	// ShutdownAfterJobFinishes deletes the cluster made for the job.
	ShutdownAfterJobFinishes bool `json:"shutdownAfterJobFinishes,omitempty"`
	// +kubebuilder:default=0
	TTLSecondsAfterFinished int32 `json:"ttlSecondsAfterFinished,omitempty"`
	Suspend                 bool  `json:"suspend,omitempty"`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="managedBy cannot be changed"
	// +kubebuilder:validation:XValidation:rule="self in ['ray.io/kuberay-operator', 'kueue.x-k8s.io/multikueue']",message="managedBy is 'ray.io/kuberay-operator' or 'kueue.x-k8s.io/multikueue'"
	ManagedBy        *string           `json:"managedBy,omitempty"`
	DeletionStrategy *DeletionStrategy `json:"deletionStrategy,omitempty"`
}

// SubmitterConfig is how the submitter is tried again.
type SubmitterConfig struct {
	BackoffLimit *int32 `json:"backoffLimit,omitempty"`
}

// DeletionPolicyType is what goes when a job has ended.
//
// +kubebuilder:validation:Enum=DeleteCluster;DeleteWorkers;DeleteSelf;DeleteNone
type DeletionPolicyType string

// What goes when a job has ended.
const (
	DeleteCluster DeletionPolicyType = "DeleteCluster"
	DeleteWorkers DeletionPolicyType = "DeleteWorkers"
	DeleteSelf    DeletionPolicyType = "DeleteSelf"
	DeleteNone    DeletionPolicyType = "DeleteNone"
)

// DeletionStrategy says what goes when a job has ended: by rules, or by both of the
// older onSuccess and onFailure.
//
// +kubebuilder:validation:XValidation:rule="has(self.deletionRules) != (has(self.onSuccess) || has(self.onFailure))",message="give deletionRules, or onSuccess and onFailure"
// +kubebuilder:validation:XValidation:rule="has(self.onSuccess) == has(self.onFailure)",message="onSuccess and onFailure go together"
type DeletionStrategy struct {
	OnSuccess *DeletionPolicy `json:"onSuccess,omitempty"`
	OnFailure *DeletionPolicy `json:"onFailure,omitempty"`
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	DeletionRules []DeletionRule `json:"deletionRules,omitempty"`
}

// DeletionPolicy is the older form of a rule.
type DeletionPolicy struct {
	Policy *DeletionPolicyType `json:"policy,omitempty"`
}

// DeletionRule is what goes, and when.
type DeletionRule struct {
	Policy    DeletionPolicyType `json:"policy"`
	Condition DeletionCondition  `json:"condition"`
}

// DeletionCondition is the end that a rule is for, and how long after it.
//
// +kubebuilder:validation:XValidation:rule="has(self.jobStatus) != has(self.jobDeploymentStatus)",message="give jobStatus or jobDeploymentStatus"
type DeletionCondition struct {
	// +kubebuilder:validation:Enum=SUCCEEDED;FAILED
	JobStatus *JobStatus `json:"jobStatus,omitempty"`
	// +kubebuilder:validation:Enum=Failed
	JobDeploymentStatus *JobDeploymentStatus `json:"jobDeploymentStatus,omitempty"`
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	TTLSeconds int32 `json:"ttlSeconds,omitempty"`
}

// JobStatus is what Ray says of a job.
type JobStatus string

// What Ray says of a job.
const (
	JobPending   JobStatus = "PENDING"
	JobRunning   JobStatus = "RUNNING"
	JobStopped   JobStatus = "STOPPED"
	JobSucceeded JobStatus = "SUCCEEDED"
	JobFailed    JobStatus = "FAILED"
)

// JobDeploymentStatus is how far the operator is with a job.
type JobDeploymentStatus string

// How far the operator is with a job. Empty: it has not begun.
const (
	DeploymentInitializing     JobDeploymentStatus = "Initializing"
	DeploymentWaiting          JobDeploymentStatus = "Waiting"
	DeploymentRunning          JobDeploymentStatus = "Running"
	DeploymentComplete         JobDeploymentStatus = "Complete"
	DeploymentFailed           JobDeploymentStatus = "Failed"
	DeploymentRetrying         JobDeploymentStatus = "Retrying"
	DeploymentSuspending       JobDeploymentStatus = "Suspending"
	DeploymentSuspended        JobDeploymentStatus = "Suspended"
	DeploymentValidationFailed JobDeploymentStatus = "ValidationFailed"
)

// RayJobStatus is what is known of a job.
type RayJobStatus struct {
	JobId               string              `json:"jobId,omitempty"`
	RayClusterName      string              `json:"rayClusterName,omitempty"`
	DashboardURL        string              `json:"dashboardURL,omitempty"`
	JobStatus           JobStatus           `json:"jobStatus,omitempty"`
	JobDeploymentStatus JobDeploymentStatus `json:"jobDeploymentStatus,omitempty"`
	Reason              string              `json:"reason,omitempty"`
	Message             string              `json:"message,omitempty"`
	StartTime           *metav1.Time        `json:"startTime,omitempty"`
	EndTime             *metav1.Time        `json:"endTime,omitempty"`
	// Succeeded and Failed count tries.
	//
	// +kubebuilder:default=0
	Succeeded *int32 `json:"succeeded,omitempty"`
	// +kubebuilder:default=0
	Failed           *int32           `json:"failed,omitempty"`
	RayJobInfo       RayJobInfo       `json:"rayJobInfo,omitempty"`
	RayClusterStatus RayClusterStatus `json:"rayClusterStatus,omitempty"`
	// JobStatusCheckFailureStartTime is since when Ray has not answered.
	JobStatusCheckFailureStartTime *metav1.Time `json:"jobStatusCheckFailureStartTime,omitempty"`
	ObservedGeneration             int64        `json:"observedGeneration,omitempty"`
}

// RayJobInfo is when Ray began and ended a job.
type RayJobInfo struct {
	StartTime *metav1.Time `json:"startTime,omitempty"`
	EndTime   *metav1.Time `json:"endTime,omitempty"`
}
