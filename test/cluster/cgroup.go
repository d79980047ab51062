package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const cgroupRoot = "/sys/fs/cgroup"

// unified reports whether the machine has one hierarchy for all controllers.
func unified() bool {
	_, err := os.Stat(cgroupRoot + "/cgroup.controllers")
	return err == nil
}

// hierarchies are the mounted ones.
func hierarchies() []string {
	if unified() {
		return []string{cgroupRoot}
	}
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return nil
	}
	var all []string
	for _, e := range entries {
		if e.IsDir() { // links lead to others of them
			all = append(all, filepath.Join(cgroupRoot, e.Name()))
		}
	}
	return all
}

// makeCgroups makes the group that the pods of a node are below, in each hierarchy.
func makeCgroups(name string, shares int) error {
	if unified() {
		controllers, err := os.ReadFile(cgroupRoot + "/cgroup.controllers")
		if err != nil {
			return err
		}
		for c := range strings.FieldsSeq(string(controllers)) { // one by one: some may not be had here
			_ = os.WriteFile(cgroupRoot+"/cgroup.subtree_control", []byte("+"+c), 0o644)
		}
	}
	for _, h := range hierarchies() {
		dir := filepath.Join(h, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if filepath.Base(h) == "cpuset" { // a new group has none, and then takes no process
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
				text, err := os.ReadFile(filepath.Join(h, file))
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
					return err
				}
			}
		}
		weight := filepath.Join(dir, "cpu.shares")
		if _, err := os.Stat(weight); err == nil && shares > 0 {
			if err := os.WriteFile(weight, []byte(strconv.Itoa(shares)), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func cgroups(pattern string) []string {
	var all []string
	for _, h := range hierarchies() {
		found, _ := filepath.Glob(filepath.Join(h, pattern))
		all = append(all, found...)
	}
	return all
}

// removeCgroups removes a node's groups, innermost first. A group with a process in it
// is an error.
func removeCgroups(name string) error {
	for _, root := range cgroups(name) {
		var dirs []string
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for i := len(dirs) - 1; i >= 0; i-- {
			if err := os.Remove(dirs[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
