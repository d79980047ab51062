package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const manifest = `
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: NAME, namespace: ` + namespace + `}
spec:
  rayVersion: 2.60.0
  headGroupSpec:
    rayStartParams: {dashboard-host: 0.0.0.0}
    template:
      spec:
        containers:
        - name: ray-head
          image: rayproject/ray:2.60.0
          resources: {limits: {cpu: "2", memory: 4Gi}, requests: {cpu: "1", memory: 4Gi}}
  workerGroupSpecs:
  - groupName: workers
    replicas: WORKERS
    minReplicas: MIN
    maxReplicas: WORKERS
    rayStartParams: {}
    template:
      spec:
        containers:
        - name: ray-worker
          image: rayproject/ray:2.60.0
          resources: {limits: {cpu: "2", memory: 4Gi}, requests: {cpu: "1", memory: 4Gi}}
`

func cluster(name string, workers, least int) (*unstructured.Unstructured, error) {
	text := strings.NewReplacer("NAME", name, "WORKERS", fmt.Sprint(workers), "MIN", fmt.Sprint(least)).Replace(manifest)
	object := &unstructured.Unstructured{}
	return object, yaml.Unmarshal([]byte(text), object)
}

// result is what was measured of a contender.
type result struct {
	name          string
	clusters, all int           // clusters and pods
	pods, ready   time.Duration // until all pods were there, and until all clusters were ready
	cpu, idle     time.Duration // of the operator until then, and in the quiet time
	server        time.Duration // of API server and etcd until then
	peak          int64
	verbs         map[string]int // requests until all was ready
	writes        []request      // in the quiet time
}

// stage is a contender that runs, with all that it needs.
type stage struct {
	*control
	*scene
	process *operator
	end     func() error
}

// open starts a contender, and has it make and lose a cluster, so that it knows all.
func (o *options) open(ctx context.Context, c contender) (*stage, error) {
	k, err := o.startControl(ctx, c.crds)
	if err != nil {
		return nil, err
	}
	playing, stop := context.WithCancel(ctx)
	s := &stage{control: k, scene: newScene(k)}
	wait := s.play(playing)
	s.end = func() error {
		stop()
		wait()
		var err error
		if s.process != nil {
			err = s.process.stop()
		}
		return errors.Join(err, k.stop())
	}
	s.process, err = o.startOperator(k, c)
	if err == nil {
		err = s.warm(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

func (s *stage) warm(ctx context.Context) error {
	names := []string{"first"}
	if err := s.make(ctx, names, 1, 0); err != nil {
		return err
	}
	if err := s.untilReady(ctx, names); err != nil {
		return fmt.Errorf("%w; the operator said:\n%s", err, s.process.said())
	}
	return s.remove(ctx, names)
}

// make makes clusters, several at once.
func (s *stage) make(ctx context.Context, names []string, workers, least int) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs error
	slots := make(chan struct{}, atOnce)
	for _, name := range names {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			object, err := cluster(name, workers, least)
			if err == nil {
				_, err = s.dynamic.Resource(clusters).Namespace(namespace).Create(ctx, object, metav1.CreateOptions{})
			}
			mu.Lock()
			defer mu.Unlock()
			errs = errors.Join(errs, err)
		})
	}
	wg.Wait()
	return errs
}

func (s *stage) untilReady(ctx context.Context, names []string) error {
	return until(ctx, fmt.Sprintf("%d clusters are ready", len(names)), func() (bool, error) {
		ready, err := s.readyOf(names)
		return len(ready) == len(names), err
	})
}

// remove deletes clusters and, as there is no collector of garbage, their pods.
func (s *stage) remove(ctx context.Context, names []string) error {
	for _, name := range names {
		err := s.dynamic.Resource(clusters).Namespace(namespace).Delete(ctx, name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	err := until(ctx, "clusters are gone", func() (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, name := range names {
			if _, there := s.states[name]; there {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	selector := metav1.ListOptions{LabelSelector: clusterName + " in (" + strings.Join(names, ",") + ")"}
	gone := int64(0)
	if err := s.clients.CoreV1().Pods(namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &gone}, selector); err != nil {
		return err
	}
	services, err := s.clients.CoreV1().Services(namespace).List(ctx, selector)
	if err != nil {
		return err
	}
	for i := range services.Items {
		if err := s.clients.CoreV1().Services(namespace).Delete(ctx, services.Items[i].Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	if err := s.clients.CoreV1().ConfigMaps(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, selector); err != nil {
		return err
	}
	return until(ctx, "pods are gone", func() (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, of := range s.there {
			for _, name := range names {
				if of == name {
					return false, nil
				}
			}
		}
		return true, nil
	})
}

func namesOf(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%04d", prefix, i)
	}
	return names
}

// measure has a contender run n clusters.
func (o *options) measure(ctx context.Context, c contender, n int) (_ result, err error) {
	s, err := o.open(ctx, c)
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	r := result{name: c.name, clusters: n, all: n * (1 + o.workers)}
	pid := s.process.cmd.Process.Pid
	s.forget()
	before, err := s.taken(pid)
	if err != nil {
		return r, err
	}
	_, offset, err := s.requests(0)
	if err != nil {
		return r, err
	}
	began := time.Now()
	names := namesOf("c", n)
	if err := s.make(ctx, names, o.workers, 0); err != nil {
		return r, err
	}
	if err := s.untilReady(ctx, names); err != nil {
		return r, err
	}
	after, err := s.taken(pid)
	if err != nil {
		return r, err
	}
	r.cpu, r.server = after.operator-before.operator, after.server-before.server
	if err := s.times(&r, began, names); err != nil {
		return r, err
	}
	until, offset, err := s.requests(offset)
	if err != nil {
		return r, err
	}
	r.verbs = map[string]int{}
	for _, q := range until {
		r.verbs[q.Verb]++
	}
	return r, o.still(ctx, s, &r, offset)
}

// times tells when the last pod was there and the last cluster ready.
func (s *stage) times(r *result, began time.Time, names []string) error {
	there, at, err := s.podsThere(r.all)
	if err != nil {
		return err
	}
	if there != r.all || at.IsZero() {
		return fmt.Errorf("%d pods, want %d", there, r.all)
	}
	r.pods = at.Sub(began)
	ready, err := s.readyOf(names)
	for _, at := range ready {
		r.ready = max(r.ready, at.Sub(began))
	}
	return err
}

// settle is how long an operator may go on with what it began before it is quiet.
const settle = 15 * time.Second

// still measures what a contender does while nothing happens.
func (o *options) still(ctx context.Context, s *stage, r *result, offset int64) error {
	if err := sleep(ctx, settle); err != nil {
		return err
	}
	pid := s.process.cmd.Process.Pid
	_, offset, err := s.requests(offset)
	if err != nil {
		return err
	}
	before, err := cpu(pid)
	if err != nil {
		return err
	}
	if err := sleep(ctx, o.quiet); err != nil {
		return err
	}
	after, err := cpu(pid)
	if err != nil {
		return err
	}
	r.idle = after - before
	if r.peak, err = peak(pid); err != nil {
		return err
	}
	all, _, err := s.requests(offset)
	for _, q := range all {
		if q.writing() {
			r.writes = append(r.writes, q)
		}
	}
	return err
}
