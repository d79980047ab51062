package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	namespace = "e2e"
	system    = "remora-system"
	patience  = 6 * time.Minute // of a machine that does other things too
)

// site is the Kubernetes that everything happens on.
type site struct {
	ctx   context.Context
	repo  string
	nodes string // where the directories of nodes are
	began time.Time

	program string // that runs the nodes

	server, token string
	runs          int
}

func (s *site) say(format string, args ...any) {
	fmt.Printf("%6.1f s  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

func (s *site) kubectl(args ...string) (string, error) { return s.kubectlWith("", args...) }

func (s *site) kubectlWith(input string, args ...string) (string, error) {
	c := exec.CommandContext(s.ctx, "kubectl", args...)
	c.Stdin = strings.NewReader(input)
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args[:min(3, len(args))], " "), err, strings.TrimSpace(said.String()))
	}
	return string(out), nil
}

// all runs commands of kubectl until one fails.
func (s *site) all(commands ...[]string) error {
	for _, args := range commands {
		if _, err := s.kubectl(args...); err != nil {
			return err
		}
	}
	return nil
}

// until waits for something; its last answer is told when patience ends.
func (s *site) until(what string, patience time.Duration, done func() error) error {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		err := done()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s it is not so that %s: %w", patience, what, err)
		case <-tick.C:
		}
	}
}

// install puts operator and server there as a user would, from the manifests.
func (s *site) install() error {
	dir := filepath.Join(s.repo, "deploy", "kubernetes")
	for i := 1; i <= 3; i++ { // what is written is also noted on the nodes' own disks
		node := filepath.Join(s.nodes, fmt.Sprintf("n%d", i), "kubelet")
		if _, err := os.Stat(node); err != nil {
			continue
		}
		if err := os.RemoveAll(filepath.Join(node, "ledger")); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(node, "ledger"), 0o777); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(node, "ledger"), 0o777); err != nil { //nolint:gosec // of a test
			return err
		}
	}
	err := s.all(
		[]string{"apply", "--server-side", "-f", filepath.Join(dir, "crds")},
		[]string{"apply", "-f", filepath.Join(dir, "operator.yaml"), "-f", filepath.Join(dir, "server.yaml")},
		[]string{"-n", system, "rollout", "status", "deployment/remora-operator", "--timeout=5m"},
		[]string{"-n", system, "rollout", "status", "statefulset/remora", "--timeout=5m"},
		[]string{"delete", "namespace", namespace, "--ignore-not-found"},
		[]string{"create", "namespace", namespace},
		[]string{"-n", namespace, "create", "configmap", "scripts", "--from-file", filepath.Join(s.repo, "test", "e2e", "cluster", "writer.py")},
	)
	if err != nil {
		return err
	}
	if err := s.find(); err != nil {
		return err
	}
	s.say("operator and server run")
	return nil
}

// find learns where the server is and what may read from it.
func (s *site) find() error {
	address, err := s.kubectl("-n", system, "get", "pod", "remora-0", "-o", "jsonpath={.status.podIP}")
	if err != nil {
		return err
	}
	secret, err := s.kubectl("-n", system, "get", "secret", "remora-tokens", "-o", "jsonpath={.data.reader}")
	if err != nil {
		return err
	}
	token, err := base64.StdEncoding.DecodeString(secret)
	s.server, s.token = "http://"+address+":3100", string(token)
	return err
}

func (s *site) remove() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 3*time.Minute)
	defer cancel()
	_ = exec.CommandContext(ctx, "kubectl", "delete", "namespace", namespace, "--ignore-not-found").Run() // the cluster goes too
}

// cluster is what a scenario looks at of a RayCluster.
type cluster struct {
	Spec struct {
		WorkerGroupSpecs []struct{ Replicas int }
	}
	Status struct {
		State, Reason         string
		ReadyWorkerReplicas   int
		DesiredWorkerReplicas int
		ObservedGeneration    int
		Conditions            []struct{ Type, Status, Reason, Message string }
	}
	Metadata struct{ Generation int }
}

func (s *site) get(name string) (c cluster, err error) {
	text, err := s.kubectl("-n", namespace, "get", "raycluster", name, "-o", "json")
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal([]byte(text), &c)
}

// pod is what a scenario looks at of a pod.
type pod struct {
	Metadata struct {
		Name, UID         string
		Labels            map[string]string
		DeletionTimestamp *string
	}
	Spec   struct{ NodeName string }
	Status struct {
		Conditions []struct{ Type, Status string }
	}
}

func (p *pod) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

func (s *site) pods(name, kind string) ([]pod, error) {
	selector := "ray.io/cluster=" + name
	if kind != "" {
		selector += ",ray.io/node-type=" + kind
	}
	text, err := s.kubectl("-n", namespace, "get", "pods", "-l", selector, "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct{ Items []pod }
	return list.Items, json.Unmarshal([]byte(text), &list)
}

// whole waits until a cluster is exactly as specified: its pods, all ready, and no other.
func (s *site) whole(name string, workers int) error {
	return s.until(fmt.Sprintf("%s is ready with %d workers", name, workers), patience, func() error {
		c, err := s.get(name)
		if err != nil {
			return err
		}
		if c.Status.State != "ready" || c.Status.ReadyWorkerReplicas != workers || c.Status.ObservedGeneration != c.Metadata.Generation {
			return fmt.Errorf("state %q, %d workers: %s", c.Status.State, c.Status.ReadyWorkerReplicas, c.Status.Reason)
		}
		pods, err := s.pods(name, "")
		if err != nil {
			return err
		}
		if len(pods) != workers+1 {
			return fmt.Errorf("%d pods", len(pods))
		}
		for i := range pods {
			if !pods[i].ready() {
				return errors.New(pods[i].Metadata.Name + " is not ready")
			}
		}
		return nil
	})
}

// condition waits until a cluster has a condition whose message says words.
func (s *site) condition(name, kind, words string, within time.Duration) error {
	return s.until(fmt.Sprintf("%s has the condition %s", name, kind), within, func() error {
		c, err := s.get(name)
		if err != nil {
			return err
		}
		for _, is := range c.Status.Conditions {
			if is.Type == kind && is.Status == "True" && strings.Contains(is.Message, words) {
				return nil
			}
		}
		return fmt.Errorf("its conditions are %v", c.Status.Conditions)
	})
}
