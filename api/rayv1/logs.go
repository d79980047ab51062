package rayv1

import corev1 "k8s.io/api/core/v1"

// LogsSpec says where a cluster's log lines go. Without it the operator's own settings
// hold, and lines are kept.
type LogsSpec struct {
	// Enabled, where it is false, keeps the agent out of the cluster's pods. Where it is
	// true the agent comes also beside a log collector that the pods have of their own.
	Enabled *bool `json:"enabled,omitempty"`
	// URL of a Remora server or a Loki, such as http://remora:3100.
	URL string `json:"url,omitempty"`
	// Tenant that the lines belong to.
	Tenant string `json:"tenant,omitempty"`
	// TokenSecret has the token that the server asks for.
	TokenSecret *corev1.SecretKeySelector `json:"tokenSecret,omitempty"`
	// Labels that each line of this cluster gets.
	Labels map[string]string `json:"labels,omitempty"`
	// Image of the agent.
	Image           string            `json:"image,omitempty"`
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// Resources of the agent's container.
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
	// Retention is a hint to the server how long lines are worth keeping, such as 30d.
	Retention string `json:"retention,omitempty"`
	// WaitForLogs is how much longer a pod may take to end, so that its last lines are
	// delivered, such as 15s, which is the default.
	WaitForLogs string `json:"waitForLogs,omitempty"`
	// Rotation of Ray's own log files; unset: Ray's default.
	Rotation *LogRotation `json:"rotation,omitempty"`
}

// LogRotation is how much of its logs Ray keeps on disk.
type LogRotation struct {
	// Bytes after which Ray begins a new file.
	//
	// +kubebuilder:validation:Minimum=1
	Bytes *int64 `json:"bytes,omitempty"`
	// Backups that Ray keeps of each file.
	//
	// +kubebuilder:validation:Minimum=0
	Backups *int32 `json:"backups,omitempty"`
}
