package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/remora-ray/remora/test/cluster/oci"
)

// node is one of the nodes, n1 to n3.
type node struct {
	number int
	dir    string
}

func (w *world) at(i int) node { return node{i, w.run(fmt.Sprintf("n%d", i))} }

func (n node) name() string      { return fmt.Sprintf("n%d", n.number) }
func (n node) namespace() string { return "remora-" + n.name() }
func (n node) plug() string      { return "veth-" + n.name() }
func (n node) address() string   { return fmt.Sprintf("172.30.0.1%d", n.number) }
func (n node) pods() string      { return fmt.Sprintf("10.244.%d.0/24", n.number) }

func (n node) path(names ...string) string {
	return filepath.Join(append([]string{n.dir}, names...)...)
}

// ours are the directories of a node that it sees in the place of the machine's.
var ours = map[string]string{
	"run": "/run", "log": "/var/log", "kubelet": "/var/lib/kubelet",
	"containerd": "/var/lib/containerd", "lib-cni": "/var/lib/cni", "etc-cni": "/etc/cni",
	// What pods are given of their node, by the manifests of deploy/agent and its test.
	"agent": "/var/lib/remora-agent", "ray": "/var/ray", "tmp-ray": "/tmp/ray", "e2e": "/var/remora-e2e",
}

// startNode has a node's first process run, which starts all others. The kernel ends
// them with it.
func (w *world) startNode(n node) error {
	if w.pid(n.name()) != 0 {
		return nil
	}
	if err := w.wire(n); err != nil {
		return err
	}
	for dir := range ours {
		if err := os.MkdirAll(n.path(dir), 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"etc-cni/net.d", "conf"} {
		if err := os.MkdirAll(n.path(dir), 0o755); err != nil {
			return err
		}
	}
	_ = os.RemoveAll(n.path("run", "containerd")) // a socket that nobody listens on
	if err := os.Remove(n.path("go")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := w.keys().kubeconfig(n.path("conf", "kubelet.conf"), "system:node:"+n.name()); err != nil {
		return err
	}
	for file, text := range w.nodeFiles(n) {
		if err := os.WriteFile(n.path(file), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := makeCgroups(n.namespace(), w.shares); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := within(n.namespace(), self, nodeInit, w.dir+"/"+n.name())
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
	}
	return w.start(n.name(), c)
}

// readyNode gives a node its images and waits until it runs pods.
func (w *world) readyNode(n node, images []oci.Image) error {
	err := w.until("containerd runs on "+n.name(), time.Minute, func() error {
		return quiet(ctr(n, "version"))
	})
	if err != nil {
		return err
	}
	if err := w.giveImages(n, images); err != nil {
		return err
	}
	if err := os.WriteFile(n.path("go"), nil, 0o644); err != nil {
		return err
	}
	// The kubelet's own word too: that the node is ready may be left from before.
	err = w.until(n.name()+" is ready", 2*time.Minute, func() error {
		if _, err := w.ask("get", "--raw", "/api/v1/nodes/"+n.name()+"/proxy/healthz"); err != nil {
			return err
		}
		ready, err := w.ask("get", "node", n.name(), "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && ready != "True" {
			err = errors.New("ready is " + ready)
		}
		return err
	})
	if err != nil {
		return err
	}
	w.say("%s ready", n.name())
	return w.storage(n)
}

func ctr(n node, args ...string) *exec.Cmd {
	return exec.Command("ctr", append([]string{"-a", n.path("run", "containerd", "containerd.sock"), "-n", "k8s.io"}, args...)...)
}

// giveImages imports the images that a node does not have.
func (w *world) giveImages(n node, images []oci.Image) error {
	var missing []oci.Image
	var marks []string
	for _, image := range images {
		digest, err := image.Digest()
		if err != nil {
			return err
		}
		mark := n.path("images", strings.ReplaceAll(strings.Join(image.Names, "+"), "/", "_")+"@"+strings.TrimPrefix(digest, "sha256:")[:16])
		if _, err := os.Stat(mark); err == nil {
			continue
		}
		missing, marks = append(missing, image), append(marks, mark)
	}
	if len(missing) == 0 {
		return nil
	}
	c := ctr(n, "images", "import", "-")
	in, err := c.StdinPipe()
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		err := w.blobs().Archive(in, missing...)
		written <- errors.Join(err, in.Close())
	}()
	if err := quiet(c); err != nil {
		return errors.Join(err, <-written)
	}
	if err := <-written; err != nil {
		return err
	}
	if err := os.MkdirAll(n.path("images"), 0o755); err != nil {
		return err
	}
	for _, mark := range marks {
		old, _ := filepath.Glob(strings.Split(mark, "@")[0] + "@*")
		for _, o := range old {
			_ = os.Remove(o)
		}
		if err := os.WriteFile(mark, nil, 0o644); err != nil {
			return err
		}
	}
	w.say("%s has %d images more", n.name(), len(missing))
	return nil
}

// kill ends a node: its first process, and with it the namespaces of processes and
// mounts and all that is in them. What it stored stays.
func (w *world) kill(n node) error {
	if err := w.stop(n.name(), syscall.SIGKILL, time.Second); err != nil {
		return err
	}
	return w.until("no process is left on "+n.name(), 10*time.Second, func() error {
		return removeCgroups(n.namespace())
	})
}
