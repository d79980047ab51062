package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/remora-ray/remora/internal/ray"
)

// whole is what came of comparing files that are still there whole, all their
// generations included, with what is stored of them.
type whole struct {
	files, lines, different int
	cut                     []string // of which the oldest generations may be gone
	examples                []string
}

// compareFiles compares every log of the sessions under root with the stored
// lines: each line, and the offset it says it begins at.
func compareFiles(root string, lines []stored) (*whole, error) {
	byFile := map[string][]*stored{}
	for i := range lines {
		s := &lines[i]
		file := s.labels["session"] + "/" + s.labels["filename"]
		byFile[file] = append(byFile[file], s)
	}
	streams, err := generations(root)
	if err != nil {
		return nil, err
	}
	w := &whole{}
	for file, paths := range streams {
		if len(paths) > rotationBackups {
			w.cut = append(w.cut, file)
			continue
		}
		var text []byte
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				return nil, err
			}
			text = append(text, b...)
		}
		w.files++
		w.lines += bytes.Count(text, []byte("\n"))
		if err := sameLines(text, byFile[file]); err != nil {
			w.different++
			w.examples = append(w.examples, fmt.Sprintf("%s: %v", file, err))
		}
	}
	slices.Sort(w.examples)
	return w, nil
}

// generations finds the logs under root: paths by session and stream, oldest
// generation first.
func generations(root string) (map[string][]string, error) {
	type generation struct {
		rotation int
		path     string
	}
	found := map[string][]generation{}
	logs, err := filepath.Glob(filepath.Join(root, "session_2*", "logs"))
	if err != nil {
		return nil, err
	}
	for _, dir := range logs {
		session := filepath.Base(filepath.Dir(dir))
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			if f := ray.ParsePath(filepath.ToSlash(rel)); f.Skip == "" {
				found[session+"/"+f.Stream] = append(found[session+"/"+f.Stream], generation{f.Rotation, path})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	paths := map[string][]string{}
	for file, gens := range found {
		slices.SortFunc(gens, func(a, b generation) int { return cmp.Compare(b.rotation, a.rotation) })
		for _, g := range gens {
			paths[file] = append(paths[file], g.path)
		}
	}
	return paths, nil
}

// sameLines compares a file's bytes with its stored lines. JSON cannot carry
// invalid UTF-8; such bytes are compared as the replacement character.
func sameLines(text []byte, have []*stored) error {
	slices.SortStableFunc(have, func(a, b *stored) int { return cmp.Compare(offsetOf(a), offsetOf(b)) })
	at, i := 0, 0
	for ; len(text) > 0; i++ {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		if i >= len(have) {
			return fmt.Errorf("%d lines stored, but byte %d begins another: %.80q", len(have), at, line)
		}
		if got := offsetOf(have[i]); got != at {
			return fmt.Errorf("line %d begins at byte %d, stored with offset %d: %.80q", i+1, at, got, line)
		}
		if valid(string(line)) != valid(have[i].line) {
			return fmt.Errorf("line %d is %.80q, stored %.80q", i+1, line, have[i].line)
		}
		at += len(line)
		if ended {
			at++
		}
		text = rest
	}
	if i < len(have) {
		return fmt.Errorf("%d lines, %d stored: %.80q", i, len(have), have[i].line)
	}
	return nil
}

func offsetOf(s *stored) int {
	n, err := strconv.Atoi(s.labels["offset"])
	if err != nil {
		return -1
	}
	return n
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
