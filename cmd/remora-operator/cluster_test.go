package main

import (
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
)

const small = `
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: NAME, namespace: default}
spec:
  rayVersion: 2.60.0
  headGroupSpec:
    template: {spec: {containers: [{name: ray, image: "rayproject/ray:2.60.0"}]}}
  workerGroupSpecs:
  - {groupName: a, replicas: 2, minReplicas: 0, maxReplicas: 5, template: {spec: {containers: [{name: ray, image: "rayproject/ray:2.60.0"}]}}}
  - {groupName: b, replicas: 1, minReplicas: 0, maxReplicas: 5, template: {spec: {containers: [{name: ray, image: "rayproject/ray:2.60.0"}]}}}
`

func (w *world) small(name string) {
	w.Helper()
	w.apply(w.object(strings.ReplaceAll(small, "NAME", name)))
	w.ready(name)
}

func TestOperatorOnAnAPIServer(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name string
		run  func(w *world)
	}{
		{"manifests that people write become ready", manifests},
		{"a head that dies", headDies},
		{"scaling", scaling},
		{"suspend and resume", suspendResume},
		{"a wrong manifest stops no other", wrongManifest},
		{"an image that cannot be pulled", brokenImage},
		{"a group of several hosts", severalHosts},
		{"Recreate", recreate},
		{"pods that KubeRay made", takeOver},
		{"what was changed by hand", drift},
		{"nothing is written when nothing happens", quiet},
		{"the role allows what was asked and no more", leastRole},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(&world{t, w.Client, w.writes})
		})
	}
}

func manifests(w *world) {
	files, err := filepath.Glob("../../internal/operator/testdata/manifests/*.yaml")
	if err != nil || len(files) == 0 {
		w.Fatalf("no manifests: %v", err)
	}
	var names []string
	for _, file := range files {
		object := w.read(file)
		w.apply(object)
		names = append(names, object.GetName())
	}
	for _, name := range names {
		w.ready(name)
	}
	c := w.cluster("secure-ray-cluster")
	if meta.FindStatusCondition(c.Status.Conditions, rayv1.KindFSGroup) == nil || meta.FindStatusCondition(c.Status.Conditions, rayv1.KindUnknownToRay) == nil {
		w.Errorf("the conditions of the secure cluster do not tell of fsGroup and of the password: %v", c.Status.Conditions)
	}
	if got := w.pods("secure-ray-cluster", "head")[0].Spec.SecurityContext.FSGroup; got == nil || *got != 1000 {
		w.Errorf("the pod's fsGroup is %v, want that of the container, 1000", got)
	}
	if got := w.cluster("ray-cluster").Status; got.ReadyWorkerReplicas != 3 || got.Head.ServiceName != "ray-cluster-head-svc" || got.Endpoints["dashboard"] != "8265" {
		w.Errorf("the status of ray-cluster is %+v", got)
	}
	var found corev1.PodList
	if err := w.List(w.Context(), &found, client.MatchingLabels{"app": "ray-head"}); err != nil || len(found.Items) < 13 {
		w.Errorf("-l app=ray-head finds %d pods: %v", len(found.Items), err)
	}
}

func headDies(w *world) {
	w.small("dies")
	first := w.pods("dies", "head")[0]
	first.Status.Phase = corev1.PodFailed
	first.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}
	if err := w.Status().Update(w.Context(), &first); err != nil {
		w.Fatal(err)
	}
	w.until("another head runs", func() bool {
		heads := w.pods("dies", "head")
		return len(heads) == 1 && heads[0].UID != first.UID
	})
	w.ready("dies")
	if n := len(w.pods("dies", "worker")); n != 3 {
		w.Errorf("%d workers after the head died, want the same 3", n)
	}
}

func scaling(w *world) {
	w.small("scales")
	w.patch("scales", `{"spec": {"workerGroupSpecs": [{"groupName": "a", "replicas": 5, "minReplicas": 0, "maxReplicas": 5, "template": {"spec": {"containers": [{"name": "ray", "image": "rayproject/ray:2.60.0"}]}}}]}}`)
	w.until("group a has five workers and group b is gone", func() bool {
		workers := w.pods("scales", "worker")
		for _, pod := range workers {
			if pod.Labels[desired.LabelGroup] != "a" {
				return false
			}
		}
		return len(workers) == 5
	})
	w.ready("scales")
	chosen := w.pods("scales", "worker")[2].Name
	w.patch("scales", `{"spec": {"workerGroupSpecs": [{"groupName": "a", "replicas": 4, "minReplicas": 0, "maxReplicas": 5, "scaleStrategy": {"workersToDelete": ["`+chosen+`"]}, "template": {"spec": {"containers": [{"name": "ray", "image": "rayproject/ray:2.60.0"}]}}}]}}`)
	w.until("the chosen worker and no other is gone", func() bool {
		workers := w.pods("scales", "worker")
		for _, pod := range workers {
			if pod.Name == chosen {
				return false
			}
		}
		return len(workers) == 4
	})
}

func suspendResume(w *world) {
	w.small("sleeps")
	w.patch("sleeps", `{"spec": {"suspend": true}}`)
	w.until("it is suspended", func() bool {
		return w.cluster("sleeps").Status.State == rayv1.StateSuspended && len(w.pods("sleeps", "head"))+len(w.pods("sleeps", "worker")) == 0
	})
	w.patch("sleeps", `{"spec": {"suspend": false}}`)
	w.ready("sleeps")
}

func wrongManifest(w *world) {
	wrong := w.object(strings.ReplaceAll(small, "NAME", "wrong"))
	if err := unstructured.SetNestedField(wrong.Object, "4GB", "spec", "headGroupSpec", "rayStartParams", "memory"); err != nil {
		w.Fatal(err)
	}
	w.apply(wrong)
	w.until("the mistake is told", func() bool {
		c := meta.FindStatusCondition(w.cluster("wrong").Status.Conditions, rayv1.KindRayStartParams)
		return c != nil && strings.Contains(c.Message, "spec.headGroupSpec.rayStartParams.memory") && strings.Contains(c.Message, "4GB")
	})
	w.small("right")
	if n := len(w.pods("wrong", "head")); n != 0 {
		w.Errorf("%d heads of a cluster that cannot be run", n)
	}
	w.patch("wrong", `{"spec": {"headGroupSpec": {"rayStartParams": {"memory": "4Gi"}}}}`)
	w.ready("wrong")
	if c := meta.FindStatusCondition(w.cluster("wrong").Status.Conditions, rayv1.KindRayStartParams); c != nil {
		w.Errorf("the mistake is told after it was corrected: %v", c)
	}
}

func brokenImage(w *world) {
	w.apply(w.object(strings.ReplaceAll(strings.ReplaceAll(small, "NAME", "unpulled"), "rayproject/ray", "broken/ray")))
	w.until("the image is told", func() bool {
		c := w.cluster("unpulled").Status
		pull := meta.FindStatusCondition(c.Conditions, "ImagePullFailed")
		return c.State == "" && pull != nil && strings.Contains(pull.Message, "broken/ray:2.60.0")
	})
}

func severalHosts(w *world) {
	workers := w.pods("hosts", "worker")
	if len(workers) != 4 {
		w.Fatalf("%d pods of a replica of four hosts", len(workers))
	}
	gone := workers[0]
	if err := w.Delete(w.Context(), &gone); err != nil {
		w.Fatal(err)
	}
	w.until("the replica is made anew as a whole", func() bool {
		after := w.pods("hosts", "worker")
		for _, pod := range after {
			if pod.Labels[desired.LabelReplicaName] == gone.Labels[desired.LabelReplicaName] {
				return false
			}
		}
		return len(after) == 4
	})
}

func recreate(w *world) {
	w.small("anew")
	w.patch("anew", `{"spec": {"upgradeStrategy": {"type": "Recreate"}}}`)
	w.until("the head carries the hash", func() bool {
		return w.pods("anew", "head")[0].Annotations[desired.AnnotationRecreateHash] != ""
	})
	before := w.pods("anew", "head")[0].UID
	w.patch("anew", `{"spec": {"rayVersion": "2.59.0"}}`)
	w.until("all pods are made anew", func() bool {
		heads := w.pods("anew", "head")
		return len(heads) == 1 && heads[0].UID != before && len(w.pods("anew", "worker")) == 3
	})
}

func takeOver(w *world) {
	object := w.object(strings.ReplaceAll(small, "NAME", "theirs"))
	if err := unstructured.SetNestedField(object.Object, true, "spec", "suspend"); err != nil {
		w.Fatal(err)
	}
	w.apply(object)
	w.until("it is suspended", func() bool { return w.cluster("theirs").Status.State == rayv1.StateSuspended })
	c := w.cluster("theirs")
	owner := []metav1.OwnerReference{*metav1.NewControllerRef(c, rayv1.GroupVersion.WithKind("RayCluster"))}
	made := map[string]bool{}
	for _, pod := range []struct{ name, nodeType, group string }{
		{"theirs-head-xyz12", "head", "headgroup"}, {"theirs-a-worker-1", "worker", "a"}, {"theirs-a-worker-2", "worker", "a"}, {"theirs-b-worker-1", "worker", "b"},
	} {
		made[pod.name] = true
		err := w.Create(w.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: pod.name, Namespace: "default", OwnerReferences: owner,
				Annotations: map[string]string{desired.AnnotationVersion: "v1.6.0", desired.AnnotationRecreateHash: "THEIRS"},
				Labels:      map[string]string{desired.LabelCluster: "theirs", desired.LabelNodeType: pod.nodeType, desired.LabelGroup: pod.group},
			},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "ray", Image: "rayproject/ray:2.60.0"}}},
		})
		if err != nil {
			w.Fatal(err)
		}
	}
	w.patch("theirs", `{"spec": {"suspend": false, "upgradeStrategy": {"type": "Recreate"}}}`)
	w.ready("theirs")
	w.until("the head is stamped", func() bool {
		head := w.pods("theirs", "head")[0].Annotations
		return strings.HasPrefix(head[desired.AnnotationVersion], "remora-") && head[desired.AnnotationRecreateHash] != "THEIRS"
	})
	for _, pod := range append(w.pods("theirs", "head"), w.pods("theirs", "worker")...) {
		if !made[pod.Name] {
			w.Errorf("pod %s was made though all were there", pod.Name)
		}
		delete(made, pod.Name)
	}
	if len(made) > 0 {
		w.Errorf("pods were deleted: %v", made)
	}
}

func drift(w *world) {
	w.small("drifts")
	key := client.ObjectKey{Namespace: "default", Name: "drifts-head-svc"}
	var svc corev1.Service
	if err := w.Get(w.Context(), key, &svc); err != nil {
		w.Fatal(err)
	}
	svc.Spec.Selector = map[string]string{"app": "else"}
	if err := w.Update(w.Context(), &svc); err != nil {
		w.Fatal(err)
	}
	w.until("the head's Service finds the head again", func() bool {
		err := w.Get(w.Context(), key, &svc)
		return err == nil && svc.Spec.Selector[desired.LabelCluster] == "drifts" && svc.Spec.Selector["app"] == ""
	})
	w.patch("drifts", `{"metadata": {"annotations": {"ray.io/enable-serve-service": "true"}}}`)
	serve := client.ObjectKey{Namespace: "default", Name: "drifts-serve-svc"}
	w.until("there is a Service for Serve", func() bool { return w.Get(w.Context(), serve, &svc) == nil })
	w.patch("drifts", `{"metadata": {"annotations": {"ray.io/enable-serve-service": null}}}`)
	w.until("there is none", func() bool { return apierrors.IsNotFound(w.Get(w.Context(), serve, &svc)) })
}

// quiet has every cluster looked at again by a change that means nothing.
func quiet(w *world) {
	var clusters rayv1.RayClusterList
	if err := w.List(w.Context(), &clusters); err != nil {
		w.Fatal(err)
	}
	w.small("settles") // in the queue behind all of them
	w.writes.take()
	for _, c := range clusters.Items {
		w.patch(c.Name, `{"metadata": {"labels": {"note": "look"}}}`)
	}
	w.small("last")
	pods := 0
	for _, write := range w.writes.take() {
		switch {
		case write == "POST /api/v1/namespaces/default/pods":
			pods++
		case strings.Contains(write, "/last"), strings.HasPrefix(write, "POST /apis/events.k8s.io/"), strings.Contains(write, "/settles"):
		default:
			w.Errorf("%s, though nothing happened", write)
		}
	}
	if pods != 4 {
		w.Errorf("%d pods were made, the last cluster has 4", pods)
	}
}

// leastRole compares the ClusterRole with all requests of the tests before.
func leastRole(w *world) {
	spare := map[string]string{
		" pods/resize patch":                   "handed on to Ray's autoscaler",
		" pods get":                            "handed on to Ray's autoscaler",
		"ray.io rayclusters get":               "handed on to Ray's autoscaler",
		"ray.io rayclusters patch":             "a finalizer of KubeRay's is removed; handed on to Ray's autoscaler",
		"ray.io rayclusters/finalizers update": "asked of by admission, where owners may not outlive what they own",
		" nodes get":                           "read from the cache",
		"events.k8s.io events patch":           "an event that comes again",
	}
	for _, kind := range []string{"ray.io rayclusters", " pods", " nodes"} {
		spare[kind+" list"] = "asked of where an API server cannot stream what there is"
	}
	for _, kind := range []string{" services", " configmaps", " serviceaccounts", " persistentvolumeclaims", "networking.k8s.io ingresses", "rbac.authorization.k8s.io roles", "rbac.authorization.k8s.io rolebindings"} {
		spare[kind+" list"] = "asked of where an API server cannot stream what there is"
		spare[kind+" create"] = "asked of by server-side apply, which is a patch"
		spare[kind+" delete"] = "not desired any more"
	}
	var role rbacv1.ClusterRole
	if err := w.Get(w.Context(), client.ObjectKey{Name: "remora-operator"}, &role); err != nil {
		w.Fatal(err)
	}
	w.writes.mu.Lock()
	defer w.writes.mu.Unlock()
	for _, rule := range role.Rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					right := group + " " + resource + " " + verb
					if !w.writes.done[right] && spare[right] == "" {
						w.Errorf("the role allows %q, which the operator never did", strings.TrimSpace(right))
					}
				}
			}
		}
	}
}
