package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
)

// programs is where etcd and kube-apiserver of 1.34 are.
func programs(t *testing.T) string {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(cache, "remora", "kubernetes-1.34.3")
	}
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Skipf("no %s in %s: put etcd and kube-apiserver there, or name their directory in KUBEBUILDER_ASSETS", name, dir)
		}
	}
	return dir
}

// world is an API server, an operator on it, and a program that plays the kubelet.
type world struct {
	*testing.T
	client.Client
	writes *writes
}

// writes are the requests of the operator that change something.
type writes struct {
	mu  sync.Mutex
	all []string // method and path
}

// take returns what was written since the last time.
func (w *writes) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.all
	w.all = nil
	return all
}

type recorder struct {
	http.RoundTripper
	writes *writes
}

func (c recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		c.writes.mu.Lock()
		c.writes.all = append(c.writes.all, r.Method+" "+r.URL.Path)
		c.writes.mu.Unlock()
	}
	return c.RoundTripper.RoundTrip(r)
}

func newWorld(t *testing.T) *world {
	log.SetLogger(logr.Discard())
	env := &envtest.Environment{
		BinaryAssetsDirectory:    programs(t),
		ControlPlaneStartTimeout: 3 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	config, err := env.Start()
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	kinds := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, rayv1.AddToScheme} {
		if err := add(kinds); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: kinds})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, Client: c, writes: &writes{}}
	w.definitions()
	w.role()
	operated := rest.CopyConfig(config)
	operated.Impersonate.UserName = "system:serviceaccount:remora-system:remora-operator"
	operated.QPS, operated.Burst = 500, 500
	operated.Wrap(func(rt http.RoundTripper) http.RoundTripper { return recorder{rt, w.writes} })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		o, err := parse([]string{"--metrics-addr=0", "--health-probe-bind-address=0", "--enable-leader-election=false", "--agent-image=agent", "--logs-url=http://logs:3100"}, os.Stderr)
		if err == nil {
			err = run(ctx, operated, o)
		}
		ended <- err
	}()
	played := make(chan struct{})
	go func() {
		defer close(played)
		w.kubelet(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-played
		if err := <-ended; err != nil {
			t.Errorf("the operator ended: %v", err)
		}
	})
	return w
}

// definitions are applied as kubectl apply --server-side does.
func (w *world) definitions() {
	files, err := filepath.Glob("../../deploy/kubernetes/crds/*.yaml")
	if err != nil || len(files) != 4 {
		w.Fatalf("%d definitions: %v", len(files), err)
	}
	for _, file := range files {
		w.apply(w.read(file))
	}
	w.until("the definitions are served", func() bool {
		var jobs rayv1.RayJobList
		var clusters rayv1.RayClusterList
		old := &unstructured.UnstructuredList{}
		old.SetAPIVersion("ray.io/v1alpha1")
		old.SetKind("RayClusterList")
		return w.List(w.Context(), &clusters) == nil && w.List(w.Context(), &jobs) == nil && w.List(w.Context(), old) == nil
	})
}

// role gives the operator what its manifest gives it, and nothing more.
func (w *world) role() {
	text, err := os.ReadFile("../../deploy/kubernetes/operator.yaml")
	if err != nil {
		w.Fatal(err)
	}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		if object := w.object(document); object.GetKind() != "Deployment" {
			w.apply(object)
		}
	}
}

func (w *world) read(file string) *unstructured.Unstructured {
	w.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	return w.object(string(text))
}

func (w *world) object(text string) *unstructured.Unstructured {
	w.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), object); err != nil {
		w.Fatal(err)
	}
	return object
}

// apply is strict: an unknown field is an error, as with kubectl.
func (w *world) apply(object *unstructured.Unstructured) {
	w.Helper()
	if object.GetKind() == "RayCluster" && object.GetNamespace() == "" {
		object.SetNamespace("default")
	}
	strict := client.WithFieldValidation(w.Client, metav1.FieldValidationStrict)
	err := strict.Apply(w.Context(), client.ApplyConfigurationFromUnstructured(object.DeepCopy()), client.FieldOwner("kubectl"), client.ForceOwnership)
	if err != nil {
		w.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

// until waits for something that the operator is to bring about.
func (w *world) until(what string, done func() bool) {
	w.Helper()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			w.Fatalf("after two minutes it is not so that %s", what)
		}
	}
}

// kubelet makes every pod run and be ready, and lets those go that are deleted. A pod
// whose image is called broken stays without it.
func (w *world) kubelet(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var pods corev1.PodList
		if err := w.List(ctx, &pods); err != nil {
			continue
		}
		for i := range pods.Items {
			w.play(ctx, &pods.Items[i])
		}
	}
}

func (w *world) play(ctx context.Context, pod *corev1.Pod) {
	ray := pod.Spec.Containers[0]
	switch {
	case pod.DeletionTimestamp != nil:
		err := w.Delete(ctx, pod, client.GracePeriodSeconds(0))
		if err != nil && !apierrors.IsNotFound(err) && !errors.Is(err, context.Canceled) {
			w.Error(err)
		}
		return
	case pod.Status.Phase == corev1.PodFailed || len(pod.Status.ContainerStatuses) > 0:
		return
	case strings.Contains(ray.Image, "broken"):
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: ray.Name, Image: ray.Image, State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "Back-off pulling image"},
		}}}
	default:
		pod.Status.Phase = corev1.PodRunning
		pod.Status.PodIP = "10.0.0.1"
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: ray.Name, Ready: true}}
	}
	_ = w.Status().Update(ctx, pod) // one that changed meanwhile has its turn again
}

func (w *world) cluster(name string) *rayv1.RayCluster {
	w.Helper()
	var c rayv1.RayCluster
	if err := w.Get(w.Context(), client.ObjectKey{Namespace: "default", Name: name}, &c); err != nil {
		w.Fatal(err)
	}
	return &c
}

func (w *world) pods(name, nodeType string) []corev1.Pod {
	w.Helper()
	var list corev1.PodList
	err := w.List(w.Context(), &list, client.MatchingLabels{desired.LabelCluster: name, desired.LabelNodeType: nodeType})
	if err != nil {
		w.Fatal(err)
	}
	return list.Items
}

func (w *world) ready(name string) {
	w.Helper()
	w.until(name+" is ready", func() bool { return w.cluster(name).Status.State == rayv1.StateReady })
}

func (w *world) patch(name, merge string) {
	w.Helper()
	c := &rayv1.RayCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	if err := w.Patch(w.Context(), c, client.RawPatch("application/merge-patch+json", []byte(merge))); err != nil {
		w.Fatal(err)
	}
}

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
