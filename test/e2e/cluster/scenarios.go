package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// scenario is something that happens to a cluster with two workers while a job writes.
// It ends when the cluster is as its manifest says.
type scenario struct {
	name   string
	happen func(s *site, name string) error
	gone   bool                                        // the cluster is deleted in it
	quiet  bool                                        // no job writes
	own    func(s *site, name string) (verdict, error) // instead: it makes its own cluster
}

var scenarios = []scenario{
	{name: "a job over all nodes", happen: allNodes},
	{name: "a worker is deleted", happen: deleteWorker},
	{name: "the head is deleted", happen: deleteHead},
	{name: "the operator is killed while a worker is replaced", happen: killOperator},
	{name: "one worker, three, two", happen: scale},
	{name: "suspended and resumed", happen: suspend},
	{name: "a node is lost", happen: loseNode},
	{name: "an image that does not exist", happen: badImage},
	{name: "GPUs that no node has", happen: noGPU},
	{name: "a manifest that cannot be run stops no other", happen: badManifest, quiet: true},
	{name: "the cluster is deleted", happen: deleteCluster, gone: true},
	{name: "the page by kubectl port-forward", own: page},
	{name: "taken over from KubeRay, and back", own: takeOver},
	{name: "KubeRay runs the cluster, this the agents", own: logsOnly},
}

const rayCluster = "e2e"

// play has one scenario happen to a cluster that is ready.
func (s *site) play(sc scenario) (r result) {
	r.name = sc.name
	begun := time.Now()
	defer func() { r.took = time.Since(begun) }()
	if sc.own != nil {
		r.lines, r.err = sc.own(s, "kuberays")
		return r
	}
	if _, err := s.kubectlWith(manifest(rayCluster, 2), "apply", "-f", "-"); err != nil {
		r.err = err
		return r
	}
	if r.err = s.whole(rayCluster, 2); r.err != nil {
		return r
	}
	if sc.quiet {
		r.err = sc.happen(s, rayCluster)
		return r
	}
	run, err := s.write(rayCluster, 3)
	if err != nil {
		r.err = err
		return r
	}
	r.err = sc.happen(s, rayCluster)
	if r.err == nil && !sc.gone {
		r.err = s.whole(rayCluster, 2)
	}
	r.lines, err = s.judge(rayCluster, run)
	r.err = errors.Join(r.err, err)
	return r
}

func allNodes(s *site, name string) error {
	head, err := s.one(name, "head")
	if err != nil {
		return err
	}
	told, err := s.kubectl("-n", namespace, "exec", head.Metadata.Name, "-c", "ray-head", "--", "ray", "status")
	if err != nil {
		return err
	}
	for _, group := range []string{" 1 headgroup\n", " 2 small\n"} {
		if !strings.Contains(told, group) {
			return fmt.Errorf("ray status does not say %q: %q", group, told)
		}
	}
	return nil
}

// one is a pod of a kind that lives.
func (s *site) one(name, kind string) (pod, error) {
	pods, err := s.pods(name, kind)
	if err != nil {
		return pod{}, err
	}
	for _, p := range pods {
		if p.Metadata.DeletionTimestamp == nil {
			return p, nil
		}
	}
	return pod{}, fmt.Errorf("%s has no %s", name, kind)
}

// replaced deletes a pod and waits until it is gone and another is in its place.
func (s *site) replaced(name, kind string) error {
	p, err := s.one(name, kind)
	if err != nil {
		return err
	}
	if _, err := s.kubectl("-n", namespace, "delete", "pod", p.Metadata.Name, "--wait=false"); err != nil {
		return err
	}
	return s.until("the pod is gone", patience, func() error {
		told, err := s.kubectl("-n", namespace, "get", "pod", p.Metadata.Name, "--ignore-not-found", "-o", "name")
		if err == nil && told != "" {
			err = errors.New("it is there")
		}
		return err
	})
}

func deleteWorker(s *site, name string) error { return s.replaced(name, "worker") }

// The head takes the job with it: what is written until then is asked for.
func deleteHead(s *site, name string) error { return s.replaced(name, "head") }

func killOperator(s *site, name string) error {
	p, err := s.one(name, "worker")
	if err != nil {
		return err
	}
	if _, err := s.kubectl("-n", namespace, "delete", "pod", p.Metadata.Name, "--wait=false"); err != nil {
		return err
	}
	_, err = s.kubectl("-n", system, "delete", "pod", "-l", "app.kubernetes.io/name=remora-operator", "--grace-period=0", "--force")
	return err
}

func (s *site) replicas(name string, n int) error {
	patch := fmt.Sprintf(`[{"op":"replace","path":"/spec/workerGroupSpecs/0/replicas","value":%d}]`, n)
	if _, err := s.kubectl("-n", namespace, "patch", "raycluster", name, "--type=json", "-p", patch); err != nil {
		return err
	}
	return s.whole(name, n)
}

func scale(s *site, name string) error {
	for _, n := range []int{1, 3, 2} {
		if err := s.replicas(name, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) merge(name, patch string) error {
	_, err := s.kubectl("-n", namespace, "patch", "raycluster", name, "--type=merge", "-p", patch)
	return err
}

func suspend(s *site, name string) error {
	if err := s.merge(name, `{"spec":{"suspend":true}}`); err != nil {
		return err
	}
	err := s.until("the cluster is suspended", patience, func() error {
		c, err := s.get(name)
		if err == nil && c.Status.State != "suspended" {
			err = fmt.Errorf("state %q: %s", c.Status.State, c.Status.Reason)
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.merge(name, `{"spec":{"suspend":false}}`)
}

// besides adds a second group whose pods cannot run, and takes it away once that is told.
func (s *site) besides(name, container, condition, words string) error {
	patch := fmt.Sprintf(`[{"op":"add","path":"/spec/workerGroupSpecs/-","value":{"groupName":"other","replicas":1,"minReplicas":0,"maxReplicas":1,"rayStartParams":{},"template":{"spec":{"containers":[%s]}}}}]`, container)
	if _, err := s.kubectl("-n", namespace, "patch", "raycluster", name, "--type=json", "-p", patch); err != nil {
		return err
	}
	if err := s.condition(name, condition, words, 15*time.Second); err != nil {
		return err
	}
	_, err := s.kubectl("-n", namespace, "patch", "raycluster", name, "--type=json", "-p", `[{"op":"remove","path":"/spec/workerGroupSpecs/1"}]`)
	return err
}

func badImage(s *site, name string) error {
	return s.besides(name, `{"name":"ray","image":"rayproject/ray:0.0.0"}`, "ImagePullFailed", "rayproject/ray:0.0.0")
}

func noGPU(s *site, name string) error {
	return s.besides(name, `{"name":"ray","image":"rayproject/ray:2.60.0","resources":{"limits":{"nvidia.com/gpu":"1"}}}`, "PodsUnschedulable", "nvidia.com/gpu")
}

// badManifest makes a cluster that cannot be run, and a good one at once after it.
func badManifest(s *site, name string) error {
	bad := strings.Replace(manifest("bad", 1), "minReplicas: 0", "minReplicas: 9", 1)
	if _, err := s.kubectlWith(bad, "apply", "-f", "-"); err != nil {
		return err
	}
	err := s.until("the status of the bad one says what is wrong", 15*time.Second, func() error {
		c, err := s.get("bad")
		if err == nil && !strings.Contains(c.Status.Reason, "minReplicas") {
			err = fmt.Errorf("its reason is %q", c.Status.Reason)
		}
		return err
	})
	if err == nil {
		err = s.replicas(name, 1)
	}
	_, deleted := s.kubectl("-n", namespace, "delete", "raycluster", "bad")
	return errors.Join(err, deleted)
}

func deleteCluster(s *site, name string) error {
	if _, err := s.kubectl("-n", namespace, "delete", "raycluster", name); err != nil {
		return err
	}
	return s.until("its pods are gone", patience, func() error {
		pods, err := s.pods(name, "")
		if err == nil && len(pods) > 0 {
			err = fmt.Errorf("%d are there", len(pods))
		}
		return err
	})
}

// manifest is a RayCluster as people write it, but for the volume by which the test
// knows what was written.
func manifest(name string, workers int) string {
	const ledger = `
          volumeMounts:
          - {name: ledger, mountPath: /ledger}
          - {name: scripts, mountPath: /scripts}
        volumes:
        - {name: ledger, hostPath: {path: /var/lib/kubelet/ledger, type: Directory}}
        - {name: scripts, configMap: {name: scripts}}`
	return fmt.Sprintf(`apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: %s, namespace: %s}
spec:
  rayVersion: 2.60.0
  headGroupSpec:
    rayStartParams: {num-cpus: "1", object-store-memory: 100M, memory: 1000Mi}
    template:
      spec:
        containers:
        - name: ray-head
          image: rayproject/ray:2.60.0
          resources: {requests: {cpu: 100m, memory: 1Gi}, limits: {memory: 3Gi}}%s
  workerGroupSpecs:
  - groupName: small
    replicas: %d
    minReplicas: 0
    maxReplicas: 4
    rayStartParams: {num-cpus: "1", object-store-memory: 100M, memory: 500Mi}
    template:
      spec:
        containers:
        - name: ray-worker
          image: rayproject/ray:2.60.0
          resources: {requests: {cpu: 100m, memory: 512Mi}, limits: {memory: 1536Mi}}%s
`, name, namespace, ledger, workers, ledger)
}
