package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// row is what came of all faults of one kind.
type row struct {
	faults, lines         int
	lost, twice, disorder int
	told, untold          int // lines of known files that nobody could have; of which a gap is told, or is not
	unseen                int // lines of files that came and went while the agent could see nothing
	rushed                int // the same while it had hardly a moment
	catch                 []time.Duration
	stored                int // lines stored more than once that queries show once
}

// counts are all that is counted, in the order of the table.
func (r *row) counts() []*int {
	return []*int{&r.faults, &r.lines, &r.lost, &r.twice, &r.disorder, &r.told, &r.untold, &r.unseen, &r.rushed, &r.stored}
}

// table is what the proof prints at its end.
type table struct {
	rows   map[string]*row
	skips  map[string]string
	notes  map[string]int // what is no fault of ours, and how often
	wrongs []string
	more   int // wrongs that are not told one by one
}

func newTable() *table {
	return &table{rows: map[string]*row{}, skips: map[string]string{}, notes: map[string]int{}}
}

func (t *table) row(name string) *row {
	r := t.rows[name]
	if r == nil {
		r = &row{}
		t.rows[name] = r
	}
	return r
}

// saved is a table as one process leaves it to another.
type saved struct {
	Counts map[string][]int
	Catch  map[string][]time.Duration
	Skips  map[string]string
	Notes  map[string]int
	Wrongs []string
	More   int
}

func (t *table) save(path string) error {
	s := saved{Counts: map[string][]int{}, Catch: map[string][]time.Duration{}, Skips: t.skips, Notes: t.notes, Wrongs: t.wrongs, More: t.more}
	for name, r := range t.rows {
		for _, n := range r.counts() {
			s.Counts[name] = append(s.Counts[name], *n)
		}
		s.Catch[name] = r.catch
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func loadTable(path string) (*table, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s saved
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	t := newTable()
	for name, counts := range s.Counts {
		r := t.row(name)
		for i, n := range r.counts() {
			*n = counts[i]
		}
		r.catch = s.Catch[name]
	}
	maps.Copy(t.skips, s.Skips)
	maps.Copy(t.notes, s.Notes)
	t.wrongs, t.more = s.Wrongs, s.More
	return t, nil
}

// join adds what another process has found.
func (t *table) join(o *table) {
	for name, r := range o.rows {
		t.row(name).add(r)
	}
	maps.Copy(t.skips, o.skips)
	for text, n := range o.notes {
		t.notes[text] += n
	}
	t.wrongs, t.more = append(t.wrongs, o.wrongs...), t.more+o.more
}

// examples is how much that is wrong is told in full.
const examples = 60

// wrong notes what fails the proof.
func (t *table) wrong(format string, args ...any) {
	if len(t.wrongs) >= examples {
		t.more++
		return
	}
	text := fmt.Sprintf(format, args...)
	t.wrongs = append(t.wrongs, text)
	fmt.Println("WRONG  ", text)
}

func (t *table) note(format string, args ...any) { t.notes[fmt.Sprintf(format, args...)]++ }

func (t *table) failed() bool { return len(t.wrongs) > 0 }

func (r *row) add(o *row) {
	for i, n := range o.counts() {
		*r.counts()[i] += *n
	}
	r.catch = append(r.catch, o.catch...)
}

// columns are what is counted, in the order of counts.
var columns = []string{
	"faults", "lines", "lost", "twice", "out of order", "gone, told", "gone, untold", "unseen", "rushed", "stored twice",
	"caught up after: median", "worst",
}

// cells are the rows by the names of the faults, and all of them together at the end.
func (t *table) cells() [][]string {
	total := &row{}
	var cells [][]string
	for _, name := range slices.Sorted(maps.Keys(t.rows)) {
		cells = append(cells, t.rows[name].cells(name))
		total.add(t.rows[name])
	}
	return append(cells, total.cells("all"))
}

func (r *row) cells(name string) []string {
	cells := []string{name}
	for _, n := range r.counts() {
		cells = append(cells, strconv.Itoa(*n))
	}
	median, worst := time.Duration(0), time.Duration(0)
	if len(r.catch) > 0 {
		c := slices.Sorted(slices.Values(r.catch))
		median, worst = c[len(c)/2], c[len(c)-1]
	}
	return append(cells, fmt.Sprintf("%.1f s", median.Seconds()), fmt.Sprintf("%.1f s", worst.Seconds()))
}

// markdown prints the table as documents show it.
func (t *table) markdown(out io.Writer) {
	fmt.Fprintf(out, "| fault | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("--:|", len(columns)))
	for _, cells := range t.cells() {
		fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
	}
}

func (t *table) print(out io.Writer) {
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "fault\t"+strings.Join(columns, "\t")+"\t")
	for _, cells := range t.cells() {
		fmt.Fprintln(w, strings.Join(cells, "\t")+"\t")
	}
	w.Flush()
	fmt.Fprint(out, "\ngone: bytes of known files that ceased to be before an agent could read them, each told as a gap in its place or not\n"+
		"unseen: lines of files that came and went while no agent ran or could see: nothing is left to tell of them\n"+
		"rushed: the same while the agent ran, and worked or waited for a processor nearly all the time\n")
	for name, why := range t.skips {
		fmt.Fprintf(out, "not made: %s: %s\n", name, why)
	}
	for text, n := range t.notes {
		fmt.Fprintf(out, "note, %d times: %s\n", n, text)
	}
	for _, text := range t.wrongs {
		what, _, _ := strings.Cut(text, "\n")
		fmt.Fprintln(out, "wrong:", what)
	}
	if t.more > 0 {
		fmt.Fprintf(out, "and %d more\n", t.more)
	}
	if t.failed() {
		fmt.Fprintln(out, "FAILED")
	} else {
		fmt.Fprintln(out, "nothing lost, nothing twice, nothing out of order")
	}
}
