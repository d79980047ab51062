package fleet

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/remora-ray/remora/internal/agent"
	"github.com/remora-ray/remora/internal/agent/config"
	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/kube"
	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/ship"
	"github.com/remora-ray/remora/internal/agent/tail"
)

// pods knows the pods of a Kubernetes node, for sources of their volumes. It begins
// with the first question.
type pods struct {
	logs string // where directories tell the names of pods
	env  func(string) string

	mu   sync.Mutex
	stop context.CancelFunc
	all  *kube.Pods
	api  bool // the API server is asked: it alone knows everything
	// inCluster is kube.InCluster; tests have others.
	inCluster func(env func(string) string, node string) (*kube.API, error)
}

func newPods(env func(string) string) *pods {
	return &pods{logs: discover.PodsRoot, env: env, inCluster: kube.InCluster}
}

// of are the pods, asked for from now on.
func (p *pods) of(f *fleet) (*kube.Pods, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		api, err := p.inCluster(p.env, p.env("NODE_NAME"))
		if err != nil {
			f.log.Warn("the API server is not asked whose volumes there are: lines carry what directories tell", "error", err)
			api = nil
		}
		p.all, p.api = kube.New(p.logs, filepath.Join(f.conf.State, "pods.json"), api, f.log), api != nil
		ctx, stop := context.WithCancel(context.Background())
		p.stop = stop
		go p.all.Run(ctx)
	}
	return p.all, p.api
}

func (p *pods) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		p.stop()
	}
}

// place tells whose the files of a source are, nil where they are this node's. See
// agent.Config.
func (f *fleet) place(s *spec, layout discover.Layout) (func(string) agent.Placement, error) {
	kind := s.Source.Pods()
	if kind == config.PodsNone {
		return nil, nil
	}
	all, api := f.pods.of(f)
	if s.Source.PodTenants() && !api {
		return nil, errors.New("pod_tenants needs the API server: set NODE_NAME from spec.nodeName and let the service account list pods")
	}
	if kind == config.PodsLogs && !api {
		return nil, nil // directories tell as much without being asked
	}
	return func(at string) agent.Placement {
		var x kube.Pod
		var p agent.Placement
		shared := false
		switch kind {
		case config.PodsVolumes:
			p.Machine = kube.UIDOf(at)
			x = all.Of(p.Machine)
		case config.PodsLogs:
			x = all.Of(kube.ParseLogDir(at).UID)
		case config.PodsDirs:
			root := layout.Roots()[0]
			dir := filepath.Join(root, filepath.Dir(at))
			x, shared = all.OfDir(dir, madeAt(filepath.Join(root, at)))
			if dir != root {
				p.Apart = filepath.Dir(at)
			}
		}
		p.Known = x.Known || !api && (x.Name != "" || kind == config.PodsDirs)
		p.Wait = !p.Known && s.Source.PodTenants()
		p.Node = nodeOf(s.Node, x)
		p.Node.Shared = shared && p.Known
		if s.Source.PodTenants() && ship.ValidTenant(x.Tenant) {
			p.Node.Tenant = x.Tenant
		}
		return p
	}, nil
}

// nodeOf is what a pod tells of a node, and for the rest what is configured.
func nodeOf(n parse.Node, x kube.Pod) parse.Node {
	n.Namespace, n.Pod, n.IP, n.Owner = x.Namespace, x.Name, x.IP, x.Owner
	for to, v := range map[*string]string{&n.Cluster: x.Cluster, &n.Type: x.Type, &n.Group: x.Group, &n.Container: x.Container} {
		if v != "" {
			*to = v
		}
	}
	return n
}

// madeAt is when a directory was made, as far as its file system tells.
func madeAt(dir string) time.Time {
	st, err := tail.StatPath(dir)
	if err != nil || st.Key.Birth == 0 {
		return time.Now()
	}
	return time.Unix(0, st.Key.Birth)
}
