package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// row is what came of all faults of one kind.
type row struct {
	faults, lines         int
	lost, twice, disorder int
	gone, told, untold    int // lines that nobody could have; of which a gap is told, or is not
	unseen                int // lines of files that came and went while the agent could see nothing
	rushed                int // the same while it had hardly a moment
	catch                 []time.Duration
	stored                int // lines stored more than once that queries show once
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

func (t *table) faults() (n int) {
	for _, r := range t.rows {
		n += r.faults
	}
	return n
}

func (r *row) add(o *row) {
	r.faults += o.faults
	r.lines += o.lines
	r.lost += o.lost
	r.twice += o.twice
	r.disorder += o.disorder
	r.gone += o.gone
	r.told += o.told
	r.untold += o.untold
	r.unseen += o.unseen
	r.rushed += o.rushed
	r.stored += o.stored
	r.catch = append(r.catch, o.catch...)
}

func (t *table) print(out io.Writer) {
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "fault\tfaults\tlines\tlost\ttwice\tdisorder\tgone\ttold\tuntold\tunseen\trushed\tstored twice\tcaught up: median\tworst\t")
	total := &row{}
	names := make([]string, 0, len(t.rows))
	for name := range t.rows {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.rows[name].print(w, name)
		total.add(t.rows[name])
	}
	total.print(w, "all")
	w.Flush()
	fmt.Fprint(out, "\ngone: bytes that nobody could have (emptied, beyond the budget, state lost), told as a gap or not\n"+
		"unseen: lines of files that came and went while no agent ran or could see, or of which\n"+
		"nothing was left when its state was lost\n"+
		"rushed: the same while the agent ran, and worked or waited for a processor nearly all the time\n")
	for name, why := range t.skips {
		fmt.Fprintf(out, "not made: %s: %s\n", name, why)
	}
	for text, n := range t.notes {
		fmt.Fprintf(out, "note, %d times: %s\n", n, text)
	}
	for _, text := range t.wrongs {
		fmt.Fprintln(out, "wrong:", text)
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

func (r *row) print(w io.Writer, name string) {
	median, worst := time.Duration(0), time.Duration(0)
	if len(r.catch) > 0 {
		c := slices.Clone(r.catch)
		slices.Sort(c)
		median, worst = c[len(c)/2], c[len(c)-1]
	}
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.1fs\t%.1fs\t\n", name, r.faults, r.lines, r.lost, r.twice, r.disorder,
		r.gone, r.told, r.untold, r.unseen, r.rushed, r.stored, median.Seconds(), worst.Seconds())
}
