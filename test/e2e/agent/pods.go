package main

import (
	_ "embed"
	"fmt"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// writer is a pod that writes as Ray does.
type writer struct {
	name   string
	volume map[string]any // of /tmp/ray; nil for the pod of sidecar.yaml
	expr   string         // subPathExpr of its mount
	tenant string         // of its annotation
	grace  int            // seconds to delete it with; 0 means its own
	shared bool           // it shares /tmp/ray with another: lines carry no pod

	told *log
}

// writers are one pod for each way to follow it.
func writers() []*writer {
	empty := map[string]any{"emptyDir": map[string]any{}}
	host := func(path string) map[string]any {
		return map[string]any{"hostPath": map[string]any{"path": path, "type": "DirectoryOrCreate"}}
	}
	return []*writer{
		{name: "beside", tenant: "e2e-beside"},
		{name: "volume", volume: empty},
		{name: "killed", volume: empty, grace: 1},
		{name: "own", volume: host("/var/ray"), expr: "$(POD_NAMESPACE)_$(POD_NAME)", tenant: "e2e-own"},
		{name: "shared-one", volume: host("/var/remora-e2e"), shared: true},
		{name: "shared-two", volume: host("/var/remora-e2e"), shared: true},
	}
}

//go:embed write.sh
var script string

// began names the sessions: nodes may have some of an earlier run.
var began = time.Now()

const manifests = "deploy/agent/"

func read(name string) (string, error) {
	b, err := os.ReadFile(manifests + name)
	if err != nil {
		return "", fmt.Errorf("%w (run it in the root of the repository)", err)
	}
	return string(b), nil
}

// manifest is the pod.
func (w *writer) manifest(o options) (string, error) {
	container := map[string]any{
		"name": "ray", "image": o.writer, "command": []string{"sh", "-c", script},
		"env":          w.env(),
		"volumeMounts": []any{map[string]any{"name": "ray-logs", "mountPath": "/tmp/ray", "subPathExpr": w.expr}},
	}
	if w.volume == nil {
		return w.besides(o, container)
	}
	volume := map[string]any{"name": "ray-logs"}
	for k, v := range w.volume {
		volume[k] = v
	}
	return encode(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": w.metadata(),
		"spec": map[string]any{"restartPolicy": "Never", "volumes": []any{volume}, "containers": []any{container}},
	})
}

func (w *writer) env() []any {
	field := func(name, path string) any {
		return map[string]any{"name": name, "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": path}}}
	}
	session := began.Format("session_2006-01-02_15-04-05_000000_1")
	return []any{
		field("POD_NAMESPACE", "metadata.namespace"), field("POD_NAME", "metadata.name"),
		map[string]any{"name": "SESSION", "value": session},
	}
}

func (w *writer) metadata() map[string]any {
	m := map[string]any{"name": w.name, "namespace": namespace, "labels": map[string]any{"ray.io/cluster": "e2e", "ray.io/node-type": "worker", "ray.io/group": "writers"}}
	if w.tenant != "" {
		m["annotations"] = map[string]any{"remora.dev/tenant": w.tenant}
	}
	return m
}

// besides is the pod of sidecar.yaml with the writer in Ray's place.
func (w *writer) besides(o options, container map[string]any) (string, error) {
	text, err := read("sidecar.yaml")
	if err != nil {
		return "", err
	}
	var pod map[string]any
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(text, "remora-agent:dev", o.agent)), &pod); err != nil {
		return "", err
	}
	pod["metadata"] = w.metadata()
	container["securityContext"] = map[string]any{"runAsUser": 1000, "runAsGroup": 100}
	pod["spec"].(map[string]any)["containers"] = []any{container}
	pod["spec"].(map[string]any)["restartPolicy"] = "Never"
	return encode(pod)
}

func encode(v any) (string, error) {
	b, err := yaml.Marshal(v)
	return string(b), err
}

const server = `
apiVersion: v1
kind: Pod
metadata: {name: remora, namespace: remora, labels: {app.kubernetes.io/name: remora}}
spec:
  volumes: [{name: data, emptyDir: {}}]
  containers:
    - name: remora
      image: IMAGE
      command: [remora, server, --data, /data, --listen, "0.0.0.0:3100", --no-auth]
      readinessProbe: {httpGet: {path: /ready, port: 3100}, periodSeconds: 1}
      volumeMounts: [{name: data, mountPath: /data}]
---
apiVersion: v1
kind: Service
metadata: {name: remora, namespace: remora}
spec: {selector: {app.kubernetes.io/name: remora}, ports: [{port: 3100}]}
`
