package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

// kinds are those of what is compared.
var kinds = []schema.GroupVersionKind{
	{Group: "ray.io", Version: "v1", Kind: "RayCluster"},
	{Version: "v1", Kind: "Pod"},
	{Version: "v1", Kind: "Service"},
	{Version: "v1", Kind: "Secret"},
	{Version: "v1", Kind: "ConfigMap"},
	{Version: "v1", Kind: "ServiceAccount"},
	{Version: "v1", Kind: "PersistentVolumeClaim"},
	{Group: "batch", Version: "v1", Kind: "Job"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
}

// side is an operator on an API server of its own. All of it listens on loopback.
type side struct {
	name     string
	env      *envtest.Environment
	operator *exec.Cmd
	ended    chan error
	said     string // file of what the operator says
	client   client.Client
	given    map[string][]string // manifest → kind and name of what was applied with it
	refused  map[string]error    // manifest → why the API server did not take it
}

// begin starts an API server, applies definitions, and starts the operator.
func (s *side) begin(ctx context.Context, programs, definitions, operator string, args ...string) error {
	s.given, s.refused = map[string][]string{}, map[string]error{}
	s.env = &envtest.Environment{BinaryAssetsDirectory: programs, ControlPlaneStartTimeout: 3 * time.Minute, ControlPlaneStopTimeout: time.Minute}
	config, err := s.env.Start()
	if err != nil {
		return fmt.Errorf("start etcd and kube-apiserver of %s: %w", programs, err)
	}
	config.QPS, config.Burst = 500, 1000
	if s.client, err = client.New(config, client.Options{Scheme: scheme.Scheme}); err != nil {
		return err
	}
	if err := s.define(ctx, definitions); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "kuberaydiff-")
	if err != nil {
		return err
	}
	s.said = filepath.Join(dir, "operator.log")
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, s.env.KubeConfig, 0o600); err != nil {
		return err
	}
	said, err := os.Create(s.said)
	if err != nil {
		return err
	}
	defer said.Close()
	s.operator = exec.Command(operator, args...)
	s.operator.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	s.operator.Stdout, s.operator.Stderr = said, said
	s.operator.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.operator.Start(); err != nil {
		return fmt.Errorf("start %s: %w", operator, err)
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.operator.Wait() }()
	return nil
}

// define applies definitions and waits until they are served.
func (s *side) define(ctx context.Context, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no definitions in %s: %w", dir, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &object.Object); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := s.apply(ctx, object); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return s.until(ctx, "the definitions are served", func() bool {
		_, err := s.list(ctx, kinds[0])
		return err == nil
	})
}

// end stops the operator and the API server. What the operator said is removed only
// where it ended as it should.
func (s *side) end() {
	if s.operator != nil {
		_ = s.operator.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
			_ = os.RemoveAll(filepath.Dir(s.said))
		case <-time.After(20 * time.Second):
			_ = s.operator.Process.Kill()
		}
	}
	if s.env != nil {
		if err := s.env.Stop(); err != nil {
			fmt.Fprintf(os.Stderr, "stop the API server of %s: %v\n", s.name, err)
		}
	}
}

// apply makes an object, or has one that is there say what this one does. Unknown
// fields are dropped without a word, as most clients have it.
func (s *side) apply(ctx context.Context, object *unstructured.Unstructured) error {
	loose := client.WithFieldValidation(s.client, metav1.FieldValidationIgnore)
	want := object.DeepCopy()
	err := loose.Create(ctx, want)
	if !apierrors.IsAlreadyExists(err) || object.GetKind() == "Namespace" {
		return client.IgnoreAlreadyExists(err)
	}
	there := &unstructured.Unstructured{}
	there.SetGroupVersionKind(object.GroupVersionKind())
	if err := s.client.Get(ctx, client.ObjectKeyFromObject(object), there); err != nil {
		return err
	}
	there.Object["spec"] = object.DeepCopy().Object["spec"]
	there.SetLabels(object.GetLabels())
	there.SetAnnotations(object.GetAnnotations())
	return loose.Update(ctx, there)
}

// take does what a step says. That the API server refuses it is no error but something
// to compare.
func (s *side) take(ctx context.Context, m *manifest, doing step) error {
	namespace := &unstructured.Unstructured{}
	namespace.SetAPIVersion("v1")
	namespace.SetKind("Namespace")
	namespace.SetName(m.name)
	if err := s.apply(ctx, namespace); err != nil {
		return err
	}
	for _, object := range doing {
		var err error
		switch object.GetKind() {
		case kindFail:
			err = s.fail(ctx, m.name, object)
		case kindDelete:
			name, _, _ := unstructured.NestedString(object.Object, "name")
			cluster := &unstructured.Unstructured{}
			cluster.SetGroupVersionKind(kinds[0])
			cluster.SetNamespace(m.name)
			cluster.SetName(name)
			err = s.client.Delete(ctx, cluster)
		default:
			if object.GetKind() != "RayCluster" {
				s.given[m.name] = append(s.given[m.name], object.GetKind()+" "+object.GetName())
			}
			err = s.apply(ctx, object)
			delete(s.refused, m.name)
			if apierrors.IsInvalid(err) {
				s.refused[m.name], err = err, nil
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fail ends the pods of a group.
func (s *side) fail(ctx context.Context, namespace string, object *unstructured.Unstructured) error {
	group, _, _ := unstructured.NestedString(object.Object, "group")
	phase, _, _ := unstructured.NestedString(object.Object, "phase")
	var pods corev1.PodList
	if err := s.client.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels{"ray.io/group": group}); err != nil {
		return err
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		pod.Status.Phase = corev1.PodPhase(phase)
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "PodFailed"}}
		// The operator may be quicker: it deletes the hosts of a replica of which one failed.
		if err := s.client.Status().Update(ctx, pod); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return err
		}
	}
	return nil
}

// playPods makes the pods of a namespace run and be ready, as kubelets would.
func (s *side) playPods(ctx context.Context, namespace string) error {
	var pods corev1.PodList
	if err := s.client.List(ctx, &pods, client.InNamespace(namespace)); err != nil {
		return err
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodRunning {
			continue
		}
		pod.Status.Phase = corev1.PodRunning
		pod.Status.PodIP = "10.0.0.2"
		if pod.Labels["ray.io/node-type"] == "head" {
			pod.Status.PodIP = "10.0.0.1"
		}
		for _, kind := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
			pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue})
		}
		for _, c := range pod.Spec.Containers {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
				Name: c.Name, Image: c.Image, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			})
		}
		slices.SortFunc(pod.Status.ContainerStatuses, func(a, b corev1.ContainerStatus) int { return strings.Compare(a.Name, b.Name) })
		if err := s.client.Status().Update(ctx, pod); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return err
		}
	}
	return nil
}

// settle waits until nothing has changed for a while.
func (s *side) settle(ctx context.Context, still time.Duration) error {
	var before []byte
	since := time.Now()
	return s.until(ctx, "nothing changes", func() bool {
		var now bytes.Buffer
		for _, kind := range kinds {
			list := &metav1.PartialObjectMetadataList{}
			list.SetGroupVersionKind(schema.GroupVersionKind{Group: kind.Group, Version: kind.Version, Kind: kind.Kind + "List"})
			if err := s.client.List(ctx, list); err != nil {
				return false
			}
			for _, object := range list.Items {
				fmt.Fprintf(&now, "%s/%s %s\n", object.Namespace, object.Name, object.ResourceVersion)
			}
		}
		if !bytes.Equal(before, now.Bytes()) {
			before, since = now.Bytes(), time.Now()
		}
		return time.Since(since) >= still
	})
}

// until asks again and again until it is so that done.
func (s *side) until(ctx context.Context, what string, done func() bool) error {
	deadline := time.NewTimer(5 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.ended: // nil, and never ready, before the operator is started
			s.ended <- err
			text, _ := os.ReadFile(s.said)
			return fmt.Errorf("the operator ended: %w\n%s", err, text[max(0, len(text)-2000):])
		case <-deadline.C:
			return fmt.Errorf("after five minutes it is not so that %s", what)
		}
	}
	return nil
}

func (s *side) list(ctx context.Context, kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: kind.Group, Version: kind.Version, Kind: kind.Kind + "List"})
	err := s.client.List(ctx, list)
	return list.Items, err
}

// made returns all that there is, by namespace, but for what users put there.
func (s *side) made(ctx context.Context) (map[string][]unstructured.Unstructured, error) {
	all := map[string][]unstructured.Unstructured{}
	for _, kind := range kinds {
		objects, err := s.list(ctx, kind)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", kind.Kind, err)
		}
		for _, object := range objects {
			in := object.GetNamespace()
			object.SetKind(kind.Kind) // items of a list do not say
			if !slices.Contains(s.given[in], kind.Kind+" "+object.GetName()) {
				all[in] = append(all[in], object)
			}
		}
	}
	for name, err := range s.refused {
		all[name] = append(all[name], refusal(err))
	}
	return all, nil
}

// refusal tells as an object that the API server refused a cluster, and for which fields.
func refusal(err error) unstructured.Unstructured {
	var fields []any
	var told apierrors.APIStatus
	if errors.As(err, &told) && told.Status().Details != nil {
		for _, cause := range told.Status().Details.Causes {
			fields = append(fields, cause.Field)
		}
	}
	return unstructured.Unstructured{Object: map[string]any{"kind": "Refusal", "metadata": map[string]any{"name": "refused"}, "fields": fields}}
}
