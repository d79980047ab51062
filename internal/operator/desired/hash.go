package desired

import (
	"crypto/sha1"
	"encoding/base32"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"

	"github.com/remora-ray/remora/api/rayv1"
)

// SpecHash tells specifications apart whose pods differ. How many workers there are,
// where they may run, who reaches them and how they are upgraded does not count.
func SpecHash(spec *rayv1.RayClusterSpec) string {
	s := spec.DeepCopy()
	forget(&s.HeadGroupSpec.Template)
	for i := range s.WorkerGroupSpecs {
		g := &s.WorkerGroupSpecs[i]
		g.Replicas, g.MinReplicas, g.MaxReplicas = nil, nil, nil
		g.ScaleStrategy = rayv1.ScaleStrategy{}
		forget(&g.Template)
	}
	s.UpgradeStrategy = nil
	s.Suspend = nil
	s.NetworkPolicy = nil
	text, err := json.Marshal(s)
	if err != nil { // a decoded specification encodes
		return ""
	}
	sum := sha1.Sum(text)
	return base32.HexEncoding.EncodeToString(sum[:])
}

func forget(t *corev1.PodTemplateSpec) {
	t.Spec.Tolerations, t.Spec.SchedulingGates = nil, nil
}
