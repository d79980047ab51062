package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/remora-ray/remora/internal/ray"
)

// maxDepth is how far below a given folder session directories are looked for.
const maxDepth = 8

// addDir reads a session directory, a Ray temp directory, or a folder of
// archives and pods.
func addDir(b *builder, s *spool, dir string, opt Options) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if resolved, err := filepath.EvalSymlinks(abs); err == nil {
		abs = resolved // session_latest names a session too
	}
	src := source{path: dir}
	if base := filepath.Base(abs); isSession(base) {
		return walk(b, src, abs, base, opt)
	}
	found := len(b.order)
	if err := walk(b, src, abs, "", opt); err != nil {
		return err
	}
	if len(b.order) > found {
		return addBeside(b, s, src, abs)
	}
	return addFolder(b, s, src, abs, opt)
}

// addFolder reads the archives in dir and the outputs beside them.
func addFolder(b *builder, s *spool, src source, dir string, opt Options) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !isArchiveName(e.Name()) || strings.HasPrefix(e.Name(), "state.") {
			continue
		}
		name := filepath.Join(src.path, e.Name())
		if err := addFile(b, s, name, archiveNode(name), opt); err != nil {
			return err
		}
	}
	return addBeside(b, s, src, dir)
}

// addBeside takes compressed outputs of containers and drivers that lie in dir.
func addBeside(b *builder, s *spool, src source, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		out, ok := parseOutput(e.Name())
		if !ok || !out.compressed || !e.Type().IsRegular() {
			continue // what is not compressed has been found already
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		sec, err := spoolFile(s, filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		b.output(src, out, sec.size, info.ModTime(), sec)
	}
	return nil
}

func spoolFile(s *spool, name string) (section, error) {
	f, err := os.Open(name)
	if err != nil {
		return section{}, err
	}
	defer f.Close()
	r, _, err := decompress(f)
	if err != nil {
		return section{}, fmt.Errorf("%s: %w", name, err)
	}
	defer r.Close()
	sec, err := s.keep(r, name)
	if err != nil {
		return section{}, fmt.Errorf("%s: %w", name, err)
	}
	return sec, nil
}

// walk lists the files of session directories below root. It follows no links.
func walk(b *builder, src source, root, prefix string, opt Options) error {
	n := 0
	return filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			if p == root || errors.Is(err, fs.ErrPermission) {
				return err
			}
			return nil // gone meanwhile: Ray is running
		}
		rel, err := filepath.Rel(root, p)
		if err != nil || rel == "." {
			return err
		}
		if n++; n > opt.MaxEntries {
			return &LimitError{What: "entries", Limit: int64(opt.MaxEntries), Where: src.path}
		}
		name := filepath.ToSlash(rel)
		if prefix != "" {
			name = prefix + "/" + name
		}
		if e.IsDir() {
			b.directory(src, name)
			if inSession(name) == 0 && strings.Count(name, "/") >= maxDepth {
				return fs.SkipDir
			}
			if inSession(name) == 2 && !isLogs(name) { // runtime_resources and the like
				return fs.SkipDir
			}
			return nil
		}
		if !e.Type().IsRegular() || !b.wants(name) {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil
		}
		b.file(src, name, info.Size(), info.ModTime(), diskFile(p))
		return nil
	})
}

func isSession(name string) bool {
	_, ok := ray.ParseSession(name)
	return ok
}

// inSession counts the elements of name from the session directory on; 0 where
// there is none.
func inSession(name string) int {
	for rest := name; rest != ""; {
		first, after, _ := strings.Cut(rest, "/")
		if isSession(first) {
			return strings.Count(rest, "/") + 1
		}
		rest = after
	}
	return 0
}

func isLogs(name string) bool {
	return strings.HasSuffix(name, "/logs")
}
