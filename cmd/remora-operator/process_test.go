package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/remora-ray/remora/api/rayv1"
)

// asOperator in the environment has this test program be the operator.
const asOperator = "REMORA_TEST_AS_OPERATOR"

func TestMain(m *testing.M) {
	if os.Getenv(asOperator) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is an operator in a process of its own.
type process struct {
	*exec.Cmd
	mu    sync.Mutex
	said  bytes.Buffer
	ended chan struct{}
}

func (p *process) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(text)
}

func (p *process) says(words string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Contains(p.said.String(), words)
}

// leads reports whether the process works, and does not only wait.
func (p *process) leads() bool { return p.says(`"Starting workers"`) }

// start runs an operator of namespaced.yaml, with the rights of its Role.
func (w *world) start(config *rest.Config) *process {
	w.Helper()
	p := &process{ended: make(chan struct{})}
	p.Cmd = exec.Command(os.Args[0],
		"--metrics-addr=0", "--health-probe-bind-address=0", "--leader-election-namespace=ray", "--watch-namespace=ray",
		"--agent-image=agent", "--logs-url=http://remora:3100", "--logs-tokens=ray/remora-tokens")
	p.Env = append(os.Environ(), asOperator+"=1", "KUBECONFIG="+kubeconfig(w.T, config))
	p.Stdout, p.Stderr = p, p
	if err := p.Start(); err != nil {
		w.Fatal(err)
	}
	go func() {
		_ = p.Wait() // its state is looked at by those who wait for ended
		close(p.ended)
	}()
	w.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended
		<-p.ended
		if w.Failed() {
			w.Logf("process %d said:\n%s", p.Process.Pid, p.said.String())
		}
	})
	return p
}

// kubeconfig is a file by which a process is the operator's service account in ray.
func kubeconfig(t *testing.T, config *rest.Config) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"c": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"u": {
			ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Impersonate: as(config, "ray").Impersonate.UserName,
		}},
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "x",
	}, file)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOperatorsWithARoleAlone(t *testing.T) {
	w, config := newServer(t)
	w.namespace("ray", nil)
	ctx, stop := context.WithCancel(t.Context())
	played := make(chan struct{})
	go func() {
		defer close(played)
		w.kubelet(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-played
	})
	for _, test := range []struct {
		name string
		run  func(w *world, config *rest.Config)
	}{
		{"rights that are missing are named", missingRights},
		{"clusters of the one namespace are run, and of no other", oneNamespace},
		{"one operator works, another takes over when it is killed", takesOver},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(&world{t, w.Client, w.writes}, config) })
	}
}

func missingRights(w *world, config *rest.Config) {
	w.install("namespaced.yaml")
	var role rbacv1.Role
	if err := w.Get(w.Context(), client.ObjectKey{Namespace: "ray", Name: "remora-operator"}, &role); err != nil {
		w.Fatal(err)
	}
	for i, rule := range role.Rules {
		switch rule.Resources[0] {
		case "rayclusters/status":
			role.Rules[i].Verbs = []string{"get"}
		case "pods":
			role.Rules[i].Verbs = []string{"get", "list", "watch", "patch"}
		}
	}
	if err := w.Update(w.Context(), &role); err != nil {
		w.Fatal(err)
	}
	p := w.start(config)
	<-p.ended
	const want = "in namespace ray: create pods, delete pods, patch rayclusters.ray.io/status; apply deploy/kubernetes/"
	if p.ProcessState.ExitCode() != exitFailed || !p.says(want) {
		w.Errorf("exit status %d, want %d and %q in:\n%s", p.ProcessState.ExitCode(), exitFailed, want, p.said.String())
	}
}

// in makes a cluster in a namespace, with so many workers.
func (w *world) in(namespace, name string, workers string) client.ObjectKey {
	w.Helper()
	text := strings.ReplaceAll(strings.ReplaceAll(small, "NAME", name), "replicas: 2, minReplicas: 0, maxReplicas: 5", "replicas: "+workers+", minReplicas: 0, maxReplicas: 100")
	cluster := w.object(text)
	cluster.SetNamespace(namespace)
	w.apply(cluster)
	return client.ObjectKeyFromObject(cluster)
}

func (w *world) isReady(key client.ObjectKey) bool {
	var c rayv1.RayCluster
	if err := w.Get(w.Context(), key, &c); err != nil {
		w.Fatal(err)
	}
	return c.Status.State == rayv1.StateReady
}

func oneNamespace(w *world, config *rest.Config) {
	w.install("namespaced.yaml")
	w.in("default", "foreign", "2")
	p := w.start(config)
	key := w.in("ray", "own", "2")
	w.until("the cluster is ready", func() bool { return w.isReady(key) })
	var secret corev1.Secret
	w.until("its agents have a token", func() bool {
		return w.Get(w.Context(), client.ObjectKey{Namespace: "ray", Name: "remora-agent-token"}, &secret) == nil
	})
	if n := len(w.pods("foreign", "head")); n != 0 {
		w.Errorf("%d heads in a namespace that is none of its own", n)
	}
	if p.says("orbidden") {
		w.Errorf("something is not allowed:\n%s", p.said.String())
	}
	if !p.says("nodes may not be read") {
		w.Error("it is not said that nodes cannot be read")
	}
}

func takesOver(w *world, config *rest.Config) {
	w.install("namespaced.yaml")
	both := []*process{w.start(config), w.start(config)}
	w.until("one works", func() bool { return both[0].leads() || both[1].leads() })
	leader, other := both[0], both[1]
	if other.leads() {
		leader, other = other, leader
	}
	const workers = 40
	key := w.in("ray", "halfway", "40")
	w.until("some of the pods are made", func() bool { return len(w.pods("halfway", "worker")) > 3 })
	if other.leads() {
		w.Error("both operators work")
	}
	_ = leader.Process.Kill()
	<-leader.ended
	w.until("the other works", other.leads)
	w.until("the cluster is ready", func() bool { return w.isReady(key) })
	if heads, all := len(w.pods("halfway", "head")), len(w.pods("halfway", "worker")); heads != 1 || all != workers+1 {
		w.Errorf("%d heads and %d workers after the first operator was killed, want 1 and %d", heads, all, workers+1)
	}

	third := w.start(config)
	_ = other.Process.Signal(os.Interrupt)
	<-other.ended
	if status := other.ProcessState.ExitCode(); status != exitDone {
		w.Errorf("exit status %d of an operator that was told to end", status)
	}
	w.until("a third works", third.leads)
	again := w.in("ray", "later", "1")
	w.until("it runs clusters", func() bool { return w.isReady(again) })
}
