package discover

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// notifier reads inotify directly: directories are watched, not files, and an
// event costs no allocation.
type notifier struct {
	file *os.File
	fd   int
	dirs map[int]*dir
	add  func(fd int, path string, mask uint32) (int, error)
	buf  [16 << 10]byte
}

// kernelEvent is the part of an event's mask that matters here.
type kernelEvent struct{ dir, came, went, written bool }

const (
	rootMask = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_ONLYDIR
	logsMask = rootMask | unix.IN_MODIFY
)

// interrupt ends a wait for inotify.
func (w *Watcher) interrupt() {
	if n := w.waiting.Load(); n != nil {
		n.interrupt()
	}
}

// start starts inotify.
func (w *Watcher) start(ctx context.Context) {
	n, err := w.open()
	if err != nil {
		if w.once("instance") {
			w.logger.Warn("no inotify: files are found by scanning only, trying again once a minute", "error", err,
				"hint", "raise fs.inotify.max_user_instances")
		}
		w.retry = time.Now().Add(retryEvery)
		return
	}
	if delete(w.told, "instance"); w.told["ended"] {
		delete(w.told, "ended")
		w.logger.Info("inotify works again")
	}
	w.notify = n
	w.waiting.Store(n)
	if ctx.Err() != nil {
		n.interrupt()
	}
}

// again starts inotify if it has ended and a while is over.
func (w *Watcher) again(ctx context.Context) {
	if w.notify == nil && time.Now().After(w.retry) {
		w.start(ctx)
	}
}

// end closes inotify; it is tried again later.
func (w *Watcher) end() {
	if w.notify == nil {
		return
	}
	w.waiting.Store(nil)
	w.notify.close()
	w.notify, w.retry = nil, time.Now().Add(retryEvery)
	for _, d := range w.dirs {
		d.wd = -1
	}
}

// watch has inotify tell of a directory. Where that cannot be, scans must do; each
// of them tries again.
func (w *Watcher) watch(d *dir) {
	if d.remote {
		w.blind++
	}
	if w.notify == nil {
		return
	}
	wd, err := w.notify.watch(d)
	switch {
	case err == nil:
		d.wd = wd
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP), errors.Is(err, fs.ErrPermission):
		w.unsure = true
	default:
		if !d.remote {
			w.blind++
		}
		if w.once("watches") {
			w.logger.Warn("cannot watch a directory: its files are found by scanning only", "path", d.path, "error", err,
				"hint", "raise fs.inotify.max_user_watches")
		}
	}
}

func newNotifier() (*notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("start inotify: %w", err)
	}
	return &notifier{file: os.NewFile(uintptr(fd), "inotify"), fd: fd, dirs: map[int]*dir{}, add: unix.InotifyAddWatch}, nil
}

func (n *notifier) close() { n.file.Close() }

// interrupt ends a read that is waiting.
func (n *notifier) interrupt() { _ = n.file.SetReadDeadline(time.Unix(1, 0)) }

// watch begins to watch a directory, or does nothing if it is the one watched by
// that path already.
func (n *notifier) watch(d *dir) (int, error) {
	mask := uint32(rootMask)
	if d.inside {
		mask = logsMask
	}
	if !d.through {
		mask |= unix.IN_DONT_FOLLOW
	}
	wd, err := n.add(n.fd, d.path, mask)
	if err != nil {
		return -1, fmt.Errorf("watch %s: %w", d.path, err)
	}
	if d.wd >= 0 && d.wd != wd {
		n.forget(d) // another directory of the same path
	}
	n.dirs[wd] = d
	return wd, nil
}

func (n *notifier) forget(d *dir) {
	if d.wd < 0 || n.dirs[d.wd] != d {
		return
	}
	delete(n.dirs, d.wd)
	_, _ = unix.InotifyRmWatch(n.fd, uint32(d.wd)) // it may be gone by itself
}

// readsAtOnce is how many buffers of events are taken before any is told of.
const readsAtOnce = 16

// read waits for events until the deadline and gives them to each, and those that
// are there behind them. overflow means that the kernel has thrown some away.
func (n *notifier) read(ctx context.Context, until time.Time, each func(d *dir, name []byte, e kernelEvent)) (some, overflow bool, err error) {
	if err := n.file.SetReadDeadline(until); err != nil {
		return false, false, err
	}
	if ctx.Err() != nil { // interrupt may have come before the deadline was set anew
		return false, false, nil
	}
	size, err := n.file.Read(n.buf[:])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	overflow = n.take(n.buf[:size], each)
	for range readsAtOnce {
		if size, err = unix.Read(n.fd, n.buf[:]); err != nil || size <= 0 {
			break // the next read tells
		}
		overflow = n.take(n.buf[:size], each) || overflow
	}
	return true, overflow, nil
}

// take gives the events of a buffer to each.
func (n *notifier) take(b []byte, each func(d *dir, name []byte, e kernelEvent)) (overflow bool) {
	for len(b) >= unix.SizeofInotifyEvent {
		wd := int(int32(binary.NativeEndian.Uint32(b)))
		mask := binary.NativeEndian.Uint32(b[4:])
		nameLen := int(binary.NativeEndian.Uint32(b[12:]))
		name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+nameLen], []byte{0})
		b = b[unix.SizeofInotifyEvent+nameLen:]
		if mask&unix.IN_Q_OVERFLOW != 0 {
			overflow = true
		}
		d := n.dirs[wd]
		switch {
		case d == nil:
		case mask&unix.IN_IGNORED != 0:
			delete(n.dirs, wd)
		case len(name) > 0:
			each(d, name, kernelEvent{
				dir:     mask&unix.IN_ISDIR != 0,
				came:    mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0,
				went:    mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0,
				written: mask&unix.IN_MODIFY != 0,
			})
		}
	}
	return overflow
}
