package pipe

import (
	"path/filepath"

	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/ray"
)

// layout is that of a spool: one stream of which the files are generations.
type layout struct{ dir string }

// Roots is the spool.
func (l layout) Roots() []string { return []string{l.dir} }

// Enter takes no directory but the spool.
func (l layout) Enter(dir string) discover.Entering {
	if dir == l.dir {
		return discover.Inside
	}
	return discover.Outside
}

// Name takes the files of a spool.
func (l layout) Name(path string) *discover.Name {
	base := filepath.Base(path)
	if _, ok := number(base); !ok {
		return nil
	}
	return &discover.Name{Rel: base}
}

// Path is the inverse of Name.
func (l layout) Path(n *discover.Name) string { return filepath.Join(l.dir, n.Rel) }

// File is a piece of what was piped. Rotation is the less the newer the file is, and
// never more than 0, as the newest may be written to. With RAY_LOG_TO_STDERR=1 each
// line tells the component that wrote it.
func (l layout) File(_, rel string) discover.File {
	f := ray.File{Path: rel, Stream: stem, Component: ray.ComponentContainer, Output: "log", Format: ray.FormatContainer, Known: true}
	if n, ok := number(rel); ok {
		f.Rotation = -int(n)
	}
	return discover.File{File: f}
}

// Links is false: what is in the spool stays until it is acknowledged.
func (l layout) Links() bool { return false }

// Follow is false.
func (l layout) Follow() bool { return false }
