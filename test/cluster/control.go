package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// up starts what does not run.
func (w *world) up() error {
	images, err := w.build()
	if err != nil {
		return err
	}
	for _, dir := range []string{"bin", "log", "process", "conf"} {
		if err := os.MkdirAll(w.run(dir), 0o755); err != nil {
			return err
		}
	}
	w.say("programs and images are there")
	if err := w.linkPrograms(); err != nil {
		return err
	}
	if err := w.keepSysctls(); err != nil {
		return err
	}
	if err := w.controlPlane(); err != nil {
		return err
	}
	for i := 1; i <= w.nodes; i++ {
		if err := w.startNode(w.at(i)); err != nil {
			return err
		}
	}
	for i := 1; i <= w.nodes; i++ {
		if err := w.readyNode(w.at(i), images); err != nil {
			return err
		}
	}
	err = w.until("pods may use the default service account", time.Minute, func() error {
		_, err := w.ask("get", "serviceaccount", "default")
		return err
	})
	if err != nil {
		return err
	}
	w.say("up: make cluster-kubectl ARGS='get pods -A', or nsenter --net=/run/netns/%s with KUBECONFIG=%s", control, w.run("admin.conf"))
	return nil
}

func (w *world) keys() keys { return keys{w.run("keys")} }

func (w *world) controlPlane() error {
	if err := w.fabric(); err != nil {
		return err
	}
	k := w.keys()
	if err := k.ensure(); err != nil {
		return err
	}
	if err := k.kubeconfig(w.run("admin.conf"), "admin"); err != nil {
		return err
	}
	for _, user := range []string{"kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns"} {
		if err := k.kubeconfig(w.run("conf", user+".conf"), "system:"+user); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		name string
		args []string
	}{{"etcd", w.etcd()}, {"kube-apiserver", w.apiServer()}} {
		if err := w.serve(part.name, part.args); err != nil {
			return err
		}
	}
	err := w.until("the API server is ready", 3*time.Minute, func() error {
		_, err := w.ask("get", "--raw", "/readyz")
		return err
	})
	if err != nil {
		return err
	}
	w.say("API server ready")
	if err := os.WriteFile(w.run("conf", "Corefile"), []byte(w.corefile()), 0o644); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		args []string
	}{
		{"kube-controller-manager", w.controllers()},
		{"kube-scheduler", []string{"--kubeconfig", w.run("conf", "kube-scheduler.conf"), "--leader-elect=false", "--bind-address=127.0.0.1"}},
		{"coredns", []string{"-conf", w.run("conf", "Corefile")}},
	} {
		if err := w.serve(part.name, part.args); err != nil {
			return err
		}
	}
	return w.apply(dnsService)
}

// serve has a part of the control plane run.
func (w *world) serve(name string, args []string) error {
	if w.pid(name) != 0 {
		return nil
	}
	return w.start(name, within(control, append([]string{w.program(name)}, args...)...))
}

func (w *world) etcd() []string {
	return []string{
		"--data-dir", w.run("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380",
		"--quota-backend-bytes=4294967296", "--auto-compaction-mode=periodic", "--auto-compaction-retention=5m",
	}
}

func (w *world) apiServer() []string {
	key := w.keys().path
	return []string{
		"--etcd-servers=http://127.0.0.1:2379", "--bind-address=0.0.0.0", "--advertise-address=" + gateway, "--secure-port=6443",
		"--tls-cert-file", key("apiserver.crt"), "--tls-private-key-file", key("apiserver.key"),
		"--client-ca-file", key("ca.crt"), "--token-auth-file", key("tokens.csv"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file", key("sa.key"), "--service-account-signing-key-file", key("sa.key"),
		"--kubelet-client-certificate", key("kubelet-client.crt"), "--kubelet-client-key", key("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file", key("ca.crt"), "--requestheader-allowed-names=front-proxy",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file", key("front-proxy.crt"), "--proxy-client-key-file", key("front-proxy.key"), "--enable-aggregator-routing",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged",
		"--service-cluster-ip-range=10.96.0.0/16", "--event-ttl=24h",
	}
}

func (w *world) controllers() []string {
	key := w.keys().path
	return []string{
		"--kubeconfig", w.run("conf", "kube-controller-manager.conf"), "--leader-elect=false", "--use-service-account-credentials",
		"--service-account-private-key-file", key("sa.key"), "--root-ca-file", key("ca.crt"),
		"--cluster-signing-cert-file", key("ca.crt"), "--cluster-signing-key-file", key("ca.key"),
		"--bind-address=127.0.0.1", "--node-monitor-grace-period=50s",
	}
}

func (w *world) corefile() string {
	return `.:53 {
  bind ` + gateway + ` 127.0.0.1
  errors
  health 127.0.0.1:8080
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ` + w.run("conf", "coredns.conf") + ` remora
    pods insecure
    ttl 5
  }
  cache 5
}
`
}

// dnsService leads pods to the CoreDNS beside the control plane.
const dnsService = `apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: 10.96.0.10, ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: kube-dns-beside
  namespace: kube-system
  labels: {kubernetes.io/service-name: kube-dns, endpointslice.kubernetes.io/managed-by: remora-test}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
endpoints: [{addresses: ["` + gateway + `"], conditions: {ready: true}}]
`

// down ends everything that up started, and looks whether anything is left.
func (w *world) down() error {
	for i := 1; i <= maxNodes; i++ {
		if err := w.kill(w.at(i)); err != nil {
			return err
		}
	}
	for _, name := range []string{"coredns", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"} {
		if err := w.stop(name, syscall.SIGTERM, 10*time.Second); err != nil {
			return err
		}
	}
	if err := w.removeFabric(); err != nil {
		return err
	}
	if err := w.restoreSysctls(); err != nil {
		return err
	}
	if w.purge {
		if err := os.RemoveAll(w.run()); err != nil {
			return err
		}
	}
	if err := w.until("nothing is left", 10*time.Second, w.leftOver); err != nil {
		return err
	}
	w.say("down, and nothing is left")
	return nil
}

// sysctls are those of the whole machine that a kubelet sets.
var sysctls = []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"}

// keepSysctls notes how they were, once before the first node.
func (w *world) keepSysctls() error {
	for _, name := range sysctls {
		kept := w.run("sysctl", name)
		if _, err := os.Stat(kept); err == nil {
			continue
		}
		text, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			continue // this kernel has none
		}
		if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(kept, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) restoreSysctls() error {
	for _, name := range sysctls {
		text, err := os.ReadFile(w.run("sysctl", name))
		if err != nil {
			continue
		}
		if err := os.WriteFile("/proc/sys/"+name, text, 0o644); err != nil {
			return err
		}
	}
	return os.RemoveAll(w.run("sysctl"))
}

func (w *world) load() error {
	images, err := w.build()
	if err != nil {
		return err
	}
	for i := 1; i <= maxNodes; i++ {
		n := w.at(i)
		if w.pid(n.name()) == 0 {
			continue
		}
		if err := w.giveImages(n, images); err != nil {
			return err
		}
	}
	return nil
}

func ip(args ...string) error { return quiet(exec.Command("ip", args...)) }
