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

// addFile reads an archive, or the output of a container or driver.
func addFile(b *builder, s *spool, name, node string, opt Options) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := decompress(f)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer r.Close()
	br := bufio.NewReaderSize(r, 1<<16)
	if !isTar(br) {
		return fmt.Errorf("%s: not a tar archive (.tar, .tar.gz and .tar.zst are read)", name)
	}
	if err := addTar(b, s, br, source{path: name, node: node}, opt); err != nil {
		return err
	}
	return nil
}

// decompress reads gzip and zstd, told by their first bytes, and all else as it is.
func decompress(f io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(f, 1<<16)
	magic, err := br.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		return gzip.NewReader(br)
	case len(magic) == 4 && string(magic) == "\x28\xb5\x2f\xfd":
		z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(br), nil
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

// addTar takes what belongs to a session out of a tar stream.
func addTar(b *builder, s *spool, r io.Reader, src source, opt Options) error {
	tr := tar.NewReader(r)
	last := "its first entry"
	for n := 1; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: damaged or cut short after %s: %w", src.path, last, err)
		}
		if n > opt.MaxEntries {
			return &LimitError{What: "entries", Limit: int64(opt.MaxEntries), Where: src.path}
		}
		name, ok := cleanName(h.Name)
		if !ok || len(name) > maxEntryName {
			continue
		}
		last = h.Name
		if h.Typeflag == tar.TypeDir {
			b.directory(src, name)
			continue
		}
		if h.Typeflag != tar.TypeReg || !b.wants(name) { // links lead anywhere
			continue
		}
		c, err := s.keep(tr, src.path)
		if err != nil {
			var limit *LimitError
			if errors.As(err, &limit) {
				return err
			}
			return fmt.Errorf("%s: damaged or cut short in %s: %w", src.path, h.Name, err)
		}
		b.file(src, name, c.size, h.ModTime, c)
	}
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
