package logsonly

import (
	"context"
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
)

// Path is where the API server asks.
const Path = "/pods"

// Handler adds the agent to pods of Ray that are being made.
type Handler struct {
	Clusters client.Reader // of RayClusters, in memory
	Live     client.Reader // of those made just now
	Settings desired.Settings
}

// Handle answers with what is to be changed in a pod. It allows every pod.
func (h *Handler) Handle(ctx context.Context, request admission.Request) admission.Response {
	var pod corev1.Pod
	if err := json.Unmarshal(request.Object.Raw, &pod); err != nil {
		return admission.Allowed("the pod cannot be read: it gets no agent")
	}
	why := h.add(ctx, request.Namespace, &pod)
	if why != "" {
		return admission.Allowed(why)
	}
	changed, err := json.Marshal(&pod)
	if err != nil {
		return admission.Allowed("the pod cannot be written: it gets no agent")
	}
	return admission.PatchResponseFromRaw(request.Object.Raw, changed)
}

// add puts the agent into a pod, or says why it does not.
func (h *Handler) add(ctx context.Context, namespace string, pod *corev1.Pod) string {
	kinds := []string{desired.Head, desired.Worker}
	name := pod.Labels[desired.LabelCluster]
	if name == "" || !slices.Contains(kinds, pod.Labels[desired.LabelNodeType]) || len(pod.Spec.Containers) == 0 {
		return "no Ray runs in this pod"
	}
	var c rayv1.RayCluster
	key := client.ObjectKey{Namespace: namespace, Name: name}
	err := h.Clusters.Get(ctx, key, &c)
	if apierrors.IsNotFound(err) {
		err = h.Live.Get(ctx, key, &c)
	}
	if err != nil {
		log.FromContext(ctx).Error(err, "no agent for a pod: its cluster cannot be read", "namespace", namespace, "cluster", name)
		return "the pod's RayCluster cannot be read: it gets no agent"
	}
	if rayv1.Invalid(c.Validate()) {
		return "the pod's RayCluster is not valid: it gets no agent"
	}
	if on, _, message := desired.Logs(&c, h.Settings); !on {
		return message
	}
	desired.AddAgent(pod, &c, h.Settings)
	return ""
}
