package config

import "golang.org/x/sys/unix"

// File is a file that a configuration was read from, as it was just before: two that
// are equal hold the same, unless somebody went to lengths.
type File struct {
	Path         string
	there        bool
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

// FileAt looks at a file. It follows links: a ConfigMap is changed by the link ..data,
// which leads to another directory then.
func FileAt(path string) File {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return File{Path: path}
	}
	return File{path, true, uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim}
}
