package exec

import (
	"math"
	"slices"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// accumulator sums up samples in order of time. Two of them can be merged, the
// later into the earlier, so that windows are made of buckets.
type accumulator struct {
	n           float64
	sum         float64
	mean, m2    float64 // m2 is the sum of squared distances from the mean
	min, max    float64
	first, last float64
	from, to    int64   // times of first and last
	resets      float64 // what a counter had whenever it began again
	vals        []float64
}

func (a *accumulator) add(t int64, v float64, keep bool) {
	if a.n == 0 {
		*a = accumulator{n: 1, sum: v, mean: v, m2: v * (v - v), min: v, max: v, first: v, last: v, from: t, to: t, vals: a.vals[:0]}
	} else {
		a.n++
		a.sum += v
		d := v - a.mean
		a.mean += d / a.n
		a.m2 += d * (v - a.mean)
		a.min, a.max = lesser(a.min, v), greater(a.max, v)
		if v < a.last {
			a.resets += a.last
		}
		a.last, a.to = v, t
	}
	if keep {
		a.vals = append(a.vals, v)
	}
}

func (a *accumulator) merge(b *accumulator) {
	if b.n == 0 {
		return
	}
	if a.n == 0 {
		vals := append(a.vals[:0], b.vals...)
		*a = *b
		a.vals = vals
		return
	}
	n, d := a.n+b.n, b.mean-a.mean
	a.m2 += b.m2 + d*d*a.n*b.n/n
	a.mean += d * b.n / n
	a.sum += b.sum
	a.min, a.max = lesser(a.min, b.min), greater(a.max, b.max)
	if b.first < a.last {
		a.resets += a.last
	}
	a.resets += b.resets
	a.last, a.to, a.n = b.last, b.to, n
	a.vals = append(a.vals, b.vals...)
}

// lesser and greater prefer a number to NaN.
func lesser(a, b float64) float64 {
	if b < a || math.IsNaN(a) {
		return b
	}
	return a
}

func greater(a, b float64) float64 {
	if b > a || math.IsNaN(a) {
		return b
	}
	return a
}

// average is the mean, also where some value is infinite: adding to a mean of Inf
// makes it NaN.
func (a *accumulator) average() float64 {
	if math.IsNaN(a.mean) {
		return a.sum / a.n
	}
	return a.mean
}

// result is the value of a range aggregation over a window that has at least
// one sample.
func (a *accumulator) result(op syntax.RangeOp, param float64, window int64) float64 {
	switch op {
	case "sum_over_time":
		return a.sum
	case "avg_over_time":
		return a.average()
	case "min_over_time":
		return a.min
	case "max_over_time":
		return a.max
	case "stdvar_over_time":
		return a.m2 / a.n
	case "stddev_over_time":
		return math.Sqrt(a.m2 / a.n)
	case "first_over_time":
		return a.first
	case "last_over_time":
		return a.last
	case "quantile_over_time":
		return quantile(param, a.vals)
	case "rate":
		return a.sum / (float64(window) / 1e9)
	case "rate_counter":
		return a.counterRate(window)
	}
	return math.NaN()
}

// quantile sorts vals and interpolates between its elements.
func quantile(q float64, vals []float64) float64 {
	switch {
	case len(vals) == 0 || math.IsNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(1)
	}
	slices.Sort(vals)
	rank := q * float64(len(vals)-1)
	low := int(rank)
	high := min(low+1, len(vals)-1)
	weight := rank - float64(low)
	return vals[low]*(1-weight) + vals[high]*weight
}

// counterRate is the increase of a counter for each second of the window. Unlike
// Prometheus, Loki extends the increase to the window's ends by next to nothing:
// as many microseconds as the window has seconds, though not to where the
// counter would be below zero.
func (a *accumulator) counterRate(window int64) float64 {
	if a.n < 2 {
		return 0
	}
	increase := a.last - a.first + a.resets
	seconds, sampled := float64(window)/1e9, float64(a.to-a.from)/1e3
	before := seconds
	if increase > 0 && a.first >= 0 {
		before = min(before, sampled*(a.first/increase))
	}
	return increase * ((sampled + before) / sampled) / seconds
}
