package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// What the heap is kept to where no control group says how much memory there is, and
// what each further engine adds.
const (
	heapOfOne     = 48 << 20
	heapOfAnother = 16 << 20
)

// boundMemory keeps the heap small unless the environment says otherwise: the
// agent lives beside somebody else's work. Go itself takes GOMAXPROCS from the
// control group.
func (p *process) boundMemory(engines int) {
	if v, _ := p.env("GOGC"); v == "" {
		debug.SetGCPercent(50)
	}
	if v, _ := p.env("GOMEMLIMIT"); v == "" {
		debug.SetMemoryLimit(heapLimit(cgroupMemory("/proc/self/cgroup", "/sys/fs/cgroup"), engines))
	}
}

// heapLimit is nine tenths of what the control group has; without one, what the
// engines need.
func heapLimit(group int64, engines int) int64 {
	if group > 0 {
		return group / 10 * 9
	}
	return int64(heapOfOne + max(0, engines-1)*heapOfAnother)
}

// cgroupMemory is the least memory limit of the control group that the process is in
// and of those around it; 0 where there is none.
func cgroupMemory(membership, root string) int64 {
	b, err := os.ReadFile(membership)
	if err != nil {
		return 0
	}
	least := int64(math.MaxInt64)
	for line := range strings.Lines(string(b)) {
		// hierarchy:controllers:path; version 2 is 0::path.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, file := root, "memory.max"
		switch {
		case parts[0] == "0" && parts[1] == "":
		case strings.Contains(","+parts[1]+",", ",memory,"):
			base, file = filepath.Join(root, "memory"), "memory.limit_in_bytes"
		default:
			continue
		}
		for dir := filepath.Clean("/" + parts[2]); ; dir = filepath.Dir(dir) {
			if n := limitIn(filepath.Join(base, dir, file)); n > 0 {
				least = min(least, n)
			}
			if dir == "/" {
				break
			}
		}
	}
	if least > 1<<50 { // version 1 writes no limit as a very large one
		return 0
	}
	return least
}

func limitIn(file string) int64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // "max" is none
	if err != nil {
		return 0
	}
	return n
}
