package fleet

import (
	"context"
	"sync"

	"github.com/remora-ray/remora/internal/agent/config"
	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/kube"
	"github.com/remora-ray/remora/internal/agent/parse"
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
}

func newPods(env func(string) string) *pods { return &pods{logs: discover.PodsRoot, env: env} }

// of are the pods, asked for from now on.
func (p *pods) of(f *fleet) (*kube.Pods, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		api, err := kube.InCluster(p.env, p.env("NODE_NAME"))
		if err != nil {
			f.log.Warn("the API server is not asked whose volumes there are: lines carry what directories tell", "error", err)
			api = nil
		}
		p.all, p.api = kube.New(p.logs, api, f.log), api != nil
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

// place tells whose the files of a volume are. See agent.Config.
func (f *fleet) place(s *spec) func(dir string) (parse.Node, string, bool) {
	all, api := f.pods.of(f)
	return func(dir string) (parse.Node, string, bool) {
		uid := kube.UIDOf(dir)
		x := all.Of(uid)
		n := s.Node
		n.Namespace, n.Pod, n.IP = x.Namespace, x.Name, x.IP
		n.Owner = x.Owner
		for to, v := range map[*string]string{&n.Cluster: x.Cluster, &n.Type: x.Type, &n.Group: x.Group, &n.Container: x.Container} {
			if v != "" {
				*to = v
			}
		}
		return n, uid, x.Known || !api && x.Name != ""
	}
}

// ofVolumes reports whether a source is of pods' volumes.
func ofVolumes(s *config.Source) bool { return s.Ray != nil && s.Ray.Volumes != "" }
