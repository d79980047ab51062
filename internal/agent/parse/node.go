package parse

import (
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/ray"
)

// Node is where a file was written, as far as known; empty values are absent
// from labels and metadata.
type Node struct {
	Cluster, Namespace, Group string
	Type                      string // "head" or "worker"
	ID, IP                    string // Ray's node id; address
	Pod, Container, Owner     string
	// Tenant is who its lines belong to; "" for the output's own.
	Tenant string
	// Shared says that several nodes write there: what a file tells of one says nothing
	// of the others.
	Shared bool
}

// Labels are the stream labels of a file's lines.
func (n Node) Labels(f ray.File) logs.Labels {
	if n.Type == "head" {
		n.Group = "" // of no worker group, though KubeRay calls it headgroup
	}
	return logs.LabelsOf(
		"service_name", "ray-cluster",
		"job", "ray/logs",
		"RayCluster", n.Cluster,
		"namespace", n.Namespace,
		"node_type", n.Type,
		"group", n.Group,
		"component", string(f.Component),
	)
}

// Metadata is what is the same on each line of a file.
func (n Node) Metadata(session string, f ray.File) logs.Labels {
	ip := n.IP
	if f.NodeIP != "" {
		ip = f.NodeIP
	}
	return logs.LabelsOf(
		"session", session,
		"filename", f.Stream,
		"stream", f.Output,
		"node_id", n.ID,
		"node_ip", ip,
		"pod", n.Pod,
		"container", n.Container,
		"owner", n.Owner,
		"pid", number(f.PID),
		"worker_id", f.WorkerID,
		"job_id", f.JobID,
		"submission_id", f.SubmissionID,
		"application", f.Application,
		"deployment", f.Deployment,
		"replica", f.Replica,
	)
}
