package rayv1

import (
	"strconv"
	"strings"
)

// Version of Ray, as far as it decides what can be asked of it. The zero value is an
// unknown one.
type Version struct{ Major, Minor int }

// AtLeast reports whether v is known and not older than major.minor.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// Known reports whether the version is known.
func (v Version) Known() bool { return v != Version{} }

// ParseVersion reads 2.60.0, 2.60.0-py311 or 2.60; anything else gives the zero value.
func ParseVersion(s string) Version {
	parts := strings.SplitN(s, ".", 3)
	if len(parts) < 2 {
		return Version{}
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil || major < 0 {
		return Version{}
	}
	digits := parts[1]
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	minor, err := strconv.Atoi(digits)
	if err != nil {
		return Version{}
	}
	return Version{major, minor}
}

// Version is what rayVersion says, else what the tag of the head's image tells where
// that is one of Ray's own images.
func (s *RayClusterSpec) Version() Version {
	if s.RayVersion != "" {
		return ParseVersion(s.RayVersion)
	}
	containers := s.HeadGroupSpec.Template.Spec.Containers
	if len(containers) == 0 {
		return Version{}
	}
	name, tag, tagged := strings.Cut(containers[0].Image[strings.LastIndexByte(containers[0].Image, '/')+1:], ":")
	if !tagged || !strings.HasPrefix(name, "ray") {
		return Version{}
	}
	return ParseVersion(tag)
}
