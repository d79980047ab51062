package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// host is what this process may do to the machine it has for itself.
type host struct {
	alone string // why there are no namespaces of our own; "" where there are
	net   *network
	cut   string // why no network can be cut; "" where it can
	share int    // of the worlds, which are made here
}

// What a program in namespaces of its own is told: which share of the worlds it has,
// and where it leaves its table.
const (
	insideMark = "REMORA_FAULTS_INSIDE"
	tableMark  = "REMORA_FAULTS_TABLE"
)

func inside() bool { return os.Getenv(insideMark) != "" }

// again runs this program once more in namespaces of its own: when it ends, all
// that it started and mounted ends with it. An error means that it did not start.
func again(ctx context.Context, share int, table string) (int, error) {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideMark+"="+strconv.Itoa(share), tableMark+"="+table)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })()
	err := cmd.Wait()
	code := cmd.ProcessState.ExitCode()
	if code == exitAlone {
		return 0, errors.New("namespaces cannot be set up")
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 1, err
	}
	return code, nil
}

// exitAlone says that namespaces could be made but not furnished.
const exitAlone = 77

// newHost furnishes the namespaces.
func newHost() (*host, error) {
	if !inside() {
		return &host{alone: "no namespaces of its own", cut: "no namespaces of its own"}, nil
	}
	err := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
		raiseLoopback(),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults: namespaces:", err)
		os.Exit(exitAlone)
	}
	h := &host{}
	if h.share, err = strconv.Atoi(os.Getenv(insideMark)); err != nil {
		return nil, fmt.Errorf("%s: %w", insideMark, err)
	}
	if h.net, err = newNetwork(); err != nil {
		h.cut = err.Error()
	}
	return h, nil
}

// raiseLoopback brings lo up.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

// network is a wire between the agent, which has a network of its own, and us.
type network struct{ ns *os.File }

// Addresses at the two ends of the wire.
const (
	ourAddr   = "10.231.0.1"
	agentAddr = "10.231.0.2"
)

func newNetwork() (*network, error) {
	n := &network{}
	err := pinned(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		var err error
		if n.ns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		return raiseLoopback()
	})
	if err != nil {
		return nil, fmt.Errorf("no network namespace: %w", err)
	}
	ns := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.ns.Fd())
	return n, errors.Join(
		ip("link add wire0 type veth peer name wire1 netns "+ns),
		ip("addr add "+ourAddr+"/30 dev wire0"),
		ip("link set wire0 up"),
		n.within(func() error {
			return errors.Join(ip("addr add "+agentAddr+"/30 dev wire1"), ip("link set wire1 up"))
		}),
	)
}

// within runs f, and what it starts, in the agent's network.
func (n *network) within(f func() error) error {
	return pinned(func() error {
		if err := unix.Setns(int(n.ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

// connect plugs the wire in, or pulls it.
func (n *network) connect(on bool) error {
	if on {
		return ip("link set wire0 up")
	}
	return ip("link set wire0 down")
}

// pinned runs f on a thread that ends with it.
func pinned(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

func ip(args string) error {
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w %s", args, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// tmpfs mounts a disk of a few megabytes at dir, which it makes.
func (h *host) tmpfs(dir string, megabytes int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if h.alone != "" {
		return nil
	}
	return unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0755", megabytes))
}

// fill takes all that is free on the disk of dir, but for leave bytes, and returns
// what gives it back.
func fill(dir string, leave int64) (func() error, error) {
	path := dir + "/filler"
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	free := func() error { return errors.Join(f.Close(), os.Remove(path)) }
	var at int64
	for size := int64(64 << 20); size >= 4096; {
		var st unix.Statfs_t
		if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
			return free, err
		}
		if int64(st.Bavail)*st.Bsize-leave < size {
			size /= 2
			continue
		}
		if err := unix.Fallocate(int(f.Fd()), 0, at, size); err != nil {
			size /= 2
			continue
		}
		at += size
	}
	return free, nil
}
