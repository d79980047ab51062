package main

import (
	"strconv"
	"testing"
)

func TestWhatIsWrongIsSeen(t *testing.T) {
	names := map[string]string{"RayCluster": "e2e", "namespace": namespace, "pod": "p", "node_type": "worker", "group": "writers"}
	of := func(numbers ...int) (all []line) {
		for _, n := range numbers {
			all = append(all, line{"line " + strconv.Itoa(n) + " of p.", names})
		}
		return all
	}
	strange := of(0, 1, 2)
	strange[1].Labels = map[string]string{"pod": "q"}
	for name, c := range map[string]struct {
		lines []line
		grace int
		want  verdict
	}{
		"right":                 {of(0, 1, 2), 0, verdict{stored: 3}},
		"nothing":               {nil, 0, verdict{missing: 3}},
		"the last one":          {of(0, 1), 0, verdict{stored: 2, missing: 1}},
		"twice":                 {of(0, 1, 1, 2), 0, verdict{stored: 4, twice: 1}},
		"order":                 {of(0, 2, 1), 0, verdict{stored: 3, disorder: 1}},
		"names":                 {strange, 0, verdict{stored: 3, misnamed: 1}},
		"more than was told of": {of(0, 1, 2, 3), 0, verdict{stored: 4, twice: 1}},
		"killed":                {of(0, 1, 2, 3), 1, verdict{stored: 4}},
		"killed, with a hole":   {of(0, 1, 2, 4), 1, verdict{stored: 4, missing: 1}},
	} {
		w := &writer{name: "p", volume: map[string]any{}, grace: c.grace, told: &log{}}
		w.told.wrote.Store(3)
		got := w.compare(c.lines)
		if got != c.want || got.right() != (name == "right" || name == "killed") {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
