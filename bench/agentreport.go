package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

func (b *agentBench) report() error {
	rows := b.rows()
	b.table(os.Stdout, rows)
	for _, err := range b.missing {
		fmt.Printf("\nNot measured: %v\n", err)
	}
	if b.out == "" {
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, `Measured by %s in one run: %s, %s.
Made logs: %d files as Ray lays them out, %d lines, %.2f MiB, seed %d, in the page cache. Every program follows them from their
first bytes until the receiver, which keeps nothing, has counted every line once, and is then told to end. CPU is user and system
time of the process, memory the peak of its resident set. The agent says of each line which process, actor, task and job it is of;
the others send the line with its file's name. The floor is a program that reads the same files, splits them into lines, encodes
what the agent sends, compresses it, and does nothing else. All took turns, the agent and the floor %d times, the others as long as they were quick: the middle run counts, the least and
the most stand in brackets, and a ratio is the middle of the rounds' own ratios. promtail and the OpenTelemetry collector
(otelcol, of its file log receiver, batch processor and OTLP exporter) have the settings that they come with; the collector also
ran compressing as the agent does, and so that it reads each line's time and level with a regular expression, too. At 10,000
lines/s the floor follows the same files beside the program that is measured and reads once a second.

`, "`make bench-agent`", time.Now().Format(time.DateOnly), machine(), b.manifest.Files, b.manifest.Lines, mib(b.manifest.Bytes), b.seed, b.rounds)
	b.table(&text, rows)
	for _, err := range b.missing {
		first, _, _ := strings.Cut(err.Error(), "\n")
		fmt.Fprintf(&text, "\nNot measured: %s\n", first)
	}
	return writeSection(b.out, "The agent beside others", text.String())
}

func (b *agentBench) rows() []row {
	rows := b.catchRows()
	rows = append(rows, b.paceRows()...)
	rows = append(rows, b.idleRows()...)
	l := b.latency
	return append(
		rows,
		row{
			"agent: from write to durable at our server", fmt.Sprintf("%.0f ms (half of all: %.0f ms, the most: %.0f ms)", ms(l.p99), ms(l.half), ms(l.most)),
			"99 % of lines", "1 s",
		},
		row{"the same of the first lines of a session", fmt.Sprintf("%.0f ms, the agent's own start included", ms(l.first)), "the last of them", ""},
		b.confinedRow(),
	)
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func (b *agentBench) catchRows() []row {
	floors := b.fig.floors
	rows := []row{{"floor: CPU", fmt.Sprintf("%.2f s/GiB (%s)", b.perGiB(time.Duration(median(floors, cpuOf))), b.spread(floors)), "1", ""}}
	for i, p := range b.programs {
		of := b.runs[i]
		if len(of) == 0 {
			continue
		}
		wall := median(of, func(r run) float64 { return r.wall.Seconds() })
		r := row{
			p.title() + ": CPU",
			fmt.Sprintf("%.2f s/GiB (%s), %.0f MiB/s", b.perGiB(time.Duration(median(of, cpuOf))), b.spread(of), mib(b.manifest.Bytes)/wall),
			fmt.Sprintf("%.2f × the floor", ratio(of, floors)), "1.8 × the floor",
		}
		if i > 0 {
			r.ratio = fmt.Sprintf("%.1f × the agent, %.1f × the floor", ratio(of, b.runs[0]), ratio(of, floors))
			r.goal = "10 × the agent"
		}
		rows = append(rows, r)
	}
	for i, p := range b.programs {
		if len(b.runs[i]) == 0 {
			continue
		}
		r := row{p.title() + ": peak memory", fmt.Sprintf("%.1f MB", median(b.runs[i], peakOf)/1e6), "", "64 MB"}
		if i > 0 {
			r.ratio, r.goal = fmt.Sprintf("%.1f × the agent", median(b.runs[i], peakOf)/median(b.runs[0], peakOf)), ""
		}
		rows = append(rows, r)
	}
	return rows
}

func (p program) title() string {
	title := strings.TrimSpace(p.name + " " + p.version)
	if p.set != "" {
		title += ", " + p.set
	}
	return title
}

// ratio is the middle of the ratios of CPU of each round.
func ratio(of, to []run) float64 {
	var v []float64
	for i := range min(len(of), len(to)) {
		v = append(v, float64(of[i].cpu)/float64(to[i].cpu))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// middle is the middle of a figure of several rounds.
func middle[T any](of []T, figure func(T) float64) float64 {
	var v []float64
	for _, x := range of {
		v = append(v, figure(x))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

func (b *agentBench) paceRows() (rows []row) {
	for i, p := range b.programs {
		of := b.paces[i]
		if len(of) == 0 {
			continue
		}
		share := 100 * middle(of, pacedFigures.share)
		rate := middle(of, func(p pacedFigures) float64 { return mib(p.bytes) / p.span.Seconds() })
		above := 100 * middle(of, pacedFigures.above)
		at := fmt.Sprintf("%s at %d lines/s: ", p.name, paceRate)
		cpu := row{at + "CPU", fmt.Sprintf("%.2f %% of a core (%.2f MiB/s)", share, rate), fmt.Sprintf("%.2f %% above the floor", above), "2 % above the floor"}
		memory := row{at + "memory", fmt.Sprintf("%.1f MB at most, %.1f MB without code", middle(of, peakOfPace)/1e6, middle(of, anonOfPace)/1e6), "", "24 MB"}
		if i > 0 {
			cpu.ratio, cpu.goal = fmt.Sprintf("%.1f × the agent", share/100/middle(b.paces[0], pacedFigures.share)), ""
			memory.ratio, memory.goal = fmt.Sprintf("%.1f × the agent", middle(of, peakOfPace)/middle(b.paces[0], peakOfPace)), ""
		}
		rows = append(rows, cpu, memory)
	}
	return rows
}

func peakOfPace(p pacedFigures) float64 { return float64(p.peak) }
func anonOfPace(p pacedFigures) float64 { return float64(p.anon) }

func (b *agentBench) idleRows() (rows []row) {
	for i, p := range b.programs {
		f := b.idles[i]
		if f.many == 0 {
			continue
		}
		what := fmt.Sprintf("%s over %d idle files: ", p.name, b.idleFiles)
		cpu := row{what + "CPU", fmt.Sprintf("%.3f %% of a core", 100*f.share), "", "0.2 %"}
		memory := row{what + "memory", fmt.Sprintf("%.1f KB a file (%.1f MB; %.1f MB over %d files)", f.bytesOfFile/1e3, mb(f.many), mb(f.few), idleFew), "", "8 KB a file"}
		if i > 0 {
			cpu.goal, memory.goal, memory.value = "", "", fmt.Sprintf("%.1f MB", mb(f.many))
		}
		rows = append(rows, cpu, memory)
	}
	return rows
}

func (b *agentBench) confinedRow() row {
	f := b.confined
	r := row{what: fmt.Sprintf("agent with %.1f cores, %d MiB, %d files", confinedCores, confinedMemory>>20, b.idleFiles), goal: "every line, no kill"}
	if f.skipped != nil {
		r.value = fmt.Sprintf("not run: %v", f.skipped)
		return r
	}
	r.value = fmt.Sprintf("every line of %.0f MiB in %.1f s, alive (cgroup v%d; %.1f MiB at most)", mib(f.bytes), f.took.Seconds(), f.version, mib(f.peak))
	return r
}
