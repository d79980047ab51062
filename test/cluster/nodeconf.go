package main

import "fmt"

// nodeFiles are the settings of what runs on a node.
func (w *world) nodeFiles(n node) map[string]string {
	return map[string]string{
		"conf/containerd.toml":           containerdConfig,
		"etc-cni/net.d/10-pods.conflist": fmt.Sprintf(cniConfig, n.pods()),
		"conf/resolv.conf":               "nameserver " + gateway + "\n",
		"conf/kubelet.yaml":              fmt.Sprintf(kubeletConfig, n.namespace(), w.keys().path("ca.crt")),
	}
}

// restrict_oom_score_adj: inside most containers and virtual machines nobody may lower it.
const containerdConfig = `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "` + pauseImage + `"
  restrict_oom_score_adj = true
  max_container_log_line_size = 262144
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "` + cniDir + `"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`

const cniConfig = `{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
`

// imageGCHighThresholdPercent: images come from nowhere else, so none may be collected.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
cgroupRoot: /%s
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
resolvConf: /dev/null
address: 0.0.0.0
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %q}}
authorization: {mode: Webhook}
evictionHard: {memory.available: 200Mi, nodefs.available: 1%%, nodefs.inodesFree: 1%%, imagefs.available: 1%%}
imageGCHighThresholdPercent: 100
imageMinimumGCAge: 24h
maxPods: 60
serializeImagePulls: false
nodeStatusUpdateFrequency: 5s
`
