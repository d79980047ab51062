package pipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stem begins the names of a spool's files, stem.N. N counts up without an end, and
// the file of the highest is the one being written: none is ever renamed.
const stem = "stdin"

// spool keeps input on disk until it is acknowledged. One goroutine writes; spent
// may be called from any.
type spool struct {
	dir     string
	most    int64  // bytes on disk
	segment int64  // bytes of a file, more or less
	wants   uint64 // the outputs, a bit each

	mu    sync.Mutex
	room  *sync.Cond
	files map[uint64]segment // full ones, by inode
	full  int64              // bytes of those
	size  int64              // of the file being written
	last  uint64             // N of the newest file
	ended chan struct{}      // closed when no one waits for room any more

	file *os.File
	lock *os.File
}

// segment is a full file.
type segment struct {
	name string
	size int64
	by   uint64 // outputs that have acknowledged all of it, a bit each
}

// segmentBytes is how large a file of the spool gets.
const segmentBytes = 16 << 20

// errEnded says that the wait for room was ended.
var errEnded = errors.New("the wait for room in the spool was ended")

// openSpool takes a directory over, with what an earlier run left in it.
func openSpool(dir string, most int64) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make spool: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock spool: %w", err)
	}
	s := &spool{dir: dir, most: most, segment: min(segmentBytes, most/4), files: map[uint64]segment{}, wants: 1, lock: lock, ended: make(chan struct{})}
	s.room = sync.NewCond(&s.mu)
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("spool %s is used by another process: give each its own --state", dir)
	}
	if err := s.takeOver(); err != nil {
		lock.Close()
		return nil, err
	}
	return s, nil
}

// takeOver counts what is there.
func (s *spool) takeOver() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	for _, e := range entries {
		if n, ok := number(e.Name()); ok {
			s.last = max(s.last, n)
			if err := s.add(e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// number reads the N of a file's name.
func number(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, stem+".")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 40)
	return n, err == nil && n > 0
}

// add counts a full file.
func (s *spool) add(name string) error {
	i, err := os.Stat(filepath.Join(s.dir, name))
	if err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[i.Sys().(*syscall.Stat_t).Ino] = segment{name: name, size: i.Size()}
	s.full += i.Size()
	return nil
}

// rotate ends the file being written.
func (s *spool) rotate() error {
	err := s.file.Close()
	s.file = nil
	s.mu.Lock()
	s.size = 0
	s.mu.Unlock()
	return errors.Join(err, s.add(stem+"."+strconv.FormatUint(s.last, 10)))
}

// Write writes all of b, waiting for room where there is none. A file ends with a
// whole line unless a line is longer than a file.
func (s *spool) Write(b []byte) (written int, err error) {
	for len(b) > 0 {
		if err := s.wait(int64(len(b))); err != nil {
			return written, err
		}
		n, err := s.write(b)
		written += n
		b = b[n:]
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// wait waits until n more bytes may be on disk.
func (s *spool) wait(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.full+s.size+n > s.most && len(s.files) > 0 {
		select {
		case <-s.ended:
			return errEnded
		default:
		}
		s.room.Wait()
	}
	return nil
}

func (s *spool) write(b []byte) (int, error) {
	if s.file == nil {
		name := stem + "." + strconv.FormatUint(s.last+1, 10)
		f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return 0, fmt.Errorf("write spool: %w", err)
		}
		s.file = f
		s.last++
	}
	full := s.size+int64(len(b)) >= s.segment // no one else writes size
	if last := bytes.LastIndexByte(b, '\n'); full && last >= 0 {
		b = b[:last+1]
	} else if full {
		full = s.size >= 2*s.segment
	}
	n, err := s.file.Write(b)
	s.mu.Lock()
	s.size += int64(n)
	s.mu.Unlock()
	if err != nil {
		return n, fmt.Errorf("write spool: %w", err)
	}
	if full {
		return n, s.rotate()
	}
	return n, nil
}

// spent notes that an output has acknowledged all of a file, and removes it when
// every output has.
func (s *spool) spent(output int, inode uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.files[inode]
	if !ok {
		return
	}
	if x.by |= 1 << output; x.by != s.wants {
		s.files[inode] = x
		return
	}
	s.remove(inode, x)
}

func (s *spool) remove(inode uint64, x segment) {
	_ = os.Remove(filepath.Join(s.dir, x.name))
	delete(s.files, inode)
	s.full -= x.size
	s.room.Broadcast()
}

// left is how many bytes are on disk.
func (s *spool) left() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full + s.size
}

// end ends a wait for room, now and later. It is called once.
func (s *spool) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ended)
	s.room.Broadcast()
}

// finish closes the file being written: there is no more input.
func (s *spool) finish() error {
	if s.file == nil {
		return nil
	}
	return s.rotate()
}

// spentIf is spent for a file that has that size.
func (s *spool) spentIf(output int, inode uint64, size int64) {
	s.mu.Lock()
	x, ok := s.files[inode]
	s.mu.Unlock()
	if ok && x.size == size {
		s.spent(output, inode)
	}
}

// removeEmpty removes files that hold nothing.
func (s *spool) removeEmpty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for inode, x := range s.files {
		if x.size == 0 {
			s.remove(inode, x)
		}
	}
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
	}
	s.lock.Close()
}

// input copies lines from in to the spool, and to tee, if that is not nil, first.
func (s *spool) input(in io.Reader, tee io.Writer, failed func(error)) error {
	b := make([]byte, 64<<10)
	for {
		n, err := in.Read(b)
		if n > 0 && tee != nil {
			if _, err := tee.Write(b[:n]); err != nil {
				failed(fmt.Errorf("copy to standard output: %w", err))
				tee = nil
			}
		}
		if err := s.keep(b[:n], failed); err != nil {
			return err
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("read standard input: %w", err)
		}
	}
}

// keep writes all of b, going on trying where the disk is full.
func (s *spool) keep(b []byte, failed func(error)) error {
	for {
		n, err := s.Write(b)
		b = b[n:]
		switch {
		case err == errEnded:
			return err
		case err == nil:
			return nil
		}
		failed(err)
		retry := time.NewTimer(time.Second)
		select {
		case <-retry.C:
		case <-s.ended:
			retry.Stop()
			return errEnded
		}
	}
}
