package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// row is one line of the table.
type row struct{ what, value, ratio, goal string }

func (b *bench) report() error {
	rows := b.rows()
	b.table(os.Stdout, rows)
	if b.out == "" {
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, `Measured by %s in one run: %s, %s.
Made logs: %d files as Ray lays them out, %d lines, %.2f MiB, seed %d. CPU is user and system time of the process, memory the peak
of its resident set. The floor is a program that reads the same files, splits them into lines, encodes the same entries
with the same metadata and compresses them, and does nothing else. It and the agent ran %d times in turn: the middle run
counts, the least and the most stand in brackets. Query times are over HTTP, of a server that had come to rest, the middle
of %d. Ratios hold within a run; seconds are this machine's.

`, "`make bench`", time.Now().Format(time.DateOnly), machine(), b.manifest.Files, b.manifest.Lines, mib(b.manifest.Bytes), b.seed, b.rounds, asked)
	b.table(&text, rows)
	return writeSection(b.out, "Agent and server", text.String())
}

// writeSection puts text below a heading of a page, in place of what stands there,
// or at the page's end. The page is made where there is none.
func writeSection(file, heading, text string) error {
	page, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		page, err = []byte("# Performance\n"), nil
	}
	if err != nil {
		return err
	}
	before, rest, _ := strings.Cut(string(page), "\n## "+heading+"\n")
	after := ""
	if i := strings.Index(rest, "\n## "); i >= 0 {
		after = rest[i:]
	}
	page = []byte(strings.TrimRight(before, "\n") + "\n\n## " + heading + "\n\n" + strings.TrimRight(text, "\n") + "\n" + after)
	return os.WriteFile(file, page, 0o644)
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// perGiB is CPU seconds for each GiB of log lines.
func (b *bench) perGiB(cpu time.Duration) float64 {
	return cpu.Seconds() / (float64(b.manifest.Bytes) / (1 << 30))
}

func cpuOf(r run) float64  { return float64(r.cpu) }
func peakOf(r run) float64 { return float64(r.peak) }

func (b *bench) rows() []row {
	f := &b.fig
	floor, agent := time.Duration(median(f.floors, cpuOf)), time.Duration(median(f.agents, cpuOf))
	wall := median(f.agents, func(r run) float64 { return r.wall.Seconds() })
	rows := []row{
		{"floor: CPU", fmt.Sprintf("%.2f s/GiB (%s)", b.perGiB(floor), b.spread(f.floors)), "1", ""},
		{"agent: CPU", fmt.Sprintf("%.2f s/GiB (%s)", b.perGiB(agent), b.spread(f.agents)), times(agent, floor) + " the floor", "1.8 × the floor"},
		{"agent: speed", fmt.Sprintf("%.0f MiB/s, %.2f M lines/s", mib(b.manifest.Bytes)/wall, float64(b.manifest.Lines)/wall/1e6), "", ""},
		{"agent: peak memory", fmt.Sprintf("%.1f MiB", median(f.agents, peakOf)/(1<<20)), "", ""},
		{"bodies, not compressed: floor, agent", fmt.Sprintf("%d, %d bytes", f.encoded.Bytes, f.sent.Bytes), percent(f.sent.Bytes, f.encoded.Bytes), "the same"},
		{"bodies, compressed: floor, agent", fmt.Sprintf("%d, %d bytes", f.encoded.Compressed, f.sent.Compressed), percent(f.sent.Compressed, f.encoded.Compressed), "the same"},
	}
	if p := f.paced; p.span > 0 {
		rows = append(
			rows,
			row{
				fmt.Sprintf("agent at %d lines/s: CPU", paceRate),
				fmt.Sprintf("%.1f %% of a core (%.2f MiB/s)", 100*p.cpu.Seconds()/p.span.Seconds(), mib(p.bytes)/p.span.Seconds()), "", "",
			},
			row{
				fmt.Sprintf("agent at %d lines/s: memory", paceRate),
				fmt.Sprintf("%.1f MB at most, %.1f MB at the end (%.1f MB without code)", mb(p.peak), mb(p.rss), mb(p.anon)), "", "24 MB",
			},
		)
	}
	rows = append(
		rows,
		row{"server: CPU until all was acknowledged", fmt.Sprintf("%.1f s/GiB", b.perGiB(f.server.cpu)), times(f.server.cpu, floor) + " the floor", "a third of Loki's"},
		row{"server: CPU until at rest", fmt.Sprintf("%.1f s/GiB", b.perGiB(f.settled)), times(f.settled, floor) + " the floor", ""},
		row{"server: speed, the agent beside it", fmt.Sprintf("%.0f MiB/s, %.2f M lines/s", mib(b.manifest.Bytes)/f.server.wall.Seconds(), float64(b.manifest.Lines)/f.server.wall.Seconds()/1e6), "", ""},
		row{"server: peak memory while storing", fmt.Sprintf("%.0f MiB", mib(f.server.peak)), "", ""},
		row{"on disk", fmt.Sprintf("%.1f MiB, %.1f MiB of it journal", mib(f.disk), mib(f.journal)), fmt.Sprintf("%.3f of the input", float64(f.disk)/float64(b.manifest.Bytes)), ""},
	)
	for _, q := range f.queries {
		mid := q.times[len(q.times)/2]
		speed := ""
		if strings.HasSuffix(q.goal, "/s") {
			speed = fmt.Sprintf("%.2f GiB/s", float64(b.manifest.Bytes)/(1<<30)/mid.Seconds())
		}
		rows = append(rows, row{
			q.name, fmt.Sprintf("%s (%s–%s)", millis(mid), millis(q.times[0]), millis(q.times[len(q.times)-1])), speed, q.goal,
		})
	}
	return rows
}

func mb(n int64) float64 { return float64(n) / 1e6 }

func times(a, b time.Duration) string { return fmt.Sprintf("%.2f ×", float64(a)/float64(b)) }

func percent(a, b int64) string {
	return fmt.Sprintf("%+.2f %%", 100*(float64(a)/float64(b)-1))
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }

// spread is the least and the most of several runs.
func (b *bench) spread(runs []run) string {
	var v []time.Duration
	for _, r := range runs {
		v = append(v, r.cpu)
	}
	return fmt.Sprintf("%.2f–%.2f", b.perGiB(slices.Min(v)), b.perGiB(slices.Max(v)))
}

func (b *bench) table(w io.Writer, rows []row) {
	cells := [][]string{{"what", "measured", "ratio", "goal"}}
	for _, r := range rows {
		cells = append(cells, []string{r.what, r.value, r.ratio, r.goal})
	}
	markdown(w, cells)
}

// markdown writes a table whose columns stand below each other, its head first.
func markdown(w io.Writer, cells [][]string) {
	width := make([]int, len(cells[0]))
	for _, c := range cells {
		for i, text := range c {
			width[i] = max(width[i], len([]rune(text)))
		}
	}
	for n, c := range cells {
		for i, text := range c {
			fmt.Fprintf(w, "| %s%s ", text, strings.Repeat(" ", width[i]-len([]rune(text))))
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for i := range c {
				fmt.Fprint(w, "|", strings.Repeat("-", width[i]+2))
			}
			fmt.Fprintln(w, "|")
		}
	}
}

// firstField is the value of a "name : value" line.
func firstField(text, name string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
