package discover

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/ray"
)

// PodsRoot is where the kubelet puts the output of containers.
const PodsRoot = "/var/log/pods"

// Pods is the layout of the kubelet's files of containers' output,
// NAMESPACE_POD_UID/CONTAINER/RESTARTS.log, rotated to RESTARTS.log.TIME and
// compressed to RESTARTS.log.TIME.gz (pkg/kubelet/logs of Kubernetes).
type Pods struct {
	root             string
	include, exclude []podGlob
}

// podGlob is a pattern for the directory of a pod or for its parts.
type podGlob struct {
	dir                       glob // NAMESPACE_POD_UID
	namespace, pod, container glob
	parts                     int
}

// NewPods makes a layout of the containers that one of include matches, or all if
// there is none, and none of exclude. root "" means PodsRoot. A pattern is one of
//
//	NAMESPACE_POD_UID              such as ray_* for all of the namespace ray
//	NAMESPACE_POD_UID/CONTAINER    such as ray_*/ray-head
//	NAMESPACE/POD/CONTAINER        such as ray/raycluster-*/ray-*
func NewPods(root string, include, exclude []string) (*Pods, error) {
	if root == "" {
		root = PodsRoot
	}
	p := &Pods{root: filepath.Clean(root)}
	var errs []error
	for _, s := range include {
		g, err := newPodGlob(s)
		errs = append(errs, err)
		p.include = append(p.include, g)
	}
	for _, s := range exclude {
		g, err := newPodGlob(s)
		errs = append(errs, err)
		p.exclude = append(p.exclude, g)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

func newPodGlob(s string) (g podGlob, err error) {
	parts := strings.SplitN(s, "/", 3)
	g.parts = len(parts)
	all := make([]glob, 3)
	for i, part := range parts {
		x, e := newGlob(part)
		err = errors.Join(err, e)
		all[i] = x
	}
	switch g.parts {
	case 1:
		g.dir = all[0]
	case 2:
		g.dir, g.container = all[0], all[1]
	default:
		g.namespace, g.pod, g.container = all[0], all[1], all[2]
	}
	return g, err
}

// matches tells whether the pattern takes a container, or, with container "", may
// take one of the pod's.
func (g *podGlob) matches(dir, container string) bool {
	namespace, pod, _, ok := podOf(dir)
	if !ok {
		return false
	}
	if g.parts == 3 {
		return g.namespace.matchesPart(namespace) && g.pod.matchesPart(pod) && (container == "" || g.container.matchesPart(container))
	}
	return g.dir.matchesPart(dir) && (g.parts == 1 || container == "" || g.container.matchesPart(container))
}

func podOf(dir string) (namespace, pod, uid string, ok bool) {
	parts := strings.Split(dir, "_")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return "", "", "", false
	}
	return parts[0], parts[1], parts[2], true
}

// Roots is the directory of all pods.
func (p *Pods) Roots() []string { return []string{p.root} }

// Links is false: the directory is the kubelet's.
func (p *Pods) Links() bool { return false }

// Follow is false.
func (p *Pods) Follow() bool { return false }

// Enter takes pods and their containers.
func (p *Pods) Enter(dir string) Entering {
	pod, container, deep := strings.Cut(strings.TrimPrefix(dir, p.root+"/"), "/")
	switch {
	case strings.Contains(container, "/") || !p.takes(pod, container):
		return Outside
	case deep:
		return Inside
	}
	return Through
}

func (p *Pods) takes(pod, container string) bool {
	if _, _, _, ok := podOf(pod); !ok {
		return false
	}
	taken := len(p.include) == 0
	for i := range p.include {
		taken = taken || p.include[i].matches(pod, container)
	}
	if !taken {
		return false
	}
	for i := range p.exclude {
		if (container != "" || p.exclude[i].parts == 1) && p.exclude[i].matches(pod, container) {
			return false
		}
	}
	return true
}

// Name takes the kubelet's names of files.
func (p *Pods) Name(path string) *Name {
	rel := strings.TrimPrefix(path, p.root+"/")
	parts := strings.Split(rel, "/")
	if len(parts) != 3 || !p.takes(parts[0], parts[1]) {
		return nil
	}
	if _, _, ok := cutPodRotation(parts[2]); !ok {
		return nil
	}
	return &Name{Rel: escape(rel)}
}

// Path is the inverse of Name.
func (p *Pods) Path(n *Name) string { return p.root + "/" + unescape(n.Rel) }

// File tells pod and container, and which start of it the file is of.
func (p *Pods) File(_, rel string) File {
	dir, base := filepath.Split(rel)
	x := ray.File{Path: rel, Stream: rel, Component: ray.ComponentContainer, Output: "log", Format: ray.FormatContainer, Known: true}
	if stem, rotation, ok := cutPodRotation(base); ok {
		x.Stream, x.Rotation = dir+stem, rotation
	}
	podDir, container, _ := strings.Cut(strings.TrimSuffix(dir, "/"), "/")
	namespace, pod, uid, _ := podOf(podDir)
	return File{
		File:     x,
		Labels:   logs.LabelsOf("namespace", namespace),
		Metadata: logs.LabelsOf("pod", pod, "pod_uid", uid, "container", container),
	}
}

// cutPodRotation reads 3.log, 3.log.20261121-050601 and 3.log.20261121-050601.gz.
func cutPodRotation(base string) (stem string, rotation int, ok bool) {
	number, rest, ok := strings.Cut(base, ".")
	if _, err := strconv.ParseUint(number, 10, 31); err != nil || !ok {
		return "", 0, false
	}
	if rest == "log" {
		return base, 0, true
	}
	stem, rotation = cutRotation(base)
	return stem, rotation, rotation > 0 && stem == number+".log"
}

// Place is the directory of the pod, NAMESPACE_POD_UID.
func (p *Pods) Place(stream string) string {
	dir, _, _ := strings.Cut(stream, "/")
	return dir
}
