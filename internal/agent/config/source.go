package config

import "github.com/remora-ray/remora/internal/agent/discover"

// Layout says where the source's files are.
func (s *Source) Layout() (discover.Layout, error) {
	switch {
	case s.Files != nil:
		f := s.Files
		return discover.NewFiles(f.Include, f.Exclude, f.Component, f.FollowSymlinks)
	case s.Containers != nil:
		c := s.Containers
		return discover.NewPods(c.Root, c.Include, c.Exclude)
	case s.Ray.Dirs != "":
		return discover.Ray{Root: s.Ray.Root, Dirs: s.Ray.Dirs}, nil
	case s.Ray.Volumes != "":
		return discover.Ray{Root: s.Ray.Root, Dirs: "*/volumes/kubernetes.io~empty-dir/" + s.Ray.Volumes}, nil
	default:
		return discover.Ray{Root: s.Ray.Root}, nil
	}
}

// kubeletPods is where the kubelet keeps what belongs to pods.
const kubeletPods = "/var/lib/kubelet/pods"

// Pods says how to tell whose the files of a source are.
type Pods uint8

// The ways. PodsNone: the files are this node's, whatever that is.
const (
	PodsNone    Pods = iota
	PodsVolumes      // emptyDir volumes, by the kubelet's directories
	PodsDirs         // directories of the node, by what pods mount
	PodsLogs         // containers' logs, by the kubelet's directories
)

// Pods says how to tell whose the source's files are.
func (s *Source) Pods() Pods {
	switch {
	case s.Containers != nil:
		return PodsLogs
	case s.Ray == nil:
		return PodsNone
	case s.Ray.Volumes != "":
		return PodsVolumes
	case s.Ray.Dirs != "" || s.Ray.Pods:
		return PodsDirs
	}
	return PodsNone
}

// PodTenants reports whether lines go to the tenants that pods name.
func (s *Source) PodTenants() bool {
	return s.Containers != nil && s.Containers.PodTenants || s.Ray != nil && s.Ray.PodTenants
}
