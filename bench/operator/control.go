package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

// user is who the operator is to the API server.
const user = "operator"

// policy has the API server write down the operator's requests and no others.
const policy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
  users: [` + user + `]
- level: None
`

// control is an API server with its etcd.
type control struct {
	env        *envtest.Environment
	config     *rest.Config
	clients    kubernetes.Interface
	dynamic    dynamic.Interface
	kubeconfig string // the operator's
	audit      string
	dir        string
}

var (
	clusters    = schema.GroupVersionResource{Group: "ray.io", Version: "v1", Resource: "rayclusters"}
	definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

func (o *options) startControl(ctx context.Context, crds string) (*control, error) {
	dir, err := os.MkdirTemp("", "bench-operator-")
	if err != nil {
		return nil, err
	}
	k := &control{dir: dir, kubeconfig: filepath.Join(dir, "kubeconfig"), audit: filepath.Join(dir, "audit.log")}
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(policy), 0o600); err != nil {
		return nil, err
	}
	k.env = &envtest.Environment{
		BinaryAssetsDirectory:    o.kubernetes,
		ControlPlaneStartTimeout: 3 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	k.env.ControlPlane.GetAPIServer().Configure().
		Append("audit-policy-file", filepath.Join(dir, "policy.yaml")).
		Append("audit-log-path", k.audit)
	if k.config, err = k.env.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the API server: %w", err), k.stop())
	}
	k.config.QPS = -1 // this program is not what is measured
	if err := k.prepare(ctx, crds); err != nil {
		return nil, errors.Join(err, k.stop())
	}
	return k, nil
}

func (k *control) prepare(ctx context.Context, crds string) error {
	operator, err := k.env.AddUser(envtest.User{Name: user, Groups: []string{"system:masters"}}, k.config)
	if err != nil {
		return fmt.Errorf("make the operator's certificate: %w", err)
	}
	text, err := operator.KubeConfig()
	if err != nil {
		return err
	}
	if err := os.WriteFile(k.kubeconfig, text, 0o600); err != nil {
		return err
	}
	if k.clients, err = kubernetes.NewForConfig(k.config); err != nil {
		return err
	}
	if k.dynamic, err = dynamic.NewForConfig(k.config); err != nil {
		return err
	}
	return k.define(ctx, crds)
}

// define applies definitions and waits until RayClusters are served.
func (k *control) define(ctx context.Context, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no definitions in %s: %w", dir, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, object); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if _, err := k.dynamic.Resource(definitions).Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return until(ctx, "RayClusters are served", func() (bool, error) {
		_, err := k.dynamic.Resource(clusters).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

func (k *control) stop() error {
	return errors.Join(k.env.Stop(), os.RemoveAll(k.dir))
}

// until waits for something that the operator is to bring about.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	const longest = 30 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// request is one of the operator's.
type request struct {
	Verb   string `json:"verb"`
	Object struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
}

// requests are those that were written down behind an offset, and the offset behind them.
func (k *control) requests(from int64) ([]request, int64, error) {
	f, err := os.Open(k.audit)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, 0, err
	}
	return readRequests(f, from)
}

func readRequests(r io.Reader, from int64) (all []request, to int64, err error) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, from, nil // a line that is being written is read the next time
		}
		if err != nil {
			return nil, 0, err
		}
		from += int64(len(line))
		var one request
		if err := json.Unmarshal(bytes.TrimSpace(line), &one); err != nil {
			return nil, 0, fmt.Errorf("audit log: %w", err)
		}
		all = append(all, one)
	}
}

// writing reports whether a request changes what is kept.
func (r request) writing() bool {
	return !strings.Contains("get list watch", r.Verb) && !strings.HasSuffix(r.Object.Resource, "reviews")
}
