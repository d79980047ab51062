package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// version is what a store directory's VERSION file says: it ends with the number
// of the format, perhaps with a point and a second number. The first one grows when
// an older program could not read what a newer one wrote; the second is for those
// who like to know.
const (
	versionKind  = "remora store "
	versionMajor = 1
	version      = versionKind + "1"
)

// readable is nil where a program of this version reads what one that wrote text as
// its version left.
func readable(text string) error {
	number, ok := strings.CutPrefix(text, versionKind)
	number, _, _ = strings.Cut(number, ".")
	major, err := strconv.Atoi(number)
	switch {
	case !ok || err != nil || major < 1:
		return fmt.Errorf("is of version %q, this program reads %q: open it with the program that wrote it, or give another directory", text, version)
	case major > versionMajor:
		return fmt.Errorf("is of format %d, which is newer than the %d that this program reads: open it with the program that wrote it or a later one, or give another directory; nothing was changed", major, versionMajor)
	}
	return nil
}

// home is a store's directory, locked:
//
//	VERSION  journal/  table  deletions  tenants/<hex of name>/  lock  clean
//	inventory/  panic  outgrown  damaged/  dropped/  snapshots/  scan/ (for a while)
//
// The file clean is there only while no process has the store open and the
// last one closed it in order.
type home struct {
	dir   string
	lock  *os.File
	clean bool // how it was left
	fresh bool // no line was ever taken
}

func (h *home) path(elem ...string) string {
	return filepath.Join(append([]string{h.dir}, elem...)...)
}

func openHome(dir string) (*home, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make store directory: %w", err)
	}
	h := &home{dir: dir}
	isNew, err := h.checkVersion()
	if err != nil {
		return nil, err
	}
	if err := h.takeLock(); err != nil {
		return nil, err
	}
	if err := h.prepare(isNew); err != nil {
		return nil, errors.Join(err, h.lock.Close())
	}
	tenants, err := os.ReadDir(h.path("tenants"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("list tenants: %w", err), h.lock.Close())
	}
	h.fresh = len(tenants) == 0
	return h, nil
}

// checkVersion reports whether the directory is empty, and fails where it holds
// something else than a store of this version.
func (h *home) checkVersion() (isNew bool, err error) {
	data, err := os.ReadFile(h.path("VERSION"))
	switch {
	case err == nil:
		if err := readable(strings.TrimSpace(string(data))); err != nil {
			return false, fmt.Errorf("store directory %s %w", h.dir, err)
		}
		return false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("read store version: %w", err)
	}
	names, err := os.ReadDir(h.dir)
	if err != nil {
		return false, fmt.Errorf("read store directory: %w", err)
	}
	for _, n := range names {
		if n.Name() != "lock" && n.Name() != "lost+found" {
			return false, fmt.Errorf("directory %s holds %s but no VERSION file, so it is not a store: give an empty directory or one that does not exist",
				h.dir, n.Name())
		}
	}
	return true, nil
}

func (h *home) takeLock() error {
	f, err := os.OpenFile(h.path("lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("lock store directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(f.Name()) // only for the message
		_ = f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("lock store directory %s: %w", h.dir, err)
		}
		return fmt.Errorf("store directory %s is in use by process %s: end it, or give another directory",
			h.dir, strings.TrimSpace(string(holder)))
	}
	h.lock = f
	return errors.Join(f.Truncate(0), writeAt(f, fmt.Sprintf("%d\n", os.Getpid())))
}

func writeAt(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

func (h *home) prepare(isNew bool) error {
	for _, d := range []string{"journal", "tenants"} {
		if err := os.MkdirAll(h.path(d), 0o755); err != nil {
			return fmt.Errorf("make store directory: %w", err)
		}
	}
	if isNew {
		if err := writeFileSync(h.path("VERSION"), []byte(version+"\n")); err != nil {
			return fmt.Errorf("write store version: %w", err)
		}
		h.clean = true
		return nil
	}
	err := os.Remove(h.path("clean"))
	h.clean = err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mark store as open: %w", err)
	}
	return syncDir(h.dir)
}

// readOptional reads a file of one line; "" where it is not there.
func readOptional(path string) (string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(data)), err
}

// close unlocks the directory and, where clean, marks it as left in order.
func (h *home) close(clean bool) error {
	var err error
	if clean {
		err = writeFileSync(h.path("clean"), nil)
	}
	return errors.Join(err, h.lock.Close())
}

// writeFileSync replaces a file so that after a crash either the old or the
// whole new one is there.
func writeFileSync(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
