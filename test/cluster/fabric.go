package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// fabric is the control plane's namespace with a bridge in it. It has no way out:
// nothing of the cluster reaches any network.
func (w *world) fabric() error {
	if _, err := os.Stat("/run/netns/" + control); err == nil {
		return nil
	}
	for _, args := range [][]string{
		{"netns", "add", control},
		{"-n", control, "link", "set", "lo", "up"},
		{"-n", control, "link", "add", "fab0", "type", "bridge"},
		{"-n", control, "addr", "add", gateway + "/24", "dev", "fab0"},
		{"-n", control, "link", "set", "fab0", "up"},
	} {
		if err := ip(args...); err != nil {
			return err
		}
	}
	return quiet(within(control, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"))
}

// wire makes the namespace of a node and plugs it in.
func (w *world) wire(n node) error {
	w.unwire(n)
	for _, args := range [][]string{
		{"netns", "add", n.namespace()},
		{"-n", n.namespace(), "link", "set", "lo", "up"},
		{"link", "add", n.plug(), "netns", control, "type", "veth", "peer", "name", "eth0", "netns", n.namespace()},
		{"-n", control, "link", "set", n.plug(), "master", "fab0", "up"},
		{"-n", n.namespace(), "addr", "add", n.address() + "/24", "dev", "eth0"},
		{"-n", n.namespace(), "link", "set", "eth0", "up"},
		{"-n", n.namespace(), "route", "add", "default", "via", gateway},
		{"-n", control, "route", "replace", n.pods(), "via", n.address()},
	} {
		if err := ip(args...); err != nil {
			return err
		}
	}
	for i := 1; i <= maxNodes; i++ {
		other := w.at(i)
		if other == n {
			continue
		}
		if err := ip("-n", n.namespace(), "route", "replace", other.pods(), "via", other.address()); err != nil {
			return err
		}
	}
	const settings = "echo 1 > /proc/sys/net/ipv4/ip_forward; if [ -e /proc/sys/net/bridge ]; then echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables; fi"
	return quiet(within(n.namespace(), "sh", "-c", settings))
}

// unwire removes a node's namespace. Its plug goes first: a namespace is gone only some
// time after it was removed.
func (w *world) unwire(n node) {
	_ = ip("-n", control, "link", "del", n.plug())
	_ = ip("netns", "del", n.namespace())
}

// plug sets a node's plug up or down.
func (w *world) plug(n node, state string) error {
	return ip("-n", control, "link", "set", n.plug(), state)
}

func (w *world) removeFabric() error {
	for i := 1; i <= maxNodes; i++ {
		w.unwire(w.at(i))
	}
	if _, err := os.Stat("/run/netns/" + control); err != nil {
		return nil
	}
	return ip("netns", "del", control)
}

// leftOver says what of a cluster is still on this machine.
func (w *world) leftOver() error {
	var found []string
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == control || strings.HasPrefix(name, "remora-n") {
			found = append(found, "namespace "+name)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, w.run()) {
			found = append(found, "mount "+strings.Fields(line)[4])
		}
	}
	for _, dir := range cgroups("remora-n*") {
		found = append(found, "cgroup "+dir)
	}
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range commands {
		text, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(text), w.run()) {
			found = append(found, fmt.Sprintf("process %s %s", filepath.Base(filepath.Dir(file)), strings.ReplaceAll(string(text[:min(len(text), 200)]), "\x00", " ")))
		}
	}
	if len(found) > 0 {
		return errors.New("left: " + strings.Join(found, ", "))
	}
	return nil
}
