// Package backup copies a store's snapshot to a target and back. Files are kept
// once under the hash of what is in them, so a later backup adds only what is
// new:
//
//	backups/2026-11-21T19-40-05Z   what a backup holds, written last
//	files/3f/3f9a…                 what is in a file, named by its SHA-256
//	locks/…                        who writes to the target
//
// Invariant: a backup that is listed is whole, unless somebody changed the
// target; what is restored has the checksums that it had when it was copied.
package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Target keeps objects by name. Names have slashes. Its methods may be called from
// several goroutines.
type Target interface {
	// Put keeps the size bytes that r gives, whole or not at all.
	Put(ctx context.Context, name string, r io.Reader, size int64) error
	// Get fails with fs.ErrNotExist where there is no such object.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List calls yield for each object whose name begins with dir and a slash; size
	// is -1 where the target does not tell it.
	List(ctx context.Context, dir string, yield func(name string, size int64) error) error
	Remove(ctx context.Context, name string) error
}

const (
	backupsDir = "backups"
	filesDir   = "files"
	// nameLayout makes names of times that sort as the times do.
	nameLayout = "2006-01-02T15-04-05Z"
	// atOnce is how many files are on their way at a time.
	atOnce = 4
)

// Summary tells what was copied.
type Summary struct {
	Name   string `json:"backup"`
	Files  int    `json:"files"`
	Bytes  uint64 `json:"bytes"`
	Copied uint64 `json:"bytes_copied"` // the rest was there before
}

// Progress is called with the bytes done of all, from several goroutines.
type Progress func(done, total uint64)

// Write copies the files below dir, which must not change, to the target.
func Write(ctx context.Context, dir string, to Target, now time.Time, progress Progress) (Summary, error) {
	m, err := survey(dir)
	if err != nil {
		return Summary{}, fmt.Errorf("read what is to be kept: %w", err)
	}
	m.Created = now.UTC()
	s := Summary{Name: now.UTC().Format(nameLayout), Files: len(m.Files), Bytes: m.bytes()}
	there, err := listFiles(ctx, to)
	if err != nil {
		return Summary{}, err
	}
	var done, copied atomic.Uint64
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range m.Files {
		f := &m.Files[i]
		group.Go(func() error {
			n, err := writeFile(within, filepath.Join(dir, filepath.FromSlash(f.Path)), f, to, there)
			if err != nil {
				return fmt.Errorf("copy %s: %w", f.Path, err)
			}
			copied.Add(n)
			progress(done.Add(f.Size), s.Bytes)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Summary{}, err
	}
	s.Copied = copied.Load()
	list := m.encode()
	if err := to.Put(ctx, backupsDir+"/"+s.Name, bytes.NewReader(list), int64(len(list))); err != nil {
		return Summary{}, fmt.Errorf("write what backup %s holds: %w", s.Name, err)
	}
	return s, nil
}

// survey lists what lies below dir.
func survey(dir string) (*manifest, error) {
	m := &manifest{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			m.Dirs = append(m.Dirs, rel)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file", path)
		}
		m.Files = append(m.Files, file{Path: rel, Size: uint64(info.Size())})
		return nil
	})
	return m, err
}

// listFiles tells the sizes of the files that a target has, by their hashes.
func listFiles(ctx context.Context, t Target) (map[string]int64, error) {
	there := make(map[string]int64)
	err := t.List(ctx, filesDir, func(name string, size int64) error {
		there[name[strings.LastIndexByte(name, '/')+1:]] = size
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the files of the target: %w", err)
	}
	return there, nil
}

// writeFile copies a file where the target does not have it, and notes its hash.
func writeFile(ctx context.Context, path string, f *file, to Target, there map[string]int64) (copied uint64, err error) {
	src, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, src)
	if err != nil {
		return 0, err
	}
	f.Size, f.SHA256 = uint64(n), hex.EncodeToString(sum.Sum(nil))
	if n == 0 { // not every target keeps what is empty
		return 0, nil
	}
	if size, ok := there[f.SHA256]; ok && (size == n || size < 0) {
		return 0, nil
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	// A disk that reads something else now must not make a bad backup.
	sent := &checked{r: src, hash: sha256.New()}
	if err := to.Put(ctx, objectName(f.SHA256), sent, n); err != nil {
		return 0, err
	}
	if got := hex.EncodeToString(sent.hash.Sum(nil)); got != f.SHA256 {
		return 0, errors.Join(errors.New("it changed while it was read"), to.Remove(ctx, objectName(f.SHA256)))
	}
	return f.Size, nil
}

func objectName(sum string) string { return filesDir + "/" + sum[:2] + "/" + sum }

// Names lists the backups of a target, oldest first.
func Names(ctx context.Context, t Target) ([]string, error) {
	var names []string
	err := t.List(ctx, backupsDir, func(name string, _ int64) error {
		name = strings.TrimPrefix(name, backupsDir+"/")
		if _, err := time.Parse(nameLayout, name); err == nil {
			names = append(names, name)
		}
		return nil
	})
	slices.Sort(names)
	if err != nil {
		return nil, fmt.Errorf("list the backups of the target: %w", err)
	}
	return names, nil
}

// Prune removes all but the newest backups, and files that no other one needs.
// Nobody may write to the target meanwhile.
func Prune(ctx context.Context, t Target, keep int) (removed []string, err error) {
	names, err := Names(ctx, t)
	if err != nil || len(names) <= keep {
		return nil, err
	}
	removed, kept := names[:len(names)-keep], names[len(names)-keep:]
	needed := make(map[string]bool)
	for _, name := range kept {
		m, err := readManifest(ctx, t, name)
		if err != nil {
			return nil, err // nobody knows what it needs
		}
		for _, f := range m.Files {
			needed[objectName(f.SHA256)] = true
		}
	}
	for _, name := range removed {
		if err := t.Remove(ctx, backupsDir+"/"+name); err != nil {
			return nil, fmt.Errorf("remove backup %s: %w", name, err)
		}
	}
	err = t.List(ctx, filesDir, func(name string, _ int64) error {
		if needed[name] {
			return nil
		}
		return t.Remove(ctx, name)
	})
	if err != nil {
		return removed, fmt.Errorf("remove files of backups that are gone: %w", err)
	}
	return removed, nil
}

// checked passes on what it reads and hashes it.
type checked struct {
	r    io.Reader
	hash hash.Hash
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	_, _ = c.hash.Write(b[:n]) // a hash never fails
	return n, err
}
