package oci

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// File is one entry of a small layer. A name that ends in a slash is a directory.
type File struct {
	Name string // without a leading slash
	Text []byte
	From string // on this machine, instead of Text
	Link string // makes it a symbolic link
	Mode int64
	UID  int
	GID  int
}

// Files makes a layer of files that are named one by one. Times are left out.
func (s Store) Files(files ...File) (Layer, error) {
	return s.Put(func(t *tar.Writer) error {
		for _, f := range files {
			if f.From != "" {
				text, err := os.ReadFile(f.From)
				if err != nil {
					return err
				}
				f.Text = text
			}
			h := &tar.Header{Name: f.Name, Mode: f.Mode, Uid: f.UID, Gid: f.GID, Size: int64(len(f.Text)), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
			switch {
			case strings.HasSuffix(f.Name, "/"):
				h.Typeflag = tar.TypeDir
			case f.Link != "":
				h.Typeflag, h.Linkname = tar.TypeSymlink, f.Link
			}
			if err := t.WriteHeader(h); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
			if _, err := t.Write(f.Text); err != nil {
				return err
			}
		}
		return nil
	})
}

// Tree makes a layer of all that is below root, but for sockets, devices, and what an
// overlay marks as deleted. Times are kept: Python's byte code names that of its source.
func (s Store) Tree(root string) (Layer, error) {
	return s.Put(func(t *tar.Writer) error {
		return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || name == root {
				return err
			}
			return addEntry(t, root, name, d)
		})
	})
}

func addEntry(t *tar.Writer, root, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	if info.Mode()&(fs.ModeSocket|fs.ModeDevice|fs.ModeNamedPipe) != 0 {
		return nil
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(name); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return err
	}
	h.Name = filepath.ToSlash(rel)
	if d.IsDir() {
		h.Name += "/"
	}
	h.ModTime, h.AccessTime, h.ChangeTime = info.ModTime().Truncate(time.Second), time.Time{}, time.Time{}
	h.Uname, h.Gname, h.Format = "", "", tar.FormatPAX
	if own, ok := info.Sys().(*syscall.Stat_t); ok {
		h.Uid, h.Gid = int(own.Uid), int(own.Gid)
	}
	if err := t.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(t, f)
	return err
}

// Parents are the directories above names, outermost first, as entries of a layer.
func Parents(names ...string) []File {
	var dirs []File
	for _, name := range names {
		for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
			if !slices.ContainsFunc(dirs, func(f File) bool { return f.Name == dir+"/" }) {
				dirs = append(dirs, File{Name: dir + "/", Mode: 0o755})
			}
		}
	}
	slices.SortFunc(dirs, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return dirs
}
