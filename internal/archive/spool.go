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
	return fmt.Sprintf("%s: more than %d %s: unpack it and give the directory, or give its parts one by one", e.Where, e.Limit, e.What)
}

// spool keeps the files of compressed archives, end to end, in one temporary
// file that has no name once it is open.
type spool struct {
	dir   string
	limit int64
	used  int64

	mu   sync.Mutex
	file *os.File
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
			return section{}, fmt.Errorf("spool archive (set TMPDIR to a place with room): %w", err)
		}
		if err := os.Remove(f.Name()); err != nil {
			return section{}, errors.Join(err, f.Close())
		}
		s.file = f
	}
	start := s.used
	n, err := io.Copy(io.NewOffsetWriter(s.file, start), io.LimitReader(r, s.limit-start+1))
	s.used += n
	if err != nil {
		return section{}, err
	}
	if s.used > s.limit {
		return section{}, &LimitError{What: "bytes", Limit: s.limit, Where: where}
	}
	return section{s.file, start, n}, nil
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
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
