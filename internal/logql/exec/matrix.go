package exec

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/logs"
)

// absent stands for no value at a step. It is a NaN of its own, so that a NaN
// that was computed stays a value.
var absent = math.Float64frombits(absentBits)

// removed stands for a pair of values whose comparison did not hold, so that a
// second pair for the same labels is noticed all the same.
var removed = math.Float64frombits(removedBits)

const absentBits, removedBits = 0x7ff8_dead_0000_0001, 0x7ff8_dead_0000_0002

func isAbsent(v float64) bool { return math.Float64bits(v) == absentBits }

func isRemoved(v float64) bool { return math.Float64bits(v) == removedBits }

// row is one series: a value or absent at each step.
type row struct {
	labels logs.Labels
	vals   []float64
}

// table is the value of a metric expression at all steps.
type table []row

// grid collects rows by their labels while a table is built.
type grid struct {
	q      *query
	points int
	max    int // rows allowed, 0 for as many as memory has
	index  map[string]int
	rows   table
	key    []byte
}

func (q *query) newGrid(points, max int) *grid {
	return &grid{q: q, points: points, max: max, index: make(map[string]int)}
}

// row returns the number of the row with these labels, which are copied when it
// is new. fill is the value that a new row begins with.
func (g *grid) row(ls []logs.Label, fill float64) (int, error) {
	g.key = appendKey(g.key[:0], ls)
	if i, ok := g.index[string(g.key)]; ok {
		return i, nil
	}
	if g.max > 0 && len(g.rows) >= g.max {
		return 0, g.q.tooManySeries()
	}
	if err := g.q.hold(1, g.points+len(g.key)/8); err != nil {
		return 0, err
	}
	r := row{labels: slices.Clone(ls), vals: make([]float64, g.points)}
	for i := range r.labels {
		// A value may be a piece of a long line, which it would keep.
		r.labels[i].Value = strings.Clone(r.labels[i].Value)
	}
	if fill != 0 {
		for i := range r.vals {
			r.vals[i] = fill
		}
	}
	i := len(g.rows)
	g.index[string(g.key)] = i
	g.rows = append(g.rows, r)
	return i, nil
}

// appendKey writes labels so that different sets differ.
func appendKey(dst []byte, ls []logs.Label) []byte {
	for _, l := range ls {
		dst = binary.AppendUvarint(dst, uint64(len(l.Name)))
		dst = append(dst, l.Name...)
		dst = binary.AppendUvarint(dst, uint64(len(l.Value)))
		dst = append(dst, l.Value...)
	}
	return dst
}

// sortedAsText orders the rows by how their labels are written, as Loki orders
// a matrix.
func (t table) sortedAsText() table {
	type named struct {
		row
		text string
	}
	list := make([]named, len(t))
	for i, r := range t {
		list[i] = named{r, r.labels.String()}
	}
	slices.SortStableFunc(list, func(a, b named) int { return strings.Compare(a.text, b.text) })
	for i, n := range list {
		t[i] = n.row
	}
	return t
}

// sorted orders the rows by their labels.
func (t table) sorted() table {
	slices.SortStableFunc(t, func(a, b row) int { return a.labels.Compare(b.labels) })
	return t
}
