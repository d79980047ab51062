package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// file is a stream as its writer holds it: the live generation open, the others by
// the names that its kind of rotation gives them.
type file struct {
	*stream
	dir     string // logs/
	f       *os.File
	size    int64
	backups []*generation // newest first
	live    *generation
	name    func(n int) string // of the generation after n turns
}

// dotted is raylet.out → raylet.out.1, Ray's rotation of today and Python's.
func dotted(base string) func(int) string {
	return func(n int) string {
		if n == 0 {
			return base
		}
		return fmt.Sprintf("%s.%d", base, n)
	}
}

// spdlog is NAME.log → NAME.1.log, as the C++ core of Ray 2.9 has it.
func spdlog(base string) func(int) string {
	stem, ext := strings.TrimSuffix(base, filepath.Ext(base)), filepath.Ext(base)
	return func(n int) string {
		if n == 0 {
			return base
		}
		return fmt.Sprintf("%s.%d%s", stem, n, ext)
	}
}

func (w *writers) open(session, base string, form form, name func(int) string) (*file, error) {
	f := &file{stream: w.stream(session, base, form), dir: w.logs(session), name: name}
	return f, f.create()
}

// create makes the next live file.
func (f *file) create() error {
	path := filepath.Join(f.dir, f.name(0))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	fd, err := patient(func() (*os.File, error) {
		return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	})
	if err != nil {
		return err
	}
	f.f, f.size, f.live = fd, 0, f.next()
	return nil
}

// patient tries again while the disk is full.
func patient[T any](do func() (T, error)) (T, error) {
	for {
		v, err := do()
		if !errors.Is(err, syscall.ENOSPC) {
			return v, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// put writes bytes, all of them, whatever time it takes.
func (f *file) put(b []byte) error {
	for len(b) > 0 {
		n, err := f.f.Write(b)
		if n > 0 && f.live.born.IsZero() {
			f.mu.Lock()
			f.live.born = time.Now()
			f.mu.Unlock()
		}
		f.size += int64(n)
		b = b[n:]
		switch {
		case errors.Is(err, syscall.ENOSPC):
			time.Sleep(20 * time.Millisecond)
		case err != nil:
			return err
		}
	}
	return nil
}

// line begins a line and returns its bytes without the end.
func (f *file) line() (n int, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = f.lines
	f.lines++
	return n, []byte(f.prefix(time.Now()) + f.text(n))
}

func (f *file) write() error {
	_, b := f.line()
	return f.put(append(b, '\n'))
}

// pieces writes a line in two writes with a pause between them.
func (f *file) pieces(r *rand.Rand) error {
	_, b := f.line()
	at := r.IntN(len(b))
	if err := f.put(b[:at]); err != nil {
		return err
	}
	time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
	return f.put(append(b[at:], '\n'))
}

// breakOff writes half a line, as a writer that is killed does.
func (f *file) breakOff(r *rand.Rand) error {
	n, b := f.line()
	before := len(b) - len(f.text(n))
	size := len(mark) + 20 + r.IntN(len(f.text(n))/2)
	size = min(size, len(f.text(n))-1)
	f.mu.Lock()
	if f.half == nil {
		f.half = map[int]int{}
	}
	f.half[n] = size
	f.mu.Unlock()
	return f.put(b[:before+size])
}

func (f *file) close() {
	if f.f != nil {
		f.f.Close()
		f.f = nil
	}
}

// turn rotates as Ray does: close, remove the last, rename the others up, create.
func (f *file) turn(keep int, pause time.Duration) error {
	f.close()
	f.backups = append([]*generation{f.live}, f.backups...)
	for len(f.backups) > keep {
		last := len(f.backups) - 1
		f.remove(f.backups[last])
		if err := os.Remove(f.path(last)); err != nil {
			return err
		}
		f.backups = f.backups[:last]
	}
	for i := len(f.backups); i > 0; i-- {
		if err := os.Rename(f.path(i-1), f.path(i)); err != nil {
			return err
		}
	}
	time.Sleep(pause)
	return f.create()
}

func (f *file) path(n int) string { return filepath.Join(f.dir, f.name(n)) }

// drop deletes the live file.
func (f *file) drop() error {
	f.close()
	f.mu.Lock()
	f.live.alone = true
	f.mu.Unlock()
	f.remove(f.live)
	return os.Remove(f.path(0))
}

// retire moves the file to old/, as the log monitor does with those of dead workers.
func (f *file) retire() error {
	f.close()
	if err := os.MkdirAll(filepath.Join(f.dir, "old"), 0o755); err != nil {
		return err
	}
	return os.Rename(f.path(0), filepath.Join(f.dir, "old", f.name(0)))
}

// Why bytes may be missing though there was time to read them: they were destroyed in
// place, whether they could be delivered before or not.
const (
	truncated  = "truncated"
	copiedOver = "copied over"
)

// truncate empties the file in place.
func (f *file) truncate() error {
	f.spoil(f.live, truncated)
	return f.empty()
}

// copyTruncate copies the file and empties it, as logrotate does: the copies before it
// are renamed first. With over the copy is made over the one before it, as cp does.
func (f *file) copyTruncate(over bool) error {
	switch {
	case len(f.backups) == 0:
	case over:
		f.spoil(f.backups[0], copiedOver)
		f.backups = f.backups[1:]
	default:
		if err := f.shift(2); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(f.path(0))
	if err != nil {
		return err
	}
	if _, err := patient(func() (int, error) { return len(text), os.WriteFile(f.path(1), text, 0o644) }); err != nil {
		return err
	}
	f.backups = append([]*generation{f.live}, f.backups...)
	f.mu.Lock()
	f.live.born = time.Now() // its last lines are nowhere else
	f.mu.Unlock()
	return f.empty()
}

// shift makes room for the next copy: of so many the last is removed.
func (f *file) shift(keep int) error {
	if len(f.backups) >= keep {
		f.remove(f.backups[keep-1])
		if err := os.Remove(f.path(keep)); err != nil {
			return err
		}
		f.backups = f.backups[:keep-1]
	}
	for i := len(f.backups); i > 0; i-- {
		if err := os.Rename(f.path(i), f.path(i+1)); err != nil {
			return err
		}
	}
	return nil
}

// spoil notes that the bytes of a generation are destroyed in place.
func (f *file) spoil(g *generation, how string) {
	f.mu.Lock()
	g.excuse = how
	f.mu.Unlock()
	f.remove(g)
}

func (f *file) empty() error {
	if err := f.f.Truncate(0); err != nil {
		return err
	}
	f.size, f.live = 0, f.next()
	return nil
}
