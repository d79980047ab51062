package discover

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/ray"
)

// Layout says where the files of a source are and what their names mean. Its
// methods are pure: the same path always means the same.
type Layout interface {
	// Roots are the directories where looking begins. They need not be there yet.
	Roots() []string
	// Enter tells what to do with a directory below a root, by its whole path.
	Enter(dir string) Entering
	// Name tells what a regular file is called, by its whole path; nil if it is
	// none of the source's.
	Name(path string) *Name
	// Path is the path of a Name.
	Path(n *Name) string
	// File tells what a name means. Given the Stream of a File instead of the Rel of
	// a name it tells the same but for Path and Rotation.
	File(session, rel string) File
	// Links tells whether unread files may be kept by hard links beside the sessions;
	// else nothing is ever written where the files are.
	Links() bool
	// Follow tells whether symbolic links are followed.
	Follow() bool
}

// File is what a name tells: of the file, and labels and structured metadata that
// its lines get beside those that every line has.
type File struct {
	ray.File
	Labels, Metadata logs.Labels
}

// Entering is what to do with a directory.
type Entering uint8

// The ways to deal with a directory.
const (
	Outside Entering = iota // leave it
	Through                 // look for names in it; what is written there does not matter
	Inside                  // files in it are followed
)

// Ray is the layout of a Ray root: session_…/logs and all below it, and the entries
// of the session directories themselves.
type Ray struct {
	Root string
	// Dirs, where the sessions do not lie in Root itself, is a glob below Root of the
	// directories that they lie in, such as */volumes/kubernetes.io~empty-dir/ray-logs.
	// The Session of a Name then begins with that directory.
	Dirs string
}

// Roots is the Ray root.
func (r Ray) Roots() []string { return []string{filepath.Clean(r.Root)} }

// Links is true.
func (r Ray) Links() bool { return true }

// Follow is false: session_latest leads to what is there anyway.
func (r Ray) Follow() bool { return false }

// below cuts a path into the session's place below the root and the rest. session
// is "" where the path leads to no session; dir is then all of it.
func (r Ray) below(path string) (dir, session, rest string) {
	path = strings.TrimPrefix(strings.TrimPrefix(path, filepath.Clean(r.Root)), "/")
	if r.Dirs == "" {
		session, rest, _ = strings.Cut(path, "/")
	} else {
		at := 0
		for range 1 + strings.Count(r.Dirs, "/") {
			i := strings.IndexByte(path[at:], '/')
			if i < 0 {
				return path, "", ""
			}
			at += i + 1
		}
		dir = path[:at-1]
		session, rest, _ = strings.Cut(path[at:], "/")
	}
	if !strings.HasPrefix(session, "session_") || r.Dirs != "" && !doublestar.MatchUnvalidated(r.Dirs, dir) {
		return path, "", ""
	}
	if r.Dirs != "" {
		session = dir + "/" + session
	}
	return dir, session, rest
}

// Enter takes sessions and what is below their logs/.
func (r Ray) Enter(path string) Entering {
	dir, session, rest := r.below(path)
	switch {
	case session == "":
		parts, names := strings.Split(r.Dirs, "/"), strings.Split(dir, "/")
		if r.Dirs != "" && len(names) <= len(parts) && doublestar.MatchUnvalidated(strings.Join(parts[:len(names)], "/"), dir) {
			return Through
		}
	case rest == "":
		return Through
	case rest == "logs" || strings.HasPrefix(rest, "logs/"):
		return Inside
	}
	return Outside
}

// Name is below logs/ of a session, or an entry of the session directory.
func (r Ray) Name(path string) *Name {
	_, session, rest := r.below(path)
	if session == "" || rest == "" {
		return nil
	}
	if rel, ok := strings.CutPrefix(rest, "logs/"); ok {
		return &Name{Session: escape(session), Rel: escape(rel)}
	}
	return &Name{Session: escape(session), Rel: escape(rest), Entry: true}
}

// Path is the inverse of Name.
func (r Ray) Path(n *Name) string {
	if n.Entry {
		return filepath.Join(r.Root, unescape(n.Session), unescape(n.Rel))
	}
	return filepath.Join(r.Root, unescape(n.Session), "logs", unescape(n.Rel))
}

// File is what package ray knows of the name.
func (r Ray) File(_, rel string) File { return File{File: ray.ParsePath(rel)} }

// Files is the layout of files named by globs: * and ? within a name, ** over any
// number of directories, [a-z] and {one,other}.
type Files struct {
	include, exclude []glob
	roots            []string
	component        ray.Component
	follow           bool
}

// NewFiles makes a layout of the files that one of include matches and none of
// exclude. A pattern of exclude without a slash is matched with the last part of
// the path alone. component "" means "other".
func NewFiles(include, exclude []string, component string, followSymlinks bool) (*Files, error) {
	f := &Files{component: ray.ComponentOther, follow: followSymlinks}
	if component != "" {
		f.component = ray.Component(component)
	}
	var errs []error
	if len(include) == 0 {
		errs = append(errs, errors.New("no files are named: give include at least one pattern, such as /var/log/app/**/*.log"))
	}
	for _, p := range include {
		g, err := newGlob(p)
		if err == nil && !strings.HasPrefix(p, "/") {
			err = fmt.Errorf("pattern %q: give a path that begins with /", p)
		}
		if err == nil && strings.HasSuffix(p, "/") {
			err = fmt.Errorf("pattern %q names a directory: add **, *.log or the like", p)
		}
		errs = append(errs, err)
		f.include = append(f.include, g)
	}
	for _, p := range exclude {
		g, err := newGlob(p)
		errs = append(errs, err)
		f.exclude = append(f.exclude, g)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, g := range f.include {
		f.roots = append(f.roots, g.base)
	}
	f.roots = outermost(f.roots)
	return f, nil
}

// Roots are the directories before the first wildcard of each pattern.
func (f *Files) Roots() []string { return f.roots }

// Links is false: the files are somebody else's.
func (f *Files) Links() bool { return false }

// Follow is as asked for.
func (f *Files) Follow() bool { return f.follow }

// Enter takes directories in which a file may match.
func (f *Files) Enter(dir string) Entering {
	for _, g := range f.exclude {
		if g.covers(dir) {
			return Outside
		}
	}
	for _, g := range f.include {
		if g.mayHold(dir) {
			return Inside
		}
	}
	return Outside
}

// Name is the file's whole path.
func (f *Files) Name(path string) *Name {
	if !anyMatches(f.include, path) || anyMatches(f.exclude, path) {
		return nil
	}
	return &Name{Rel: escape(path)}
}

// Path is the inverse of Name.
func (f *Files) Path(n *Name) string { return unescape(n.Rel) }

// File takes rotated files for generations of one stream where a number or a date
// behind the extension says which are older: app.log.2, app.log-20261121. Any other
// file is a stream of its own.
func (f *Files) File(_, rel string) File {
	x := ray.File{Path: rel, Component: f.component, Output: "log"}
	x.Stream, x.Rotation = cutRotation(rel)
	if x.Rotation == 0 && strings.HasSuffix(rel, Compressed) {
		x.Rotation = 1 // app.log.gz: no one writes to it
	}
	switch filepath.Ext(x.Stream) {
	case ".out", ".err":
		x.Output = filepath.Ext(x.Stream)[1:]
	case ".zst", ".xz", ".bz2", ".zip", ".lz4":
		x.Skip = "compressed"
	}
	return File{File: x}
}

// Placed is a Layout that tells whose each file is.
type Placed interface {
	Layout
	// Place names whose the files of a stream are, for all that are of the same alike.
	Place(stream string) string
}
