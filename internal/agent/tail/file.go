package tail

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Stat is what the kernel tells of a file.
type Stat struct {
	Key     Key
	Size    int64
	Written int64 // time of the last write, Unix nanoseconds
	Changed int64 // likewise of the last change of it or of its names
	Links   uint32
	Regular bool
}

const statMask = unix.STATX_TYPE | unix.STATX_INO | unix.STATX_SIZE | unix.STATX_MTIME | unix.STATX_CTIME | unix.STATX_NLINK | unix.STATX_BTIME

// StatPath asks about the file a path leads to, not following a last symlink.
func StatPath(path string) (Stat, error) {
	return statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW)
}

// StatFD asks about an open file.
func StatFD(fd int) (Stat, error) { return statx(fd, "", unix.AT_EMPTY_PATH) }

func statx(dir int, path string, flags int) (Stat, error) {
	var x unix.Statx_t
	for {
		err := unix.Statx(dir, path, flags, statMask, &x)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return Stat{}, &fs.PathError{Op: "stat", Path: path, Err: err}
		}
		break
	}
	s := Stat{
		Key:     Key{Dev: unix.Mkdev(x.Dev_major, x.Dev_minor), Ino: x.Ino},
		Size:    int64(x.Size),
		Written: x.Mtime.Sec*1e9 + int64(x.Mtime.Nsec),
		Changed: x.Ctime.Sec*1e9 + int64(x.Ctime.Nsec),
		Links:   x.Nlink,
		Regular: x.Mode&unix.S_IFMT == unix.S_IFREG,
	}
	if x.Mask&unix.STATX_BTIME != 0 {
		s.Key.Birth = x.Btime.Sec*1e9 + int64(x.Btime.Nsec)
	}
	return s, nil
}

// ErrNotRegular is wrapped by OpenFile's error for a pipe, a device and the like.
var ErrNotRegular = errors.New("not a regular file")

// OpenFile opens a regular file to read. It never blocks on a pipe, never
// follows a last symlink and opens nothing else than a file.
func OpenFile(path string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOFOLLOW
	for {
		fd, err := unix.Open(path, flags, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			CloseFile(fd)
			return -1, &fs.PathError{Op: "open", Path: path, Err: cmp.Or(err, ErrNotRegular)}
		}
		return fd, nil
	}
}

// CloseFile closes what OpenFile opened.
func CloseFile(fd int) { _ = unix.Close(fd) }

// ReadAt fills b from offset on and returns how much there was; less than len(b)
// means the end of the file, and is no error.
func ReadAt(fd int, b []byte, offset int64) (int, error) {
	n := 0
	for n < len(b) {
		m, err := unix.Pread(fd, b[n:], offset+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, fmt.Errorf("read at byte %d: %w", offset+int64(n), err)
		case m == 0:
			return n, nil
		default:
			n += m
		}
	}
	return n, nil
}

// ReadHead reads the beginning of a file into b, which has room for HeadLen.
func ReadHead(fd int, b []byte) ([]byte, error) {
	n, err := ReadAt(fd, b[:HeadLen], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return b[:n], nil
}

// LinkFD gives an open file one more name. It fails where the file has none left.
func LinkFD(fd int, path string) error {
	from := fmt.Sprintf("/proc/self/fd/%d", fd)
	if err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &fs.PathError{Op: "link", Path: path, Err: err}
	}
	return nil
}

// ErrOutside is wrapped by Within's error.
var ErrOutside = errors.New("a symbolic link on the way to it leads out of the root")

// Within checks that an open file lies below one of the directories: a directory on
// the way to it may have become a symbolic link since it was looked at.
func Within(fd int, dirs []string) error {
	at, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there is no /proc to ask
	}
	for _, d := range dirs {
		real, e := filepath.Abs(d)
		if e == nil {
			real, e = filepath.EvalSymlinks(real)
		}
		if err == nil && e == nil && strings.HasPrefix(at, strings.TrimSuffix(real, "/")+"/") {
			return nil
		}
	}
	return cmp.Or(err, ErrOutside)
}
