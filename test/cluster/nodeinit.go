package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// runNode is the first process of a node, in namespaces of its own: it puts the node's
// directories in the place of the machine's, starts what a node runs, and starts again
// what ended. where is the cluster's directory and the node's name.
func runNode(where string) error {
	dir, name := filepath.Split(where)
	number, err := strconv.Atoi(name[1:])
	if err != nil || os.Getpid() != 1 {
		return fmt.Errorf("%s is called by cluster up and by nobody else", nodeInit)
	}
	w := &world{options: options{dir: filepath.Clean(dir)}}
	n := w.at(number)
	if err := syscall.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set the host's name: %w", err)
	}
	if err := mountNode(n); err != nil {
		return err
	}
	containerd := []string{"containerd", "--config", n.path("conf", "containerd.toml")}
	kubelet := []string{
		w.program("kubelet"), "--config", n.path("conf", "kubelet.yaml"), "--kubeconfig", n.path("conf", "kubelet.conf"),
		"--hostname-override", name, "--node-ip", n.address(), "--root-dir=/var/lib/kubelet", "--v=2",
	}
	proxy := []string{
		w.program("kube-proxy"), "--kubeconfig", w.run("conf", "kube-proxy.conf"), "--hostname-override", name,
		"--proxy-mode=iptables", "--conntrack-max-per-core=0", "--cluster-cidr=10.244.0.0/16",
	}
	services := map[int][]string{}
	start := func(args []string) error {
		pid, err := spawn(args, w.run("log", name+"-"+filepath.Base(args[0])+".log"))
		services[pid] = args
		return err
	}
	if err := start(containerd); err != nil {
		return err
	}
	for { // its images come before the kubelet
		if _, err := os.Stat(n.path("go")); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, args := range [][]string{kubelet, proxy} {
		if err := start(args); err != nil {
			return err
		}
	}
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		if args, ok := services[pid]; ok {
			delete(services, pid)
			time.Sleep(500 * time.Millisecond)
			if err := start(args); err != nil {
				return err
			}
		}
	}
}

// mountNode shows this process and its children the node's own directories.
func mountNode(n node) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// Where the machine has none they are made on it, and stay, empty.
	for dir, to := range ours {
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(n.path(dir), to, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", to, err)
		}
	}
	// What asks for a name of the world outside learns at once that there is none.
	if names, err := filepath.EvalSymlinks("/etc/resolv.conf"); err == nil {
		if err := syscall.Mount(n.path("conf", "resolv.conf"), names, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", names, err)
		}
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share mounts with pods: %w", err)
	}
	return nil
}

func spawn(args []string, log string) (int, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer nothing.Close()
	program := args[0]
	if !filepath.IsAbs(program) {
		for _, dir := range []string{"/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin", "/sbin"} {
			if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
				program = filepath.Join(dir, program)
				break
			}
		}
	}
	p, err := os.StartProcess(program, args, &os.ProcAttr{Env: os.Environ(), Files: []*os.File{nothing, out, out}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", program, err)
	}
	return p.Pid, nil
}
