// Package kube knows the pods of one Kubernetes node: whose a directory below the
// kubelet's is. It asks the API server over plain HTTP, as the node's agent needs one
// list of pods and no client library, and takes names from the directories of pod logs
// where it may not ask.
//
// Invariant: what is not known is said to be unknown; a pod's facts are never another's.
package kube

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"
)

// Pod is what is known of a pod.
type Pod struct {
	UID, Namespace, Name string
	// Cluster, Type, Group and Owner are from the labels that Ray's operators give
	// their pods: ray.io/cluster, ray.io/node-type, ray.io/group,
	// ray.io/originated-from-cr-name.
	Cluster, Type, Group, Owner string
	Container                   string // the first one, which is Ray's
	IP                          string
	Tenant                      string  // of the annotation remora.dev/tenant
	Mounts                      []Mount // directories of the node that it mounts
	Created                     time.Time
	Seen                        time.Time // when the API server last told of it
	Known                       bool      // by the API server: what is empty is not there
}

// Pods keeps the pods of a node up to date. Make one with New; its methods may be
// called from any goroutine.
type Pods struct {
	logs   string // /var/log/pods; "" for none
	file   string // what is known of pods, for the next run: theirs may be gone by then; "" for none
	api    *API   // nil for none
	logger *slog.Logger

	mu     sync.Mutex
	pods   map[string]Pod       // by UID
	wants  chan struct{}        // a pod is asked for that is not known
	listed time.Time            // when the last answer of the API server was asked for
	asked  map[string]time.Time // since when somebody asks for what is not known
}

// How often the API server is asked: soon after a pod turned up that is not known,
// and now and then whatever happens.
const (
	atMostEvery = 2 * time.Second
	atLeast     = time.Minute
)

// New makes Pods of what the directory of pod logs tells ("" for none) and, where api
// is not nil, of what the API server does and, as the file remembers ("" for none), has
// told before.
func New(logs, file string, api *API, logger *slog.Logger) *Pods {
	p := &Pods{logs: logs, api: api, logger: logger, pods: map[string]Pod{}, asked: map[string]time.Time{}, wants: make(chan struct{}, 1)}
	if api != nil && file != "" {
		p.file = file
		p.remember()
	}
	return p
}

// Run asks the API server until ctx ends. Without one it returns at once.
func (p *Pods) Run(ctx context.Context) {
	if p.api == nil {
		return
	}
	told := false
	for ctx.Err() == nil {
		at := time.Now()
		pods, err := p.api.Pods(ctx)
		switch {
		case err == nil:
			told = false
			p.set(pods, at)
		case ctx.Err() == nil && !told:
			told = true
			p.logger.Warn("the API server does not tell of this node's pods, trying again: lines carry what directories tell", "error", err)
		}
		p.wait(ctx)
	}
}

// wait returns after a minute, or soon after a pod was asked for that is not known.
func (p *Pods) wait(ctx context.Context) {
	soon, later := time.NewTimer(atMostEvery), time.NewTimer(atLeast)
	defer soon.Stop()
	defer later.Stop()
	select {
	case <-ctx.Done():
		return
	case <-soon.C:
	}
	select {
	case <-ctx.Done():
	case <-p.wants:
	case <-later.C:
	}
}

// remember reads what an earlier run knew.
func (p *Pods) remember() {
	b, err := os.ReadFile(p.file)
	if err != nil {
		return // there was none
	}
	pods := map[string]Pod{}
	if err := json.Unmarshal(b, &pods); err != nil {
		p.logger.Warn("what was known of pods cannot be read", "path", p.file, "error", err)
		return
	}
	p.pods = pods
}

func (p *Pods) set(pods []Pod, at time.Time) {
	now := make(map[string]Pod, len(pods))
	for _, x := range pods {
		x.Seen = at
		now[x.UID] = x
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// Directories outlive their pods, and so does what is known of them.
	for uid, x := range p.pods {
		if _, still := now[uid]; !still && len(now) < maxPods && at.Sub(x.Seen) < keepFor {
			now[uid] = x
		}
	}
	news := len(now) != len(p.pods)
	for uid, x := range now {
		old := p.pods[uid]
		old.Seen = x.Seen
		news = news || !reflect.DeepEqual(old, x)
	}
	p.pods, p.listed = now, at
	if news {
		p.write()
	}
}

// write keeps what is known for the next run. What is in the file says nothing that
// listing pods does not.
func (p *Pods) write() {
	if p.file == "" {
		return
	}
	b, err := json.Marshal(p.pods)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(p.file), 0o700)
	}
	if err == nil {
		err = os.WriteFile(p.file+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(p.file+".new", p.file)
	}
	if err != nil {
		p.logger.Warn("what is known of pods cannot be kept: of those that end while the agent is down it will not be known", "path", p.file, "error", err)
	}
}

// keepFor is how long a pod is remembered that is gone.
const keepFor = 7 * 24 * time.Hour

// maxPods bounds what is remembered of pods that are gone.
const maxPods = 5000

// Of tells what is known of the pod of that UID now. One that the API server has been
// asked about since and does not know is known to be gone.
func (p *Pods) Of(uid string) Pod {
	p.mu.Lock()
	x, ok := p.pods[uid]
	gone := !ok && p.unknown(uid)
	p.mu.Unlock()
	if !ok {
		x = p.byLogs(uid)
		x.UID, x.Known = uid, gone
	}
	return x
}

// unknown notes that something is asked for that is not known, and reports whether
// the API server has answered since without it.
func (p *Pods) unknown(what string) bool {
	if p.api == nil {
		return false
	}
	since, asked := p.asked[what]
	if !asked {
		if len(p.asked) >= maxPods {
			clear(p.asked)
		}
		since = time.Now()
		p.asked[what] = since
	}
	if p.listed.After(since) {
		return true
	}
	select {
	case p.wants <- struct{}{}:
	default:
	}
	return false
}

// byLogs finds the pod's directory of logs, which is named NAMESPACE_NAME_UID; none
// of the three holds an underscore.
func (p *Pods) byLogs(uid string) Pod {
	if p.logs == "" || uid == "" || strings.ContainsAny(uid, "*?[\\/") {
		return Pod{}
	}
	found, err := filepath.Glob(filepath.Join(p.logs, "*_*_"+uid))
	if err != nil || len(found) == 0 {
		return Pod{}
	}
	return ParseLogDir(filepath.Base(found[0]))
}

// ParseLogDir takes the name of a directory of pod logs apart; the zero Pod if it is
// none.
func ParseLogDir(name string) Pod {
	parts := strings.Split(name, "_")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return Pod{}
	}
	return Pod{Namespace: parts[0], Name: parts[1], UID: parts[2]}
}

// UIDOf finds the pod's UID in a path below the kubelet's directory of pods:
// UID/volumes/kubernetes.io~empty-dir/NAME/….
func UIDOf(dir string) string {
	uid, _, _ := strings.Cut(filepath.ToSlash(dir), "/")
	if uid == "." || uid == ".." {
		return ""
	}
	return uid
}

// exists reports whether a file is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
