package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// whole is the field of a difference that is about an object as such.
const whole = "whole"

// difference is a field that the two sides have not alike.
type difference struct {
	manifest, moment, kind, object, field string
	theirs, ours                          string
	name                                  string // of the entry that names it; empty: none does
}

// tally counts fields of objects of one kind.
type tally struct{ objects, equal, named, different int }

// report is what was found so far.
type report struct {
	accepted  []*entry
	dump      string
	tallies   map[string]*tally
	found     []difference
	manifests map[string]bool
}

func newReport(accepted []*entry, dump string) *report {
	return &report{accepted: accepted, dump: dump, tallies: map[string]*tally{}, manifests: map[string]bool{}}
}

// compare adds how the objects of manifests differ at one moment.
func (r *report) compare(ctx context.Context, manifests []*manifest, moment string, theirs, ours *side) error {
	sides := []*side{theirs, ours}
	made := make([]map[string][]unstructured.Unstructured, len(sides))
	for i, s := range sides {
		var err error
		if made[i], err = s.made(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for _, m := range manifests {
		var objects [2][]object
		for i, s := range sides {
			objects[i] = normal(made[i][m.name])
			if err := r.write(filepath.Join(m.name, moment, s.name), objects[i]); err != nil {
				return err
			}
		}
		r.manifests[m.name] = true
		for _, d := range r.differences(objects[0], objects[1]) {
			d.manifest, d.moment = m.name, moment
			r.add(d)
		}
	}
	return nil
}

// differences returns those of all objects, and counts what is equal.
func (r *report) differences(theirs, ours []object) []difference {
	var found []difference
	index := func(objects []object) map[string]object {
		of := map[string]object{}
		for _, o := range objects {
			of[o.kind+" "+o.name] = o
		}
		return of
	}
	a, b := index(theirs), index(ours)
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		o := keys[key]
		t := r.tally(o.kind)
		t.objects++
		_, inA := a[key]
		_, inB := b[key]
		if !inA || !inB {
			found = append(found, difference{kind: o.kind, object: o.name, field: whole, theirs: presence(inA), ours: presence(inB)})
			continue
		}
		fields := maps.Clone(a[key].fields)
		maps.Copy(fields, b[key].fields)
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			x, inX := a[key].fields[field]
			y, inY := b[key].fields[field]
			if inX && inY && x == y {
				t.equal++
				continue
			}
			if !inX {
				x = absent
			}
			if !inY {
				y = absent
			}
			found = append(found, difference{kind: o.kind, object: o.name, field: field, theirs: x, ours: y})
		}
	}
	return found
}

func presence(there bool) string {
	if there {
		return "there"
	}
	return absent
}

func (r *report) tally(kind string) *tally {
	if r.tallies[kind] == nil {
		r.tallies[kind] = &tally{}
	}
	return r.tallies[kind]
}

func (r *report) add(d difference) {
	for _, e := range r.accepted {
		if e.names(&d) {
			e.matched++
			d.name = e.Name
			break
		}
	}
	if d.name != "" {
		r.tally(d.kind).named++
	} else {
		r.tally(d.kind).different++
	}
	r.found = append(r.found, d)
}

// print tells everything and reports whether nothing differs without a name. Entries
// that match nothing count only where every manifest was compared.
func (r *report) print(out io.Writer, show int, all bool) bool {
	unnamed := map[difference][]string{}
	var order []difference
	for _, d := range r.found {
		if d.name != "" {
			continue
		}
		place := d.manifest + " (" + d.moment + ") " + d.object
		d.manifest, d.moment, d.object = "", "", ""
		if unnamed[d] == nil {
			order = append(order, d)
		}
		unnamed[d] = append(unnamed[d], place)
	}
	for i, d := range order {
		if i >= show {
			fmt.Fprintf(out, "… and %d more; -show prints them\n", len(order)-show)
			break
		}
		places := unnamed[d]
		fmt.Fprintf(out, "%s: %s\n  KubeRay: %s\n  Remora:  %s\n  in %s", d.kind, d.field, quote(d.theirs), quote(d.ours), places[0])
		if len(places) > 1 {
			fmt.Fprintf(out, " and %d more", len(places)-1)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out, "\naccepted differences:")
	idle := 0
	for _, e := range r.accepted {
		fmt.Fprintf(out, "%7d  %-28s %s\n", e.matched, e.Name, e.Reason)
		if e.matched == 0 {
			idle++
		}
	}
	var sum tally
	fmt.Fprintf(out, "\n%-22s %9s %9s %9s %9s\n", "kind", "objects", "equal", "named", "different")
	for _, kind := range slices.Sorted(maps.Keys(r.tallies)) {
		t := r.tallies[kind]
		fmt.Fprintf(out, "%-22s %9d %9d %9d %9d\n", kind, t.objects, t.equal, t.named, t.different)
		sum.objects, sum.equal, sum.named, sum.different = sum.objects+t.objects, sum.equal+t.equal, sum.named+t.named, sum.different+t.different
	}
	fmt.Fprintf(out, "%-22s %9d %9d %9d %9d\n", "all", sum.objects, sum.equal, sum.named, sum.different)
	fmt.Fprintf(out, "\n%d manifests, KubeRay %s: %d fields equal, %d different with a name, %d without\n", len(r.manifests), kuberayVersion, sum.equal, sum.named, sum.different)
	if all && idle > 0 {
		fmt.Fprintf(out, "%d accepted differences match nothing: remove them\n", idle)
		return false
	}
	return sum.different == 0
}

func quote(value string) string {
	if value == absent || strings.HasPrefix(value, "<") {
		return value
	}
	return fmt.Sprintf("%q", value)
}

// write keeps what was compared for a person to read.
func (r *report) write(path string, objects []object) error {
	if r.dump == "" {
		return nil
	}
	file := filepath.Join(r.dump, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	var b strings.Builder
	for _, o := range objects {
		fmt.Fprintf(&b, "%s %s\n", o.kind, o.name)
		for _, field := range slices.Sorted(maps.Keys(o.fields)) {
			fmt.Fprintf(&b, "  %s = %q\n", field, o.fields[field])
		}
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}
