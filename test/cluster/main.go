// Command cluster runs a real Kubernetes on one Linux machine: a control plane and one to
// three nodes with real containers, each in network namespaces of its own, without Docker
// and without an image registry. Everything is built once and kept in a cache; after
// "down" no process, mount, namespace or cgroup of it is left.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

const usage = `cluster runs a real Kubernetes on this machine, in network namespaces of its own.

  cluster build              build programs and images into the cache
  cluster up                 start it, or what of it does not run
  cluster down [-purge]      end it; with -purge its data goes too
  cluster kubectl ARGS...    ask it
  cluster exec PROGRAM...    run a program beside the control plane
  cluster cut NODE           no packet reaches or leaves the node
  cluster heal NODE          packets go again
  cluster kill NODE          end all that runs on a node at once
  cluster start NODE         have a node run again, with the images that it has
  cluster load               give the nodes images that changed

Flags:
`

func main() {
	if len(os.Args) == 3 && os.Args[1] == nodeInit {
		fail(runNode(os.Args[2]))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fail(command(ctx, os.Args[1:]))
}

func fail(err error) {
	var ended *exited
	if errors.As(err, &ended) {
		os.Exit(ended.code)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
		os.Exit(1)
	}
}

// options are what a user may choose.
type options struct {
	dir    string // cache and state
	repo   string // whose deploy/images are built in
	bin    string // where our own programs are
	nodes  int
	images string
	shares int
	purge  bool
}

func command(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("%w: name a directory with -dir", err)
	}
	flags.StringVar(&o.dir, "dir", filepath.Join(cache, "remora", "cluster"), "`directory` of what is built and of what runs")
	flags.StringVar(&o.repo, "repo", ".", "`directory` of the project")
	flags.StringVar(&o.bin, "bin", "bin", "`directory` of remora, remora-agent and remora-operator")
	flags.IntVar(&o.nodes, "nodes", 1, "how `many` nodes, 1 to 3")
	flags.StringVar(&o.images, "images", "ray,ray-2.9,busybox,metrics-server,redis,remora", "`names` of the sets of images that nodes get, with commas; also kuberay")
	flags.IntVar(&o.shares, "cpu-shares", 0, "`weight` of all pods of a node for the processor; 0: the machine's default")
	flags.BoolVar(&o.purge, "purge", false, "with down: remove what nodes and API server stored")
	if len(args) == 0 {
		flags.Usage()
		return errors.New("say what to do")
	}
	do := args[0]
	rest := args[1:]
	if do != "kubectl" && do != "exec" {
		if err := flags.Parse(rest); err != nil {
			return err
		}
		rest = flags.Args()
	} else if err := flags.Parse(nil); err != nil {
		return err
	}
	if dir := os.Getenv("REMORA_CLUSTER_DIR"); dir != "" {
		o.dir = dir
	}
	if os.Geteuid() != 0 {
		return errors.New("namespaces and mounts need root: run it with sudo")
	}
	if o.nodes < 1 || o.nodes > maxNodes {
		return fmt.Errorf("%d nodes: there can be 1 to %d", o.nodes, maxNodes)
	}
	for _, dir := range []*string{&o.dir, &o.repo, &o.bin} {
		if *dir, err = filepath.Abs(*dir); err != nil {
			return err
		}
	}
	w := &world{options: o, ctx: ctx}
	return w.do(do, rest)
}

func (w *world) do(what string, args []string) error {
	switch what {
	case "build":
		_, err := w.build()
		return err
	case "up":
		return w.up()
	case "load":
		return w.load()
	case "down":
		return w.down()
	case "kubectl":
		return w.kubectl(args...)
	case "exec":
		return w.beside(args...)
	case "cut", "heal", "kill", "start":
		node, err := w.node(args)
		if err != nil {
			return err
		}
		switch what {
		case "cut":
			return w.plug(node, "down")
		case "heal":
			return w.plug(node, "up")
		case "start":
			return errors.Join(w.startNode(node), w.readyNode(node, nil))
		}
		return w.kill(node)
	}
	return fmt.Errorf("cluster can do no %q: cluster --help lists what it can", what)
}

// node is the one that args name.
func (w *world) node(args []string) (node, error) {
	for i := 1; i <= maxNodes; i++ {
		if n := w.at(i); len(args) == 1 && args[0] == n.name() {
			return n, nil
		}
	}
	return node{}, fmt.Errorf("name one node, such as n1, and not %q", strings.Join(args, " "))
}
