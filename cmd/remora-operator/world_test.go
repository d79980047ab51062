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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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

// asked names a request as a rule of a role does: "group resource verb", and the name
// of the object that it is about, where it is about one.
func asked(r *http.Request) (right, name string) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	group := ""
	if path[0] == "apis" && len(path) > 1 {
		group, path = path[1], path[1:]
	}
	path = path[min(2, len(path)):] // the version
	if len(path) > 2 && path[0] == "namespaces" {
		path = path[2:]
	}
	if len(path) == 0 {
		return "", ""
	}
	resource := path[0]
	if len(path) > 1 {
		name = path[1]
	}
	if len(path) > 2 {
		resource += "/" + path[2]
	}
	verb := map[string]string{"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}[r.Method]
	if verb == "get" && name == "" {
		if verb = "list"; r.URL.Query().Get("watch") != "" {
			verb = "watch"
		}
		name, _ = strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name=")
	}
	return group + " " + resource + " " + verb, name
}

// world is an API server, an operator on it, and a program that plays the kubelet.
type world struct {
	*testing.T
	client.Client
	writes *writes
}

// writes are the requests of the operator that change something.
type writes struct {
	mu      sync.Mutex
	all     []string        // method and path
	done    map[string]bool // "group resource verb", and the same with a name behind, of all requests
	refused []string        // method and path of those that the role does not allow
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
	answer, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		c.writes.note(r, answer.StatusCode)
	}
	return answer, err
}

func (w *writes) note(r *http.Request, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Method != http.MethodGet && !strings.HasPrefix(r.URL.Path, "/apis/authorization.k8s.io/") {
		w.all = append(w.all, r.Method+" "+r.URL.Path)
	}
	if status == http.StatusForbidden {
		w.refused = append(w.refused, r.Method+" "+r.URL.String())
	}
	right, name := asked(r)
	all := []string{right}
	if r.Method == http.MethodPatch && status == http.StatusCreated { // of server-side apply
		all = append(all, strings.TrimSuffix(right, "patch")+"create")
	}
	for _, right := range all {
		w.done[right] = true
		if name != "" {
			w.done[right+" "+name] = true
		}
	}
}

// newServer is an API server with etcd, and the definitions of ray.io on it.
func newServer(t *testing.T) (*world, *rest.Config) {
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
	kinds, err := knownKinds()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: kinds})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, Client: c, writes: &writes{done: map[string]bool{}}}
	w.definitions()
	return w, config
}

// newWorld runs an operator with the rights that its manifest gives it.
func newWorld(t *testing.T, manifest, namespace string, args ...string) *world {
	w, config := newServer(t)
	w.install(manifest)
	operated := as(config, namespace)
	operated.Wrap(func(rt http.RoundTripper) http.RoundTripper { return recorder{rt, w.writes} })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		o, err := parse(append([]string{
			"--metrics-addr=0", "--health-probe-bind-address=0", "--leader-election-namespace=" + namespace,
			"--agent-image=agent", "--logs-url=http://logs:3100", "--logs-tokens=" + namespace + "/remora-tokens",
		}, args...), os.Stderr)
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

// as is the operator's service account in a namespace.
func as(config *rest.Config, namespace string) *rest.Config {
	config = rest.CopyConfig(config)
	config.Impersonate.UserName = "system:serviceaccount:" + namespace + ":remora-operator"
	config.QPS, config.Burst = 500, 500
	return config
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

// install applies a manifest of the operator, but for the operator itself.
func (w *world) install(manifest string) {
	w.Helper()
	for _, object := range w.documents(manifest) {
		if object.GetKind() != "Deployment" {
			w.apply(object)
		}
	}
}

// documents are the objects of a manifest in deploy/kubernetes.
func (w *world) documents(manifest string) []*unstructured.Unstructured {
	w.Helper()
	text, err := os.ReadFile("../../deploy/kubernetes/" + manifest)
	if err != nil {
		w.Fatal(err)
	}
	var all []*unstructured.Unstructured
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		all = append(all, w.object(document))
	}
	return all
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
	w.merge(&rayv1.RayCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}, merge)
}

func (w *world) merge(object client.Object, merge string) {
	w.Helper()
	if err := w.Patch(w.Context(), object, client.RawPatch("application/merge-patch+json", []byte(merge))); err != nil {
		w.Fatal(err)
	}
}

func (w *world) namespace(name string, labels map[string]string) {
	w.Helper()
	if err := w.Create(w.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}); err != nil {
		w.Fatal(err)
	}
}
