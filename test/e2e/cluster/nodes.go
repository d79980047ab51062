package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// loseNode cuts a node off, ends all that runs on it, and has it come back once the
// cluster is whole without it.
func loseNode(s *site, name string) error {
	victim, err := s.other()
	if err != nil {
		return err
	}
	if err := s.operatorAwayFrom(victim); err != nil {
		return err
	}
	before, err := s.pods(name, "")
	if err != nil {
		return err
	}
	on := 0
	for _, p := range before {
		if p.Spec.NodeName == victim {
			on++
		}
	}
	if on == 0 {
		return fmt.Errorf("no pod of the cluster is on %s", victim)
	}
	if err := s.node("cut", victim); err != nil {
		return err
	}
	time.Sleep(5 * time.Second) // of lines that cannot be sent
	if err := s.node("kill", victim); err != nil {
		return err
	}
	begun := time.Now()
	// What was on the lost node is Terminating until the node can say that it is gone.
	whole := s.until("as many pods are ready on other nodes", patience, func() error {
		pods, err := s.pods(name, "")
		ready := 0
		for _, p := range pods {
			if p.Spec.NodeName != victim && p.Metadata.DeletionTimestamp == nil && p.ready() {
				ready++
			}
		}
		if err == nil && ready != len(before) {
			err = fmt.Errorf("%d of %d are", ready, len(before))
		}
		return err
	})
	s.say("whole again %.0f s after %s was lost with %d of its pods", time.Since(begun).Seconds(), victim, on)
	return errors.Join(whole, s.node("start", victim))
}

// other is a node that the server does not need.
func (s *site) other() (string, error) {
	server, err := s.kubectl("-n", system, "get", "pod", "remora-0", "-o", "jsonpath={.spec.nodeName}")
	if err != nil {
		return "", err
	}
	told, err := s.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}")
	if err != nil {
		return "", err
	}
	for node := range strings.FieldsSeq(told) {
		if node != server {
			return node, nil
		}
	}
	return "", errors.New("there is only one node: start a cluster with two")
}

// operatorAwayFrom has the operator run on another node. That a Deployment comes back
// from a lost node is Kubernetes' own affair, and takes it five minutes.
func (s *site) operatorAwayFrom(node string) error {
	return s.all(
		[]string{"cordon", node},
		[]string{"-n", system, "rollout", "restart", "deployment/remora-operator"},
		[]string{"-n", system, "rollout", "status", "deployment/remora-operator", "--timeout=5m"},
		[]string{"uncordon", node},
	)
}

// node has the program that runs the nodes do something to one.
func (s *site) node(args ...string) error {
	out, err := exec.CommandContext(s.ctx, s.program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cluster %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
