package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// ErrNone means that a target holds no backup.
var ErrNone = errors.New("there is no backup")

// Restore writes what a backup holds (name "": the newest) into dir, which must
// not exist or be empty. Dir is there only when all of it was checked.
func Restore(ctx context.Context, from Target, name, dir string, progress Progress) (Summary, error) {
	if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
		return Summary{}, fmt.Errorf("directory %s is not empty: move it away, or restore into another", dir)
	}
	if name == "" {
		names, err := Names(ctx, from)
		if err != nil {
			return Summary{}, err
		}
		if len(names) == 0 {
			return Summary{}, ErrNone
		}
		name = names[len(names)-1]
	}
	m, err := readManifest(ctx, from, name)
	if err != nil {
		return Summary{}, err
	}
	part := dir + ".restoring"
	if err := os.RemoveAll(part); err != nil {
		return Summary{}, fmt.Errorf("remove what an earlier restore left: %w", err)
	}
	s := Summary{Name: name, Files: len(m.Files), Bytes: m.bytes(), Copied: m.bytes()}
	if err := m.restore(ctx, from, part, s.Bytes, progress); err != nil {
		return Summary{}, errors.Join(err, os.RemoveAll(part))
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Summary{}, err
	}
	if err := os.Rename(part, dir); err != nil {
		return Summary{}, err
	}
	return s, syncDir(filepath.Dir(dir))
}

func (m *manifest) restore(ctx context.Context, from Target, dir string, total uint64, progress Progress) error {
	for _, d := range append([]string{"."}, m.Dirs...) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(d)), 0o755); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	var done atomic.Uint64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, f := range m.Files {
		group.Go(func() error {
			if err := restoreFile(ctx, from, f, filepath.Join(dir, filepath.FromSlash(f.Path))); err != nil {
				return fmt.Errorf("restore %s: %w", f.Path, err)
			}
			progress(done.Add(f.Size), total)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, d := range append([]string{"."}, m.Dirs...) {
		if err := syncDir(filepath.Join(dir, filepath.FromSlash(d))); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return nil
}

func restoreFile(ctx context.Context, from Target, f file, path string) error {
	r, err := open(ctx, from, f)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing from the backup: restore another one", objectName(f.SHA256))
	}
	if err != nil {
		return err
	}
	defer r.Close()
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	in := &checked{r: r, hash: sha256.New()}
	_, err = io.Copy(dst, in)
	if err = errors.Join(err, dst.Sync(), dst.Close()); err != nil {
		return err
	}
	if got := hex.EncodeToString(in.hash.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("its checksum is wrong, %s is damaged: restore another backup", objectName(f.SHA256))
	}
	return nil
}

func open(ctx context.Context, from Target, f file) (io.ReadCloser, error) {
	if f.Size == 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return from.Get(ctx, objectName(f.SHA256))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
