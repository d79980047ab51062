// Command agent proves the manifests of deploy/agent on a real Kubernetes: pods that
// write as Ray does, followed by the sidecar and by the DaemonSet, which is rolled
// over meanwhile; then the pods are deleted, and the server is asked for every line.
//
// It exits 0 only if each line is there once, those written at the very end too, with
// the names and the tenant of its pod.
//
//	go run ./test/e2e/agent [-kubectl kubectl] [-agent IMAGE] [-server IMAGE] [-writer IMAGE] [-keep]
//
// It needs a cluster with an empty namespace "remora" or none, nodes that have the three
// images or can pull them, and the right to do everything there. It writes to /var/ray
// and /var/remora-e2e of the nodes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	kubectl, agent, server, writer string
	keep                           bool
	limit                          time.Duration
	write                          time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.kubectl, "kubectl", "kubectl", "program to speak to the cluster with")
	flag.StringVar(&o.agent, "agent", "remora-agent:dev", "image of the agent")
	flag.StringVar(&o.server, "server", "remora:dev", "image whose program is remora")
	flag.StringVar(&o.writer, "writer", "busybox:1.35", "image with a shell")
	flag.BoolVar(&o.keep, "keep", false, "leave everything in the cluster")
	flag.DurationVar(&o.limit, "timeout", 10*time.Minute, "give up after this long")
	flag.DurationVar(&o.write, "write", 10*time.Second, "how long pods write before anything happens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, end := context.WithTimeout(ctx, o.limit)
	defer end()
	ok, err := prove(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e-agent:", err)
	}
	if !ok || err != nil {
		os.Exit(1) //nolint:gocritic // the contexts end with the process
	}
}

// prove sets everything up, lets it run, asks, and cleans up behind itself.
func prove(ctx context.Context, o options) (ok bool, err error) {
	c := &cluster{o: o}
	if err := c.fresh(ctx); err != nil {
		return false, err
	}
	if !o.keep {
		defer c.remove()
	}
	say("server and DaemonSet")
	if err := c.install(ctx); err != nil {
		return false, err
	}
	say("pods that write")
	pods := writers()
	for _, p := range pods {
		if err := c.begin(ctx, p); err != nil {
			return false, err
		}
	}
	if err := c.settle(ctx, pods); err != nil {
		return false, err
	}
	if err := pause(ctx, o.write); err != nil {
		return false, err
	}
	say("the DaemonSet is rolled over")
	if err := c.roll(ctx); err != nil {
		return false, err
	}
	if err := pause(ctx, o.write); err != nil {
		return false, err
	}
	say("pods are deleted")
	for _, p := range pods {
		if err := c.end(ctx, p); err != nil {
			return false, err
		}
	}
	return c.judge(ctx, pods)
}

func say(what string) { fmt.Printf("%s %s\n", time.Now().Format(time.TimeOnly), what) }

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
