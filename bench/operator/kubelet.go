package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

const (
	namespace   = "default"
	clusterName = "ray.io/cluster"
	atOnce      = 16 // requests of this program
	// neverReady in a cluster's name: its pods run and are never ready, as if no
	// dashboard answered.
	neverReady = "dead"
)

// running makes a pod run and be ready.
const running = `{"status": {"phase": "Running", "podIP": "10.255.255.1", "podIPs": [{"ip": "10.255.255.1"}],
	"conditions": [{"type": "Ready", "status": %q}, {"type": "ContainersReady", "status": %q}],
	"containerStatuses": [{"name": %q, "ready": %v, "started": true, "image": "i", "imageID": "i", "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}}`

// scene is what this program sees of the clusters: it plays the kubelet, and notes when
// what happened.
type scene struct {
	k    *control
	pods chan *corev1.Pod // to be made running

	mu      sync.Mutex
	there   map[types.UID]string // pods, with their cluster
	readyAt map[string]time.Time // clusters
	states  map[string]string    // of clusters
	podsAt  map[int]time.Time    // when there were so many pods first
	failed  error
}

func newScene(k *control) *scene {
	return &scene{
		k: k, pods: make(chan *corev1.Pod, 1<<16), there: map[types.UID]string{},
		readyAt: map[string]time.Time{}, states: map[string]string{}, podsAt: map[int]time.Time{},
	}
}

// play goes on until ctx ends.
func (s *scene) play(ctx context.Context) (wait func()) {
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() { s.kubelet(ctx) })
	}
	pods := cache.NewSharedIndexInformer(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return s.k.clients.CoreV1().Pods(namespace).List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return s.k.clients.CoreV1().Pods(namespace).Watch(ctx, o)
		},
	}, &corev1.Pod{}, 0, nil)
	_, _ = pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { s.podMade(o.(*corev1.Pod)) },
		DeleteFunc: s.podGone,
	})
	rays := cache.NewSharedIndexInformer(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return s.k.dynamic.Resource(clusters).Namespace(namespace).List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return s.k.dynamic.Resource(clusters).Namespace(namespace).Watch(ctx, o)
		},
	}, &unstructured.Unstructured{}, 0, nil)
	_, _ = rays.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { s.clusterIs(o.(*unstructured.Unstructured)) },
		UpdateFunc: func(_, o any) { s.clusterIs(o.(*unstructured.Unstructured)) },
		DeleteFunc: s.clusterGone,
	})
	wg.Go(func() { pods.Run(ctx.Done()) })
	wg.Go(func() { rays.Run(ctx.Done()) })
	return wg.Wait
}

func (s *scene) podMade(pod *corev1.Pod) {
	s.mu.Lock()
	s.there[pod.UID] = pod.Labels[clusterName]
	if n := len(s.there); s.podsAt[n].IsZero() {
		s.podsAt[n] = time.Now()
	}
	s.mu.Unlock()
	s.pods <- pod
}

func (s *scene) podGone(o any) {
	if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = last.Obj
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.there, o.(*corev1.Pod).UID)
}

func (s *scene) clusterIs(c *unstructured.Unstructured) {
	state, _, _ := unstructured.NestedString(c.Object, "status", "state")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states[c.GetName()] = state
	if state == "ready" && s.readyAt[c.GetName()].IsZero() {
		s.readyAt[c.GetName()] = time.Now()
	}
}

func (s *scene) clusterGone(o any) {
	if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = last.Obj
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := o.(*unstructured.Unstructured).GetName()
	delete(s.states, name)
	delete(s.readyAt, name)
}

// forget what was noted of pods.
func (s *scene) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.podsAt = map[int]time.Time{}
}

// podsThere is how many pods there are, and when there were n first.
func (s *scene) podsThere(n int) (int, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.there), s.podsAt[n], s.failed
}

// readyOf tells when each of the clusters was ready first, as far as they are.
func (s *scene) readyOf(names []string) (map[string]time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]time.Time{}
	for _, name := range names {
		if at := s.readyAt[name]; !at.IsZero() {
			all[name] = at
		}
	}
	return all, s.failed
}

// kubelet makes pods run.
func (s *scene) kubelet(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case pod := <-s.pods:
			if err := s.run(ctx, pod); err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) {
				s.mu.Lock()
				s.failed = fmt.Errorf("make pod %s run: %w", pod.Name, err)
				s.mu.Unlock()
			}
		}
	}
}

func (s *scene) run(ctx context.Context, pod *corev1.Pod) error {
	ready := corev1.ConditionTrue
	if name := pod.Labels[clusterName]; len(name) >= len(neverReady) && name[:len(neverReady)] == neverReady {
		ready = corev1.ConditionFalse
	}
	status := fmt.Sprintf(running, ready, ready, pod.Spec.Containers[0].Name, ready == corev1.ConditionTrue)
	_, err := s.k.clients.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, []byte(status), metav1.PatchOptions{}, "status")
	return err
}
