package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// verdict asks for everything, compares, and prints the table.
func (r *run) verdict(ctx context.Context) (bool, error) {
	truth, err := r.truth()
	if err != nil {
		return false, err
	}
	lines, err := r.everything(ctx)
	if err != nil {
		return false, err
	}
	w, err := compareFiles(r.path("ray"), lines)
	if err != nil {
		return false, err
	}
	headless := map[string]bool{}
	for _, file := range w.cut {
		headless[file] = strings.HasPrefix(file, r.forgotten+"/")
	}
	t := compare(truth, lines, headless)
	died := r.deaths()
	r.say("%d lines in the store", t.lines)
	fmt.Print("\nmarked lines of user code\n")
	fmt.Printf("  %10s %10s %10s %10s %12s %12s %12s\n", "written", "found", "lost", "twice", "disordered", "mislabelled", "not written")
	fmt.Printf("  %10d %10d %10d %10d %12d %12d %12d\n", t.written, t.found, t.lost, t.twice, t.disorder, t.mislabel, t.alien)
	var known []string
	for _, name := range slices.Sorted(maps.Keys(t.known)) {
		known = append(known, fmt.Sprintf("%s on %d", name, t.known[name]))
	}
	fmt.Printf("  beside what each must carry: %s\n", strings.Join(known, ", "))
	if t.unknown > 0 {
		fmt.Printf("  without their job, as the file's first lines were gone when the agent lost its state: %d\n", t.unknown)
	}
	fmt.Print("\nfiles compared byte for byte\n")
	fmt.Printf("  %10s %10s %10s   (%d more had lost their oldest generations to rotation)\n", "files", "lines", "different", len(w.cut))
	fmt.Printf("  %10d %10d %10d\n\n", w.files, w.lines, w.different)
	for _, line := range slices.Concat(t.examples, w.examples[:min(len(w.examples), 10)], died) {
		fmt.Println(" ", line)
	}
	return t.ok() && w.files > 0 && w.different == 0 && len(died) == 0, nil
}
