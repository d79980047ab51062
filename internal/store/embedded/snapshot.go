package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Snapshot writes into the empty directory dir a store that holds everything
// acknowledged when it returns, and that Open opens. Files of lines are hard
// links where dir is on the same disk.
func (e *Engine) Snapshot(ctx context.Context, dir string) error {
	if e.cfg.Outgrown != nil {
		return e.cannotHere("a snapshot", "back it up with its own means")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if len(names) > 0 {
		return fmt.Errorf("snapshot directory %s is not empty: give one that is, or that does not exist", dir)
	}
	e.dropping.Lock()
	defer e.dropping.Unlock()
	err = e.atPause(ctx, func(at int64, ledgerTable []byte) error {
		if err := e.barrier(); err != nil {
			return err
		}
		if err := e.writeTable(at, ledgerTable); err != nil {
			return err
		}
		return e.copyTo(dir, at)
	})
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

// TakeSnapshot is Snapshot into a new directory on the store's own disk, so that it
// takes neither time nor room at first. The caller removes it; what is left of one
// goes when the store is opened.
func (e *Engine) TakeSnapshot(ctx context.Context) (dir string, err error) {
	if err := os.MkdirAll(e.home.path("snapshots"), 0o755); err != nil {
		return "", fmt.Errorf("snapshot: %w", err)
	}
	dir, err = os.MkdirTemp(e.home.path("snapshots"), "")
	if err != nil {
		return "", fmt.Errorf("snapshot: %w", err)
	}
	if err := e.Snapshot(ctx, dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// copyTo copies the store while nothing is added to the engine.
func (e *Engine) copyTo(dir string, at int64) error {
	for _, d := range []string{"journal", "tenants"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := e.copyTenants(filepath.Join(dir, "tenants")); err != nil {
		return err
	}
	// The journal's tail: what is written to it meanwhile comes along as far as
	// it gets, and a torn end is cut when the copy is opened.
	for _, path := range e.journal.Segments(at) {
		if err := copyFile(path, filepath.Join(dir, "journal", filepath.Base(path))); err != nil {
			return err
		}
	}
	for _, name := range []string{"table", "marked", "deletions"} {
		err := copyFile(e.home.path(name), filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := writeFileSync(filepath.Join(dir, "clean"), nil); err != nil {
		return err
	}
	// Last, so that half a copy is no store.
	return writeFileSync(filepath.Join(dir, "VERSION"), []byte(version+"\n"))
}

func (e *Engine) copyTenants(dir string) error {
	all, err := e.tenants.stored()
	if err != nil {
		return err
	}
	for _, t := range all {
		for _, day := range t.storage.PartitionList() {
			path, err := t.storage.PartitionSnapshotCreate(day)
			if err != nil {
				return err
			}
			err = copyTree(path, filepath.Join(dir, filepath.Base(t.dir), "partitions", day))
			if err = errors.Join(err, os.RemoveAll(path)); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyTree links or copies the files below from, which do not change.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if os.Link(path, target) == nil {
			return nil
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Sync(), dst.Close())
}
