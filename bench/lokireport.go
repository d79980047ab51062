package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// report prints the table, and writes the section of the page.
func (b *lokiBench) report() error {
	rows := b.rows()
	markdown(os.Stdout, rows)
	fmt.Println()
	markdown(os.Stdout, b.loadRows())
	if b.out == "" {
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, `Measured by %s in one run: %s, %s.
Made logs: %d files as Ray lays them out, %d lines, %.2f MiB, seed %d, told by the agent with all it knows of each line
(%.0f MiB of bodies, %.0f MiB compressed). Loki 3.7.8 runs as a single binary with its files on the same disk and its defaults, but for
limits that would refuse the load; Remora is told to keep to %s. Both take the same bodies, in order of time, %d at a
time. Remora also gets every %dth body again soon after and has each line once; Loki, which would count some lines twice, does not.
Answers are compared, and a run with a wrong one fails; of the values of a metric query one in 100 may differ, as in some runs
Loki's answer lacks a line or two that ours and the logs have. CPU is user and system time of the process, memory the peak of its resident set. Each question is asked in turn of both, once they had come to
rest, up to %d times: the middle counts.

`, "`make bench-loki`", time.Now().Format(time.DateOnly), machine(), b.manifest.Files, b.manifest.Lines, mib(b.manifest.Bytes), b.seed,
		mib(b.bodies.plain), mib(b.bodies.compressed()), memoryLimit, pushers, retryEvery, b.rounds)
	markdown(&text, rows)
	fmt.Fprintf(&text, "\nRemora alone, with the same lines")
	if len(b.grown) > 0 {
		fmt.Fprintf(&text, ", and with %d times as many, the others older and of other processes", b.factor)
	}
	text.WriteString(":\n\n")
	markdown(&text, b.loadRows())
	return writeSection(b.out, "The server beside Loki", text.String())
}

func (b *lokiBench) rows() [][]string {
	o, t := b.ours, b.theirs
	rows := [][]string{{"what", "Remora", "Loki 3.7.8", "ratio", "goal"}}
	add := func(what, ours, theirs, ratio, goal string) {
		rows = append(rows, []string{what, ours, theirs, ratio, goal})
	}
	perGiB := func(d time.Duration) string { return fmt.Sprintf("%.1f s/GiB", b.perGiB(d)) }
	less := func(theirs, ours float64) string { return fmt.Sprintf("%.1f × less", theirs/ours) }
	add("ingest: CPU until all was acknowledged", perGiB(o.acknowledged.cpu), perGiB(t.acknowledged.cpu),
		less(t.acknowledged.cpu.Seconds(), o.acknowledged.cpu.Seconds()), "")
	add("ingest: CPU until at rest", perGiB(o.settled), perGiB(t.settled), less(t.settled.Seconds(), o.settled.Seconds()), "3 × less, 5 × aimed at")
	add("ingest from its agent, in its own form: CPU until at rest", perGiB(b.own.settled), perGiB(t.settled), less(t.settled.Seconds(), b.own.settled.Seconds()), "")
	speed := func(s *side) string {
		return fmt.Sprintf("%.0f MiB/s", mib(b.manifest.Bytes)/s.acknowledged.wall.Seconds())
	}
	add("ingest: speed", speed(o), speed(t), "", "")
	memory := func(n int64) string { return fmt.Sprintf("%.0f MiB", mib(n)) }
	add("peak memory, storing", memory(o.peak), memory(t.peak), less(float64(t.peak), float64(o.peak)), "2 × less")
	add("peak memory, storing and answering", memory(o.asking), memory(t.asking), less(float64(t.asking), float64(o.asking)), "2 × less")
	disk := func(s *side) string {
		return fmt.Sprintf("%.0f MiB (%.0f MiB/GiB) and %.0f MiB of log", mib(s.disk-s.wal), mib(s.disk-s.wal)/(mib(b.manifest.Bytes)/1024), mib(s.wal))
	}
	add("on disk", disk(o), disk(t), less(float64(t.disk-t.wal), float64(o.disk-o.wal)), "400 MB/GiB")
	for _, a := range b.asked {
		mo, mt := typical(a.ours), typical(a.theirs)
		cost := func(c cost) string { return fmt.Sprintf("%s, %s CPU", millis(c.wall), millis(c.cpu)) }
		add(a.name, cost(mo), cost(mt), fmt.Sprintf("%.1f × faster", faster(mt.wall, mo.wall)), a.goalText())
	}
	return rows
}

// loadRows are about Remora alone.
func (b *lokiBench) loadRows() [][]string {
	rows := [][]string{{"what", "measured", "ratio", "goal"}}
	for _, c := range b.crowded {
		rows = append(rows, []string{
			fmt.Sprintf("%d clients at once: %s, 99 %% of answers", clients, c.name),
			fmt.Sprintf("%s; one client: %s", millis(c.many), millis(c.alone)), fmt.Sprintf("%.1f × one", faster(c.many, c.alone)), "10 ×",
		})
	}
	if len(b.abandoned) > 0 {
		rows = append(rows, []string{fmt.Sprintf("a query ends after its client went, the latest of %d", len(b.abandoned)), millis(slices.Max(b.abandoned)), "", "100 ms"})
	}
	rows = append(rows, []string{"a hundred of the worst queries at once", fmt.Sprintf("the server is up, %.0f MiB at most", mib(b.trampled)), "", "it is up"})
	for _, g := range b.grown {
		rows = append(rows, []string{
			fmt.Sprintf("%s, in %d times as much", g.name, b.factor),
			fmt.Sprintf("%s; before: %s", millis(g.after.wall), millis(g.before.wall)), fmt.Sprintf("%.1f × as long", faster(g.after.wall, g.before.wall)), fmt.Sprintf("%.0f ×", g.goal),
		})
	}
	return rows
}
