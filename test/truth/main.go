// Command truth measures package ray on recorded sessions: every file must have a
// kind, and of the lines that carry their own truth no value may be false.
//
//	truth [DIR]…
//
// A DIR is a recording or a folder of recordings; without one those under
// testdata/corpus are read. The exit status is 1 if a value is false or a file
// has no kind, 2 if a recording cannot be read.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	dirs := os.Args[1:]
	if len(dirs) == 0 {
		dirs = []string{"testdata/corpus"}
	}
	code, err := measure(os.Stdout, dirs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "truth:", err)
		code = 2
	}
	os.Exit(code)
}

// measure prints the table of all recordings in dirs.
func measure(w io.Writer, dirs []string) (int, error) {
	recordings, err := find(dirs)
	if err != nil {
		return 2, err
	}
	if len(recordings) == 0 {
		return 2, fmt.Errorf("no recording in %v: a recording is a folder with session*.tar.zst or pods.tar.zst", dirs)
	}
	total := newResult("all")
	var results []*result
	for _, dir := range recordings {
		r, err := run([]string{dir}, filepath.Base(dir))
		if err != nil {
			return 2, err
		}
		results = append(results, r)
		total.add(r)
	}
	fmt.Fprintln(w, "Per field: right/unknown/wrong of the tagged lines.")
	if err := writeTable(w, append(results, total)); err != nil {
		return 2, err
	}
	if err := writeDetail(w, total); err != nil {
		return 2, err
	}
	fmt.Fprintf(w, "\n%d files in %d recordings, %d of them empty, %d skipped by name, %d of known kinds without a component (redis, libtpu); %d quotations of tagged lines in other components' files.\n",
		total.files+total.skipped, len(recordings), total.empty, total.skipped, total.unnamed, total.quoted)
	for _, p := range total.others {
		fmt.Fprintln(w, "no kind:", p)
	}
	for _, p := range total.wrong {
		fmt.Fprintln(w, "wrong:", p)
	}
	if total.failed() {
		return 1, nil
	}
	return 0, nil
}

// find lists the recordings in dirs: each is one itself or holds some.
func find(dirs []string) ([]string, error) {
	var found []string
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err != nil {
			return nil, err
		} else if !info.IsDir() || isRecording(dir) {
			found = append(found, dir)
			continue
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if p := filepath.Join(dir, e.Name()); e.IsDir() && isRecording(p) {
				found = append(found, p)
			}
		}
	}
	return found, nil
}

func isRecording(dir string) bool {
	for _, pattern := range []string{"session*.tar*", "pods.tar*", "session_*"} {
		if m, _ := filepath.Glob(filepath.Join(dir, pattern)); len(m) > 0 {
			return true
		}
	}
	return false
}
