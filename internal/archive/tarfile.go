package archive

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// addFile reads an archive. What is not compressed stays where it is.
func addFile(b *builder, s *spool, name, node string, opt Options) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	r, packed, err := decompress(f)
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	t := tarFile{spool: s, source: source{path: name, node: node}, opt: opt}
	if packed {
		br := bufio.NewReaderSize(&limitedReader{r: r, left: 4 * opt.MaxBytes, where: name}, 1<<16)
		if err = refuse(name, br); err == nil {
			err = t.add(b, br)
		}
		return errors.Join(err, r.Close(), f.Close())
	}
	s.hold(f)
	if err := refuse(name, bufio.NewReader(io.NewSectionReader(f, 0, 512))); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t.plain = f
	return t.add(b, f)
}

func refuse(name string, br *bufio.Reader) error {
	if isTar(br) {
		return nil
	}
	return fmt.Errorf("%s: not a tar archive (.tar, .tar.gz and .tar.zst are read)", name)
}

// decompress reads gzip and zstd, told by their first bytes, and all else as it is.
func decompress(f io.Reader) (r io.ReadCloser, packed bool, err error) {
	br := bufio.NewReaderSize(f, 1<<16)
	magic, err := br.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	switch {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		z, err := gzip.NewReader(br)
		return z, true, err
	case len(magic) == 4 && string(magic) == "\x28\xb5\x2f\xfd":
		z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, true, err
		}
		return z.IOReadCloser(), true, nil
	}
	return io.NopCloser(br), false, nil
}

// limitedReader fails when an archive unpacks to more than it may.
type limitedReader struct {
	r     io.Reader
	left  int64
	where string
}

func (l *limitedReader) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, &LimitError{What: "unpacked bytes", Where: l.where}
	}
	n, err := l.r.Read(b[:min(int64(len(b)), l.left)])
	l.left -= int64(n)
	return n, err
}

// isTar looks for a tar header in the first block; an empty archive is two
// blocks of zeros.
func isTar(br *bufio.Reader) bool {
	head, err := br.Peek(512)
	if err != nil {
		return false
	}
	if string(head[257:262]) == "ustar" {
		return true
	}
	_, err = tar.NewReader(strings.NewReader(string(head))).Next()
	return err == nil
}

// tarFile is an archive that is being read.
type tarFile struct {
	spool  *spool
	source source
	opt    Options
	plain  *os.File // the archive itself, if it is not compressed
}

// add takes what belongs to a session out of the archive.
func (t *tarFile) add(b *builder, r io.Reader) error {
	tr := tar.NewReader(r)
	last := "its first entry"
	for n := 1; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return t.damaged("after "+last, err)
		}
		if n > t.opt.MaxEntries {
			return &LimitError{What: "entries", Limit: int64(t.opt.MaxEntries), Where: t.source.path}
		}
		name, ok := cleanName(h.Name)
		if !ok || len(name) > maxEntryName {
			continue
		}
		last = h.Name
		switch h.Typeflag {
		case tar.TypeDir:
			b.directory(t.source, name)
		case tar.TypeReg, tar.TypeGNUSparse: // links lead anywhere
			if !b.wants(name) {
				continue
			}
			c, err := t.content(tr, h)
			if err != nil {
				return t.damaged("in "+h.Name, err)
			}
			b.file(t.source, name, c.size, h.ModTime, c)
		}
	}
}

// content finds an entry's bytes in the archive, or spools them.
func (t *tarFile) content(tr *tar.Reader, h *tar.Header) (section, error) {
	if t.plain == nil || isSparse(h) {
		return t.spool.keep(tr, t.source.path)
	}
	at, err := t.plain.Seek(0, io.SeekCurrent)
	if err != nil {
		return section{}, err
	}
	info, err := t.plain.Stat()
	if err != nil {
		return section{}, err
	}
	if h.Size > info.Size()-at {
		return section{}, io.ErrUnexpectedEOF
	}
	return section{t.plain, at, h.Size}, nil
}

func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// damaged says where an archive could not be read, unless that is not its fault.
func (t *tarFile) damaged(where string, err error) error {
	var limit *LimitError
	var full *spoolError
	if errors.As(err, &limit) || errors.As(err, &full) {
		return err
	}
	return fmt.Errorf("%s: damaged or cut short %s: %w", t.source.path, where, err)
}

const maxEntryName = 4096

// cleanName gives an entry's path with slashes, without a leading one. A name
// that leads out of the archive is none.
func cleanName(name string) (string, bool) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", false
	}
	name = strings.TrimSuffix(strings.TrimPrefix(strings.TrimLeft(name, "/"), "./"), "/")
	if name == "" || name == "." || !filepath.IsLocal(name) {
		return "", false
	}
	return name, true
}

// archiveNode reads the node's name from an archive's: session.tar.zst is the
// head's, session.<pod>.tar.zst that of a pod.
func archiveNode(path string) string {
	base := filepath.Base(path)
	for _, ext := range []string{".zst", ".gz", ".tgz", ".tar"} {
		base = strings.TrimSuffix(base, ext)
	}
	if base == "session" {
		return headName
	}
	return strings.TrimPrefix(base, "session.")
}

const headName = "head"

// isArchiveName tells whether a file in a folder is to be opened as an archive.
func isArchiveName(name string) bool {
	for _, ext := range []string{".tar", ".tar.gz", ".tgz", ".tar.zst"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}
