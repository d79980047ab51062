package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// line is what the server has of one.
type line struct {
	Line   string
	Labels map[string]string
}

// judge asks for the lines of each pod until all that it told of are there, and says
// what is wrong with them.
func (c *cluster) judge(ctx context.Context, pods []*writer) (bool, error) {
	all := true
	for _, w := range pods {
		v, err := c.verdict(ctx, w)
		if err != nil {
			return false, err
		}
		word := "right"
		if !v.right() {
			word, all = "WRONG", false
		}
		fmt.Printf("%-10s wrote %6d, stored %6d, missing %d, twice %d, out of order %d, wrong names %d: %s\n",
			w.name, w.told.wrote.Load(), v.stored, v.missing, v.twice, v.disorder, v.misnamed, word)
	}
	return all, nil
}

// verdict is what is to be said of a pod's lines.
type verdict struct {
	stored, missing, twice, disorder, misnamed int
}

func (v *verdict) right() bool { return v.stored > 0 && v.missing+v.twice+v.disorder+v.misnamed == 0 }

// arriveWithin is how long the last lines may be on their way.
const arriveWithin = 30 * time.Second

func (c *cluster) verdict(ctx context.Context, w *writer) (v verdict, err error) {
	for deadline := time.Now().Add(arriveWithin); ; {
		lines, err := c.lines(ctx, w)
		if err != nil {
			return v, err
		}
		if v = w.compare(lines); v.missing == 0 || time.Now().After(deadline) {
			return v, nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return v, err
		}
	}
}

// lines asks the server, in its own pod.
func (c *cluster) lines(ctx context.Context, w *writer) (all []line, err error) {
	args := []string{
		"exec", "-n", "remora", "remora", "--", "remora", "query", `{job="ray/logs", component="worker"} |= " of ` + w.name + `."`,
		"--since", "1h", "--limit", "0", "--forward", "--output", "json",
	}
	if w.tenant != "" {
		args = append(args, "--tenant", w.tenant)
	}
	out, err := c.kubectl(ctx, "", args...)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(strings.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("answer %.200q: %w", lines.Text(), err)
		}
		all = append(all, l)
	}
	return all, lines.Err()
}

// compare holds lines against what the pod told. One that was killed may have written
// more than it told of.
func (w *writer) compare(lines []line) (v verdict) {
	v.stored = len(lines)
	wrote := int(w.told.wrote.Load())
	seen := map[int]int{}
	last := -1
	if w.volume == nil {
		// Two agents read it, each of which gives lines without a time the time at which
		// it read them: their places in the file tell the order.
		slices.SortFunc(lines, func(a, b line) int { return offset(a) - offset(b) })
	}
	for _, l := range lines {
		n := -1
		_, _ = fmt.Sscanf(l.Line, "line %d of ", &n)
		seen[n]++
		if n < last {
			v.disorder++
		}
		last = max(n, last)
		if !w.named(l.Labels) {
			v.misnamed++
		}
	}
	if w.grace > 0 {
		wrote = max(wrote, last+1)
	}
	for n := range wrote {
		switch k := seen[n]; {
		case k == 0:
			v.missing++
		case k > 1:
			v.twice += k - 1
		}
		delete(seen, n)
	}
	v.twice += len(seen) // what nobody wrote
	return v
}

func offset(l line) int {
	n, _ := strconv.Atoi(l.Labels["offset"])
	return n
}

// named reports whether a line has the names of the pod.
func (w *writer) named(labels map[string]string) bool {
	want := map[string]string{"RayCluster": "e2e", "namespace": namespace, "pod": w.name, "node_type": "worker", "group": "writers"}
	if w.shared {
		want["pod"], want["node_type"], want["group"] = "", "", ""
	}
	for name, value := range want {
		if labels[name] != value {
			return false
		}
	}
	return true
}
