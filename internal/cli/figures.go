package cli

import (
	"bufio"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/logs"
)

// printFiguresJSON writes one object a line: one value of one series each.
func printFiguresJSON(out *bufio.Writer, r *client.Result) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for _, s := range r.Series {
		labels := s.Metric.Map()
		for _, p := range s.Points {
			err := enc.Encode(struct {
				Time   string            `json:"time"`
				Labels map[string]string `json:"labels"`
				Value  json.RawMessage   `json:"value"`
			}{time.UnixMilli(p.T).UTC().Format(time.RFC3339Nano), labels, numberJSON(p.V)})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// numberJSON writes a value as a number, and what JSON has no number for as a
// string: "NaN", "+Inf".
func numberJSON(v string) json.RawMessage {
	if json.Valid([]byte(v)) {
		return json.RawMessage(v)
	}
	return json.RawMessage(strconv.Quote(v))
}

// printFigures writes a table: a row for each series of values at one time; a
// row for each time and a column for each series where those fit, else a row
// for each value.
func printFigures(out *bufio.Writer, r *client.Result, width int, zone *time.Location) error {
	var t table
	if r.Type == "matrix" {
		t = wideTable(r.Series, zone)
		if width == 0 {
			width = 200 // no terminal to wrap at
		}
		if t.width() > width {
			t = longTable(r.Series, zone)
		}
	} else {
		t = instantTable(r.Series)
	}
	return t.print(out)
}

// instantTable has a column for each label and one for the value.
func instantTable(series []client.Series) table {
	names := labelNames(series)
	t := table{head: append(slices.Clone(names), "value")}
	for _, s := range series {
		row := labelCells(names, s.Metric)
		for _, p := range s.Points {
			row = append(row, p.V)
		}
		t.rows = append(t.rows, row)
	}
	t.right = map[int]bool{len(names): true}
	return t
}

// longTable has a row for each value.
func longTable(series []client.Series, zone *time.Location) table {
	names := labelNames(series)
	t := table{head: append(append([]string{"time"}, names...), "value"), right: map[int]bool{len(names) + 1: true}}
	for _, s := range series {
		cells := labelCells(names, s.Metric)
		for _, p := range s.Points {
			row := append([]string{timeCell(p.T, zone)}, cells...)
			t.rows = append(t.rows, append(row, p.V))
		}
	}
	return t
}

// wideTable has a row for each time and a column for each series, headed by
// what tells it from the others.
func wideTable(series []client.Series, zone *time.Location) table {
	t := table{head: []string{"time"}, right: map[int]bool{}}
	names := labelNames(series)
	at := map[int64][]string{}
	for i, s := range series {
		head := "value"
		if cells := labelCells(names, s.Metric); len(cells) > 0 {
			head = strings.Join(cells, " ")
		}
		t.head = append(t.head, head)
		t.right[i+1] = true
		for _, p := range s.Points {
			if at[p.T] == nil {
				at[p.T] = make([]string, len(series))
			}
			at[p.T][i] = p.V
		}
	}
	for _, ms := range slices.Sorted(maps.Keys(at)) {
		t.rows = append(t.rows, append([]string{timeCell(ms, zone)}, at[ms]...))
	}
	return t
}

func timeCell(ms int64, zone *time.Location) string {
	return time.UnixMilli(ms).In(zone).Format(time.DateTime)
}

func labelNames(series []client.Series) []string {
	all := map[string]bool{}
	for _, s := range series {
		for _, l := range s.Metric {
			all[l.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func labelCells(names []string, ls logs.Labels) []string {
	cells := make([]string, len(names), len(names)+1)
	for i, name := range names {
		cells[i] = first(ls.Get(name), "-")
	}
	return cells
}

// table is text in columns, those in right flush right.
type table struct {
	head  []string
	rows  [][]string
	right map[int]bool
}

func (t *table) widths() []int {
	w := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			w[i] = max(w[i], utf8.RuneCountInString(cell))
		}
	}
	return w
}

func (t *table) width() int {
	total := 0
	for _, w := range t.widths() {
		total += w + 2
	}
	return total - 2
}

func (t *table) print(out *bufio.Writer) error {
	widths := t.widths()
	for _, row := range append([][]string{t.head}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if t.right[i] {
				line.WriteString(gap + cell)
			} else {
				line.WriteString(cell + gap)
			}
		}
		if _, err := out.WriteString(strings.TrimRight(line.String(), " ") + "\n"); err != nil {
			return err
		}
	}
	return nil
}
