package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// takeOver has KubeRay make a cluster, this operator go on with it, and KubeRay again. No
// pod is made anew on the way, and none is restarted.
func takeOver(s *site, name string) (verdict, error) {
	return verdict{}, takenOver(s, name)
}

func takenOver(s *site, name string) error {
	if _, err := s.kubectl("apply", "-f", filepath.Join(s.repo, "test", "e2e", "cluster", "kuberay.yaml")); err != nil {
		return err
	}
	defer func() { // whatever happened, the next scenario finds the operator
		_ = s.operators(1, 0)
		_, _ = s.kubectl("-n", namespace, "delete", "raycluster", name, "--ignore-not-found")
	}()
	if err := s.operators(0, 1); err != nil {
		return err
	}
	if _, err := s.kubectlWith(inBytes(manifest(name, 1)), "apply", "-f", "-"); err != nil {
		return err
	}
	if err := s.whole(name, 1); err != nil {
		return fmt.Errorf("under KubeRay: %w", err)
	}
	before, err := s.identities(name)
	if err != nil {
		return err
	}
	if strings.Contains(before, "remora") {
		return errors.New("KubeRay's pods have the agent")
	}
	if err := s.operators(1, 0); err != nil {
		return err
	}
	if err := s.stays(name, before, "under this operator"); err != nil {
		return err
	}
	if err := s.replicas(name, 2); err != nil { // it does look after it
		return fmt.Errorf("taken over: %w", err)
	}
	if err := s.replicas(name, 1); err != nil {
		return fmt.Errorf("taken over: %w", err)
	}
	if before, err = s.identities(name); err != nil {
		return err
	}
	if err := s.operators(0, 1); err != nil {
		return err
	}
	return s.stays(name, before, "under KubeRay again")
}

// inBytes is a manifest for KubeRay, which hands quantities to Ray as they are; Ray ends
// of them.
func inBytes(manifest string) string {
	return strings.NewReplacer("1000Mi", `"1000000000"`, "500Mi", `"500000000"`, "100M", `"100000000"`).Replace(manifest)
}

// logsOnly has KubeRay run a cluster whose pods get the agent all the same, and asks for
// the lines of a worker that is deleted.
func logsOnly(s *site, name string) (v verdict, err error) {
	manifests := filepath.Join(s.repo, "deploy", "kubernetes", "logs-only.yaml")
	if err := s.all(
		[]string{"apply", "-f", filepath.Join(s.repo, "test", "e2e", "cluster", "kuberay.yaml"), "-f", manifests},
		[]string{"-n", system, "rollout", "status", "deployment/remora-logs", "--timeout=5m"},
	); err != nil {
		return v, err
	}
	defer func() {
		_, _ = s.kubectl("-n", namespace, "delete", "raycluster", name, "--ignore-not-found")
		_, _ = s.kubectl("delete", "-n", system, "deployment/remora-logs", "mutatingwebhookconfiguration/remora-logs")
		_ = s.operators(1, 0)
	}()
	if err := s.operators(0, 1); err != nil {
		return v, err
	}
	if _, err := s.kubectlWith(inBytes(manifest(name, 1)), "apply", "-f", "-"); err != nil {
		return v, err
	}
	if err := s.whole(name, 1); err != nil {
		return v, err
	}
	run, err := s.write(name, 2)
	if err != nil {
		return v, err
	}
	err = s.replaced(name, "worker")
	if err == nil {
		err = s.whole(name, 1)
	}
	v, judged := s.judge(name, run)
	if v.written == 0 && err == nil {
		err = errors.New("nothing was written")
	}
	return v, errors.Join(err, judged)
}

// operators has so many of this operator and of KubeRay's run.
func (s *site) operators(ours, theirs int) error {
	for _, d := range []struct {
		name  string
		label string
		n     int
	}{
		{"remora-operator", "app.kubernetes.io/name=remora-operator", ours},
		{"kuberay-operator", "app=kuberay-operator", theirs},
	} {
		if _, err := s.kubectl("-n", system, "scale", "deployment", d.name, fmt.Sprintf("--replicas=%d", d.n)); err != nil {
			return err
		}
		err := s.until(fmt.Sprintf("%d pods of %s run", d.n, d.name), patience, func() error {
			told, err := s.kubectl("-n", system, "get", "pods", "-l", d.label, "-o", "name")
			if err == nil && strings.Count(told, "pod/") != d.n {
				err = errors.New("pods " + told)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// identities are the pods of a cluster with how often each was restarted.
func (s *site) identities(name string) (string, error) {
	return s.kubectl("-n", namespace, "get", "pods", "-l", "ray.io/cluster="+name, "--sort-by=.metadata.name", "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status.containerStatuses[*].restartCount} {.metadata.deletionTimestamp}{"\n"}{end}`)
}

// stays looks for longer than a lease and a pass of either operator take.
func (s *site) stays(name, before, where string) error {
	end := time.Now().Add(40 * time.Second)
	var changed error
	err := s.until("pods stay "+where, time.Minute, func() error {
		now, err := s.identities(name)
		if err == nil && now != before {
			changed = fmt.Errorf("%s pods changed: before %q, then %q", where, before, now)
			return nil
		}
		if err == nil && time.Now().Before(end) {
			err = errors.New("too early to say")
		}
		return err
	})
	return errors.Join(changed, err)
}
