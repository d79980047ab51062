package rayv1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RayCronJob makes RayJobs by the clock.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=all
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:printcolumn:name="schedule",type=string,JSONPath=".spec.schedule",priority=0
// +kubebuilder:printcolumn:name="timezone",type=string,JSONPath=".spec.timeZone",priority=0
// +kubebuilder:printcolumn:name="last schedule",type=string,JSONPath=".status.lastScheduleTime",priority=0
// +kubebuilder:printcolumn:name="age",type="date",JSONPath=".metadata.creationTimestamp",priority=0
// +kubebuilder:printcolumn:name="suspend",type=boolean,JSONPath=".spec.suspend",priority=0
type RayCronJob struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   RayCronJobSpec   `json:"spec,omitempty"`
	Status RayCronJobStatus `json:"status,omitempty"`
}

// RayCronJobList is a list of them.
//
// +kubebuilder:object:root=true
type RayCronJobList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RayCronJob `json:"items"`
}

// RayCronJobSpec is when which job is made.
type RayCronJobSpec struct {
	// Schedule has cron's five fields.
	Schedule string `json:"schedule"`
	// TimeZone of the schedule, such as Europe/Berlin; empty: the operator's.
	TimeZone *string `json:"timeZone,omitempty"`
	Suspend  bool    `json:"suspend,omitempty"`
	// JobTemplate is the specification of each job.
	JobTemplate RayJobSpec `json:"jobTemplate"`
}

// RayCronJobStatus is when it last made a job.
type RayCronJobStatus struct {
	LastScheduleTime *metav1.Time `json:"lastScheduleTime,omitempty"`
}
