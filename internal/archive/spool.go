package archive

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// LimitError tells that an archive is larger than Options allow.
type LimitError struct {
	What  string // "bytes" or "entries"
	Limit int64
	Where string
}

func (e *LimitError) Error() string {
	limit := ""
	if e.Limit > 0 {
		limit = fmt.Sprintf("%d ", e.Limit)
	}
	return fmt.Sprintf("%s: more than the %s%s that are read of one archive: unpack it and give the directory, or give its parts one by one", e.Where, limit, e.What)
}

// spoolError tells that the temporary file cannot be written.
type spoolError struct{ err error }

func (e *spoolError) Error() string {
	return fmt.Sprintf("spool archive: %v (TMPDIR names another place for it)", e.err)
}

func (e *spoolError) Unwrap() error { return e.err }

// spool keeps the files of compressed archives, end to end, in one temporary
// file that has no name once it is open.
type spool struct {
	dir   string
	limit int64
	used  int64

	mu   sync.Mutex
	file *os.File
	held []*os.File // archives that are not compressed
}

// hold keeps an archive open until the end.
func (s *spool) hold(f *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, f)
}

func newSpool(opt Options) (*spool, error) {
	return &spool{dir: opt.TempDir, limit: opt.MaxBytes}, nil
}

// keep copies r to its end and tells where the copy is.
func (s *spool) keep(r io.Reader, where string) (section, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "remora-archive-*")
		if err != nil {
			return section{}, &spoolError{err}
		}
		if err := os.Remove(f.Name()); err != nil {
			return section{}, errors.Join(err, f.Close())
		}
		s.file = f
	}
	start := s.used
	w := &spoolWriter{w: io.NewOffsetWriter(s.file, start)}
	n, err := io.Copy(w, io.LimitReader(r, s.limit-start+1))
	s.used += n
	if w.err != nil {
		return section{}, &spoolError{w.err}
	}
	if err != nil {
		return section{}, err
	}
	if s.used > s.limit {
		return section{}, &LimitError{What: "bytes", Limit: s.limit, Where: where}
	}
	return section{s.file, start, n}, nil
}

// spoolWriter tells its own errors from those of what is copied.
type spoolWriter struct {
	w   io.Writer
	err error
}

func (w *spoolWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	w.err = err
	return n, err
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range s.held {
		errs = append(errs, f.Close())
	}
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	s.file, s.held = nil, nil
	return errors.Join(errs...)
}

// section is a part of an open file.
type section struct {
	file   *os.File
	offset int64
	size   int64
}

func (s section) open() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(s.file, s.offset, s.size)), nil
}

// diskFile is a file of the machine. It must not have become a link meanwhile.
type diskFile string

func (p diskFile) open() (io.ReadCloser, error) {
	info, err := os.Lstat(string(p))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file any more")
	}
	return os.Open(string(p))
}
