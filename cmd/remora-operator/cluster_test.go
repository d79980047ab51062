package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
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
	w := newWorld(t, "operator.yaml", "remora-system")
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
		{"what is not asked for any more", takenAway},
		{"a cluster that KubeRay was to clean up after", finalized},
		{"state in Redis", stateInRedis},
		{"who may reach the pods", networkPolicies},
		{"the token of agents", handedToken},
		{"the restricted level of Pod Security", restricted},
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
	w.patch("wrong", `{"spec": {"headGroupSpec": {"rayStartParams": {"memory": "5GB"}}}}`)
	w.until("the other mistake is told", func() bool {
		c := meta.FindStatusCondition(w.cluster("wrong").Status.Conditions, rayv1.KindRayStartParams)
		return c != nil && strings.Contains(c.Message, "5GB")
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
	w.patch("drifts", `{"spec": {"headGroupSpec": {"serviceType": "NodePort"}}}`)
	w.until("the head's Service has an address and a port of nodes", func() bool {
		err := w.Get(w.Context(), key, &svc)
		return err == nil && svc.Spec.Type == corev1.ServiceTypeNodePort && svc.Spec.ClusterIP != corev1.ClusterIPNone
	})
	w.patch("drifts", `{"spec": {"headGroupSpec": {"serviceType": null}}}`)
	w.until("the head's Service has none", func() bool {
		err := w.Get(w.Context(), key, &svc)
		return err == nil && svc.Spec.Type == corev1.ServiceTypeClusterIP && svc.Spec.ClusterIP == corev1.ClusterIPNone
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
	if err := w.List(w.Context(), &clusters, client.InNamespace("default")); err != nil {
		w.Fatal(err)
	}
	w.small("settles") // in the queue behind all of them
	w.writes.take()
	for _, c := range clusters.Items {
		w.patch(c.Name, `{"metadata": {"labels": {"note": "look"}}}`)
	}
	w.small("last")
	made := map[string]int{}
	for _, write := range w.writes.take() {
		kind, isMade := strings.CutPrefix(write, "POST /api/v1/namespaces/default/")
		switch {
		case isMade:
			made[kind]++
		case strings.Contains(write, "/last"), strings.Contains(write, "/leases/"), strings.HasPrefix(write, "POST /apis/events.k8s.io/"), strings.Contains(write, "/settles"):
		default:
			w.Errorf("%s, though nothing happened", write)
		}
	}
	if want := map[string]int{"pods": 4, "services": 1, "configmaps": 1}; !maps.Equal(made, want) {
		w.Errorf("%v were made, the last cluster has %v", made, want)
	}
}

// takenAway has all that a cluster can have, and then nothing of it.
func takenAway(w *world) {
	w.small("sheds")
	all := []struct {
		name string
		kind client.Object
	}{
		{"sheds-head-ingress", &networkingv1.Ingress{}},
		{"sheds", &corev1.ServiceAccount{}},
		{"sheds", &rbacv1.Role{}},
		{"sheds", &rbacv1.RoleBinding{}},
		{"sheds-logs", &corev1.ConfigMap{}},
		{"sheds-head", &networkingv1.NetworkPolicy{}},
	}
	w.patch("sheds", `{"spec": {"enableInTreeAutoscaling": true, "networkPolicy": {"mode": "DenyAll"}, "headGroupSpec": {"enableIngress": true}}}`)
	for _, o := range all {
		w.until(o.name+" is there", func() bool { return w.Get(w.Context(), inDefault(o.name), o.kind) == nil })
	}
	var claims corev1.PersistentVolumeClaimList
	if err := w.List(w.Context(), &claims, client.InNamespace("default")); err != nil || len(claims.Items) == 0 {
		w.Fatalf("no claim of any cluster: %v", err)
	}
	kept := &claims.Items[0]
	for _, o := range append(all, struct {
		name string
		kind client.Object
	}{kept.Name, kept}) {
		const mark = "remora.dev/applied"
		before := o.kind.GetAnnotations()[mark]
		w.merge(o.kind, `{"metadata": {"annotations": {"`+mark+`": null}}}`)
		w.until(o.name+" is as it was", func() bool {
			return w.Get(w.Context(), inDefault(o.name), o.kind) == nil && o.kind.GetAnnotations()[mark] == before
		})
		for _, fields := range o.kind.GetManagedFields() {
			if fields.Manager == "remora-operator" && fields.Operation != metav1.ManagedFieldsOperationApply {
				w.Errorf("%s has fields that no later apply takes away", o.name)
			}
		}
	}
	w.patch("sheds", `{"spec": {"enableInTreeAutoscaling": false, "networkPolicy": null, "headGroupSpec": {"enableIngress": false}, "logs": {"enabled": false}}}`)
	for _, o := range all {
		w.until(o.name+" is gone", func() bool { return apierrors.IsNotFound(w.Get(w.Context(), inDefault(o.name), o.kind)) })
	}
}

func inDefault(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: "default", Name: name}
}

// finalized is deleted though KubeRay wanted to do something before.
func finalized(w *world) {
	w.small("redis")
	w.patch("redis", `{"metadata": {"finalizers": ["ray.io/gcs-ft-redis-cleanup-finalizer"]}}`)
	if err := w.Delete(w.Context(), w.cluster("redis")); err != nil {
		w.Fatal(err)
	}
	w.until("it is gone", func() bool { return apierrors.IsNotFound(w.Get(w.Context(), inDefault("redis"), &rayv1.RayCluster{})) })
}

// stateInRedis goes with its cluster, once no head writes to it any more.
func stateInRedis(w *world) {
	c := w.object(strings.ReplaceAll(small, "NAME", "kept"))
	if err := unstructured.SetNestedField(c.Object, map[string]any{"redisAddress": "redis:6379"}, "spec", "gcsFaultToleranceOptions"); err != nil {
		w.Fatal(err)
	}
	w.apply(c)
	w.ready("kept")
	if err := w.Delete(w.Context(), w.cluster("kept")); err != nil {
		w.Fatal(err)
	}
	var job batchv1.Job
	w.until("Redis is being cleaned", func() bool { return w.Get(w.Context(), inDefault("kept-redis-cleanup"), &job) == nil })
	if n := len(w.pods("kept", "head")) + len(w.pods("kept", "worker")); n != 0 {
		w.Errorf("%d pods were there when the cleaning began, one of which may write to Redis", n)
	}
	w.cluster("kept") // is there until the Job has ended
	now := metav1.Now()
	job.Status = batchv1.JobStatus{StartTime: &now, CompletionTime: &now, Succeeded: 1, Conditions: []batchv1.JobCondition{
		{Type: batchv1.JobSuccessCriteriaMet, Status: corev1.ConditionTrue}, {Type: batchv1.JobComplete, Status: corev1.ConditionTrue},
	}}
	if err := w.Status().Update(w.Context(), &job); err != nil {
		w.Fatal(err)
	}
	w.until("it is gone", func() bool { return apierrors.IsNotFound(w.Get(w.Context(), inDefault("kept"), &rayv1.RayCluster{})) })
}

// networkPolicies are made for the head and each group, and go with them.
func networkPolicies(w *world) {
	w.small("walled")
	w.patch("walled", `{"spec": {"networkPolicy": {"mode": "DenyAll"}}}`)
	there := func(want ...string) func() bool {
		return func() bool {
			var list networkingv1.NetworkPolicyList
			if err := w.List(w.Context(), &list, client.MatchingLabels{desired.LabelCluster: "walled"}); err != nil {
				w.Fatal(err)
			}
			var names []string
			for _, policy := range list.Items {
				names = append(names, policy.Name)
			}
			slices.Sort(names)
			return slices.Equal(names, want)
		}
	}
	w.until("each group has a policy", there("walled-head", "walled-workers-a", "walled-workers-b"))
	w.patch("walled", `{"spec": {"workerGroupSpecs": [{"groupName": "a", "replicas": 2, "minReplicas": 0, "maxReplicas": 5, "template": {"spec": {"containers": [{"name": "ray", "image": "rayproject/ray:2.60.0"}]}}}]}}`)
	w.until("the group that is gone has none", there("walled-head", "walled-workers-a"))
	w.patch("walled", `{"spec": {"networkPolicy": null}}`)
	w.until("there is none", there())
}

// handedToken is the one that may write, in each namespace with clusters and no other.
func handedToken(w *world) {
	source, other := client.ObjectKey{Namespace: "remora-system", Name: "remora-tokens"}, "agents-elsewhere"
	token := func(key client.ObjectKey, of string) string {
		var s corev1.Secret
		if err := w.Get(w.Context(), key, &s); err != nil {
			return ""
		}
		return string(s.Data[of])
	}
	agents := func(namespace string) string {
		return token(client.ObjectKey{Namespace: namespace, Name: desired.AgentTokenSecret}, desired.AgentTokenKey)
	}
	first := token(source, "agent")
	w.until("the agents have the token", func() bool { return first != "" && agents("default") == first })

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: desired.AgentTokenSecret}}
	if err := w.Delete(w.Context(), secret); err != nil {
		w.Fatal(err)
	}
	w.until("a Secret that was deleted is there again", func() bool { return agents("default") == first })
	w.merge(secret, `{"data": {"token": "ZWxzZQ=="}}`)
	w.until("a token that was changed is the operator's again", func() bool { return agents("default") == first })

	w.namespace(other, nil)
	cluster := w.object(strings.ReplaceAll(small, "NAME", "moved"))
	cluster.SetNamespace(other)
	w.apply(cluster)
	w.until("another namespace with a cluster has the token", func() bool { return agents(other) == first })
	w.merge(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: source.Namespace, Name: source.Name}}, `{"data": {"agent": "c2Vjb25k"}}`)
	w.until("all agents have another token", func() bool { return agents("default") == "second" && agents(other) == "second" })
	if err := w.Delete(w.Context(), cluster); err != nil {
		w.Fatal(err)
	}
	w.until("a namespace without a cluster has none", func() bool { return agents(other) == "" })
}

// restricted is the strictest level. The API server itself tells whether pods pass it.
func restricted(w *world) {
	const name = "strict"
	w.namespace(name, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	bare := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "bare"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}
	if err := w.Create(w.Context(), bare, client.DryRunAll); !apierrors.IsForbidden(err) {
		w.Fatalf("the level is not enforced here: %v", err)
	}
	ours := 0
	for _, manifest := range []string{"operator.yaml", "namespaced.yaml", "logs-only.yaml", "server.yaml"} {
		for _, object := range w.documents(manifest) {
			template, found, err := unstructured.NestedMap(object.Object, "spec", "template", "spec")
			if err != nil || !found {
				continue
			}
			ours++
			pod := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": template}}
			pod.SetNamespace(name)
			pod.SetName("ours")
			unstructured.RemoveNestedField(pod.Object, "spec", "serviceAccountName")
			if object.GetKind() == "StatefulSet" { // of claims, which are volumes in its pods
				volumes, _, _ := unstructured.NestedSlice(template, "volumes")
				_ = unstructured.SetNestedSlice(pod.Object, append(volumes, map[string]any{"name": "data"}), "spec", "volumes")
			}
			if err := w.Create(w.Context(), pod, client.DryRunAll); err != nil {
				w.Errorf("the pod of %s: %v", manifest, err)
			}
		}
	}
	if ours != 4 {
		w.Errorf("%d manifests have pods, want 4", ours)
	}
	cluster := w.read("testdata/restricted.yaml")
	cluster.SetNamespace(name)
	w.apply(cluster)
	w.until("a cluster of such pods, with autoscaler and agent, is ready", func() bool {
		var c rayv1.RayCluster
		if err := w.Get(w.Context(), client.ObjectKeyFromObject(cluster), &c); err != nil {
			w.Fatal(err)
		}
		if fails := meta.FindStatusCondition(c.Status.Conditions, rayv1.ConditionReplicaFailure); fails != nil {
			w.Fatalf("pods are refused: %s", fails.Message)
		}
		return c.Status.State == rayv1.StateReady
	})
	for _, pod := range append(w.pods("restricted", "head"), w.pods("restricted", "worker")...) {
		if pod.Spec.InitContainers[0].Name != desired.AgentName {
			w.Errorf("pod %s has no agent", pod.Name)
		}
		hasToken := pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken
		if head := pod.Labels[desired.LabelNodeType] == desired.Head; hasToken != head {
			w.Errorf("pod %s has a token of a service account: %v; the autoscaler alone needs one", pod.Name, hasToken)
		}
	}
}

// leastRole compares the roles with all requests of the tests before.
func leastRole(w *world) {
	spare := map[string]string{
		" pods/resize patch":                   "handed on to Ray's autoscaler",
		" pods get":                            "handed on to Ray's autoscaler",
		"ray.io rayclusters get":               "handed on to Ray's autoscaler",
		"ray.io rayclusters/finalizers update": "asked of by admission, where owners may not outlive what they own",
		" events patch":                        "an event of an operator that waits, which comes again",
		" events create":                       "an event of an operator that waits",
		" secrets get remora-tokens":           "where they were made before",
	}
	for _, kind := range kindsWatched {
		spare[kind+" list"] = "asked of where an API server cannot stream what there is"
	}
	for _, name := range []string{"remora-agent-token", "remora-tokens"} {
		spare[" secrets list "+name] = "asked of where an API server cannot stream what there is"
		spare[" secrets get "+name] = "asked of where the cache does not know of it"
	}
	w.writes.mu.Lock()
	defer w.writes.mu.Unlock()
	for right := range given(w) {
		if !w.writes.done[right] && spare[right] == "" {
			w.Errorf("the role allows %q, which the operator never did", strings.TrimSpace(right))
		}
	}
	if len(w.writes.refused) > 0 {
		w.Errorf("the role does not allow %q", w.writes.refused)
	}
}
