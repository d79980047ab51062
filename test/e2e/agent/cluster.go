package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"
)

const namespace = "remora-e2e"

// cluster is a Kubernetes spoken to by kubectl.
type cluster struct{ o options }

func (c *cluster) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.o.kubectl, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// fresh makes sure that nothing of anybody's is in the way.
func (c *cluster) fresh(ctx context.Context) error {
	for _, n := range []string{"remora", namespace} {
		out, err := c.kubectl(ctx, "", "get", "pods,daemonsets", "-n", n, "--ignore-not-found", "-o", "name")
		if err != nil {
			return err
		}
		if out != "" {
			return fmt.Errorf("the namespace %s is in use: %s", n, strings.Join(strings.Fields(out), " "))
		}
	}
	return nil
}

// install begins the server and the agent of the node.
func (c *cluster) install(ctx context.Context) error {
	daemonset, err := read("daemonset.yaml")
	if err != nil {
		return err
	}
	configmap, err := read("configmap.yaml")
	if err != nil {
		return err
	}
	daemonset = strings.NewReplacer("remora-agent:dev", c.o.agent, "path: /tmp/ray,", "path: /var/remora-e2e,",
		"mountPath: /tmp/ray,", "mountPath: /var/remora-e2e,", "root: /tmp/ray,", "root: /var/remora-e2e,").Replace(daemonset)
	configmap = strings.ReplaceAll(configmap, "http://remora:3100", "http://remora.remora.svc:3100")
	first, rest, _ := strings.Cut(daemonset, "\n---\n") // the namespace
	for _, text := range []string{first, strings.ReplaceAll(server, "IMAGE", c.o.server), rest, "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + namespace + "}\n"} {
		if _, err := c.kubectl(ctx, text, "apply", "-f", "-"); err != nil {
			return err
		}
	}
	if _, err := c.kubectl(ctx, configmap, "apply", "-n", namespace, "-f", "-"); err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, "", "wait", "-n", "remora", "pod/remora", "--for=condition=Ready", "--timeout=120s"); err != nil {
		return err
	}
	_, err = c.kubectl(ctx, "", "rollout", "status", "-n", "remora", "daemonset/remora-agent", "--timeout=120s")
	return err
}

// roll has the DaemonSet's pods made anew.
func (c *cluster) roll(ctx context.Context) error {
	if _, err := c.kubectl(ctx, "", "rollout", "restart", "-n", "remora", "daemonset/remora-agent"); err != nil {
		return err
	}
	_, err := c.kubectl(ctx, "", "rollout", "status", "-n", "remora", "daemonset/remora-agent", "--timeout=180s")
	return err
}

// remove takes everything away again, also when the time is over.
func (c *cluster) remove() {
	ctx, end := context.WithTimeout(context.Background(), 2*time.Minute)
	defer end()
	for _, args := range [][]string{
		{"delete", "namespace", namespace, "remora", "--ignore-not-found"},
		{"delete", "clusterrole,clusterrolebinding", "remora-agent", "--ignore-not-found"},
	} {
		if _, err := c.kubectl(ctx, "", args...); err != nil {
			fmt.Fprintln(os.Stderr, "e2e-agent: clean up:", err)
		}
	}
}

// log is what a writer tells of itself.
type log struct {
	wrote atomic.Int64
	done  chan struct{}
}

// begin makes the pod.
func (c *cluster) begin(ctx context.Context, w *writer) error {
	text, err := w.manifest(c.o)
	if err != nil {
		return err
	}
	_, err = c.kubectl(ctx, text, "apply", "-f", "-")
	return err
}

// settle waits until all pods write, and listens to what they tell from then on.
func (c *cluster) settle(ctx context.Context, pods []*writer) error {
	for _, w := range pods {
		if _, err := c.kubectl(ctx, "", "wait", "-n", namespace, "pod/"+w.name, "--for=condition=Ready", "--timeout=120s"); err != nil {
			return err
		}
		if err := c.listen(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) listen(ctx context.Context, w *writer) error {
	w.told = &log{done: make(chan struct{})}
	cmd := exec.CommandContext(ctx, c.o.kubectl, "logs", "-f", "-n", namespace, w.name, "-c", "ray")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(w.told.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var n int64
			if _, err := fmt.Sscanf(lines.Text(), "wrote %d", &n); err == nil {
				w.told.wrote.Store(n)
			}
		}
		_ = cmd.Wait()
	}()
	return nil
}

// end deletes the pod and waits until it is gone.
func (c *cluster) end(ctx context.Context, w *writer) error {
	args := []string{"delete", "pod", "-n", namespace, w.name}
	if w.grace > 0 {
		args = append(args, fmt.Sprintf("--grace-period=%d", w.grace))
	}
	if _, err := c.kubectl(ctx, "", args...); err != nil {
		return err
	}
	select {
	case <-w.told.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.told.wrote.Load() == 0 {
		return errors.New(w.name + " has written nothing")
	}
	return nil
}
