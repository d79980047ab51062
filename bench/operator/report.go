package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

const ours = "remora"

// goals are how much of KubeRay's ours may be.
var goals = []struct {
	name string
	of   func(r *result) float64
	most float64
}{
	{"time to all pods", func(r *result) float64 { return r.pods.Seconds() }, 1. / 3},
	{"time to all ready", func(r *result) float64 { return r.ready.Seconds() }, 1. / 3},
	{"CPU", func(r *result) float64 { return r.cpu.Seconds() }, 1. / 2},
	{"peak memory", func(r *result) float64 { return float64(r.peak) }, 2. / 3},
}

func report(w io.Writer, all []result, quiet time.Duration) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "operator\tclusters\tpods\tall pods, s\tall ready, s\tCPU, s\tof API server and etcd, s\tpeak, MB\trequests\twrites in %s\tCPU then, s\t\n", quiet)
	for i := range all {
		r := &all[i]
		sum := 0
		for _, n := range r.verbs {
			sum += n
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f\t%.1f\t%.2f\t%.1f\t%.1f\t%d\t%d\t%.2f\t\n", r.name, r.clusters, r.all,
			r.pods.Seconds(), r.ready.Seconds(), r.cpu.Seconds(), r.server.Seconds(), float64(r.peak)/1e6, sum, len(r.writes), r.idle.Seconds())
	}
	_ = t.Flush() // of what cannot be written nobody can be told
	fmt.Fprintln(w, "\nRequests until all were ready:")
	for i := range all {
		r := &all[i]
		var verbs []string
		for _, verb := range slices.Sorted(maps.Keys(r.verbs)) {
			verbs = append(verbs, fmt.Sprintf("%s %d", verb, r.verbs[verb]))
		}
		fmt.Fprintf(w, "  %s, %d clusters: %s\n", r.name, r.clusters, strings.Join(verbs, ", "))
		for _, line := range quietWrites(r) {
			fmt.Fprintf(w, "    while quiet: %s\n", line)
		}
	}
	ratios(w, all)
}

func quietWrites(r *result) []string {
	count := map[string]int{}
	for _, q := range r.writes {
		count[strings.TrimSuffix(q.Verb+" "+q.Object.Resource+"/"+q.Object.Subresource, "/")]++
	}
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(count)) {
		lines = append(lines, fmt.Sprintf("%d × %s", count[what], what))
	}
	return lines
}

// ratios compares ours with each other contender of the same size.
func ratios(w io.Writer, all []result) {
	for i := range all {
		r := &all[i]
		if r.name != ours {
			continue
		}
		for j := range all {
			other := &all[j]
			if other.name == ours || other.clusters != r.clusters {
				continue
			}
			fmt.Fprintf(w, "\n%s / %s, %d clusters:\n", r.name, other.name, r.clusters)
			for _, g := range goals {
				ratio := g.of(r) / g.of(other)
				fmt.Fprintf(w, "  %-18s %.2f  %s\n", g.name, ratio, verdict(ratio, g.most))
			}
			fmt.Fprintf(w, "  %-18s %d     %s\n", "writes when quiet", len(r.writes), verdict(float64(len(r.writes)), 0))
		}
	}
}

func verdict(have, most float64) string {
	if have <= most {
		return fmt.Sprintf("(at most %.2f: met)", most)
	}
	return fmt.Sprintf("(at most %.2f: MISSED)", most)
}
