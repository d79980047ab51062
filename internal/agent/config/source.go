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
	case s.Ray.Volumes != "":
		return discover.Ray{Root: s.Ray.Root, Dirs: "*/volumes/kubernetes.io~empty-dir/" + s.Ray.Volumes}, nil
	default:
		return discover.Ray{Root: s.Ray.Root}, nil
	}
}

// kubeletPods is where the kubelet keeps what belongs to pods.
const kubeletPods = "/var/lib/kubelet/pods"
