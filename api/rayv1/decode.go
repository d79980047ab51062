package rayv1

import (
	"bytes"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UnmarshalJSON decodes a cluster. A specification that cannot be decoded leaves the
// metadata and is told by [RayCluster.Validate]; only what is no object at all fails.
// The API server refuses most of that, but its patterns let a few quantities through
// that no decoder takes, and a list with one such object would fail as a whole.
func (c *RayCluster) UnmarshalJSON(data []byte) error {
	type plain RayCluster // without this method
	var p plain
	err := json.Unmarshal(data, &p)
	if err == nil {
		*c = RayCluster(p)
		return nil
	}
	var bare struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        metav1.ObjectMeta `json:"metadata"`
		Status          json.RawMessage   `json:"status"`
	}
	if json.Unmarshal(data, &bare) != nil {
		return err
	}
	*c = RayCluster{TypeMeta: bare.TypeMeta, ObjectMeta: bare.Metadata, unreadable: err.Error()}
	var status RayClusterStatus
	if len(bare.Status) > 0 && json.Unmarshal(bare.Status, &status) == nil {
		c.Status = status
	}
	return nil
}

// UnmarshalJSON decodes the head's group. See [liftFSGroup].
func (g *HeadGroupSpec) UnmarshalJSON(data []byte) error {
	type plain HeadGroupSpec
	var p plain
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	p.liftedFSGroup = liftFSGroup(data, &p.Template)
	*g = HeadGroupSpec(p)
	return nil
}

// UnmarshalJSON decodes a group of workers. See [liftFSGroup].
func (g *WorkerGroupSpec) UnmarshalJSON(data []byte) error {
	type plain WorkerGroupSpec
	var p plain
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	p.liftedFSGroup = liftFSGroup(data, &p.Template)
	*g = WorkerGroupSpec(p)
	return nil
}

// liftFSGroup takes a container's securityContext.fsGroup, which Kubernetes knows for
// whole pods only, as the pod's, unless that has one. It returns the container's name,
// or nothing where no container has any.
func liftFSGroup(group []byte, template *corev1.PodTemplateSpec) string {
	if !bytes.Contains(group, []byte(`"fsGroup"`)) {
		return ""
	}
	var view struct {
		Template struct {
			Spec struct {
				Containers []struct {
					Name            string `json:"name"`
					SecurityContext struct {
						FSGroup *int64 `json:"fsGroup"`
					} `json:"securityContext"`
				} `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	}
	if json.Unmarshal(group, &view) != nil {
		return ""
	}
	for _, c := range view.Template.Spec.Containers {
		if c.SecurityContext.FSGroup == nil {
			continue
		}
		if template.Spec.SecurityContext == nil {
			template.Spec.SecurityContext = &corev1.PodSecurityContext{}
		}
		if template.Spec.SecurityContext.FSGroup == nil {
			template.Spec.SecurityContext.FSGroup = c.SecurityContext.FSGroup
		}
		return c.Name
	}
	return ""
}
