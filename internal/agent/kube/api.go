package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// API asks an API server for the pods of one node. The right it needs is to list pods.
type API struct {
	URL       string // https://HOST:PORT
	Node      string // name of the node
	TokenFile string // read again for each request: the kubelet renews it
	client    *http.Client
}

// secrets is where Kubernetes puts a pod's token and the server's certificate.
const secrets = "/var/run/secrets/kubernetes.io/serviceaccount"

// InCluster is the API server of the cluster that the process runs in, nil where it
// runs in none or was given no token. The name of the node must be given.
func InCluster(env func(string) string, node string) (*API, error) {
	host, port := env("KUBERNETES_SERVICE_HOST"), env("KUBERNETES_SERVICE_PORT")
	token := filepath.Join(secrets, "token")
	if host == "" || port == "" || !exists(token) {
		return nil, nil
	}
	if node == "" {
		return nil, errors.New("the name of the node is not known: set NODE_NAME from spec.nodeName")
	}
	ca, err := os.ReadFile(filepath.Join(secrets, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the API server's certificate: %w", err)
	}
	return NewAPI("https://"+net.JoinHostPort(host, port), node, token, ca)
}

// NewAPI asks the API server at that URL, whose certificate ca (PEM) has signed.
func NewAPI(at, node, tokenFile string, ca []byte) (*API, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("the API server's certificate file holds no certificate")
	}
	t := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConns:    1, IdleConnTimeout: 30 * time.Second,
	}
	client := &http.Client{
		Transport: t, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &API{URL: strings.TrimSuffix(at, "/"), Node: node, TokenFile: tokenFile, client: client}, nil
}

// maxList bounds the answer of an API server.
const maxList = 64 << 20

// podList is what is read of a list of pods.
type podList struct {
	Items []podItem
}

type podItem struct {
	Metadata struct {
		Name, Namespace, UID string
		Labels, Annotations  map[string]string
		CreationTimestamp    time.Time
	}
	Spec struct {
		NodeName                   string
		ServiceAccountName         string
		InitContainers, Containers []container
		Volumes                    []struct {
			Name     string
			HostPath *struct{ Path string }
		}
	}
	Status struct {
		PodIP  string `json:"podIP"`
		HostIP string `json:"hostIP"`
	}
}

type container struct {
	Name string
	Env  []struct {
		Name, Value string
		ValueFrom   *struct {
			FieldRef *struct{ FieldPath string }
		}
	}
	VolumeMounts []struct {
		Name, SubPath, SubPathExpr string
		ReadOnly                   bool
	}
}

// Pods lists the node's pods.
func (a *API) Pods(ctx context.Context) ([]Pod, error) {
	q := url.Values{"fieldSelector": {"spec.nodeName=" + a.Node}, "resourceVersion": {"0"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/api/v1/pods?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(a.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the token for the API server: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Accept", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the API server for pods: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the API server answered %s: the agent's service account must be allowed to list pods", resp.Status)
	}
	var list podList
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxList)).Decode(&list); err != nil {
		return nil, fmt.Errorf("read the list of pods: %w", err)
	}
	pods := make([]Pod, 0, len(list.Items))
	for i := range list.Items {
		pods = append(pods, list.Items[i].pod())
	}
	return pods, nil
}

// TenantAnnotation of a pod names the tenant that its lines go to.
const TenantAnnotation = "remora.dev/tenant"

func (x *podItem) pod() Pod {
	m, labels := &x.Metadata, x.Metadata.Labels
	p := Pod{
		UID: m.UID, Namespace: m.Namespace, Name: m.Name, IP: x.Status.PodIP, Known: true, Created: m.CreationTimestamp,
		Cluster: labels["ray.io/cluster"], Type: nodeType(labels["ray.io/node-type"]), Group: labels["ray.io/group"],
		Owner: owner(labels), Tenant: m.Annotations[TenantAnnotation], Mounts: x.mounts(),
	}
	if p.Type == "head" {
		p.Group = "" // KubeRay calls the head's group headgroup
	}
	if c := x.Spec.Containers; len(c) > 0 {
		p.Container = c[0].Name
	}
	return p
}

func nodeType(label string) string {
	if label == "head" || label == "worker" {
		return label
	}
	return ""
}

// owner is the RayJob or RayService that a pod's cluster was made for; KubeRay puts
// its kind and name on the pods.
func owner(labels map[string]string) string {
	kind, name := labels["ray.io/originated-from-crd"], labels["ray.io/originated-from-cr-name"]
	if name == "" || kind != "RayJob" && kind != "RayService" {
		return ""
	}
	return kind + "/" + name
}
