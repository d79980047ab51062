package plan

import (
	"time"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// Limits of one query. The zero value of each field means its default.
type Limits struct {
	MaxEntries    int           // lines that a log query may ask for: 5,000
	MaxSeries     int           // series in an answer: 500
	MaxQueryBytes int           // length of a query: 131,071
	MaxRange      time.Duration // from start to end: 30d1h
	MaxPoints     int           // points of a series: 11,000
	// MaxMemory bounds what a query holds in memory, in bytes, beside what the store
	// holds for it: 192 MiB. Each of the following is a third of it by default.
	MaxMemory int
	// MaxCells bounds the points, of eight bytes each, of all series at a time, a
	// series itself counting as 256 of them.
	MaxCells int
	// MaxSamples bounds the unwrapped samples held for overlapping windows, of
	// sixteen bytes each.
	MaxSamples int
	// MaxAnswerBytes bounds the lines of an answer with their parsed labels.
	MaxAnswerBytes int
	// LineLabels name structured metadata that tells one line from the next: such
	// a label makes no series, unless a query groups by it. nil means offset, the
	// place of a line in its file, which each line of Remora's agent has, and entry,
	// the place of the line that it continues. Loki knows no such labels:
	// count_over_time({…}[5m]) is a series for each line there.
	LineLabels []string
	// ExactSteps evaluates range queries at start, start+step … as asked. Otherwise
	// start is rounded down and end up to a multiple of the step, as Loki's
	// frontend does with its default settings.
	ExactSteps bool
}

// WithDefaults returns the limits with every zero replaced.
func (l Limits) WithDefaults() Limits {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&l.MaxEntries, 5_000)
	set(&l.MaxSeries, 500)
	set(&l.MaxQueryBytes, syntax.MaxQueryBytes)
	set(&l.MaxPoints, 11_000)
	set(&l.MaxMemory, 192<<20)
	set(&l.MaxCells, l.MaxMemory/3/8)
	set(&l.MaxSamples, l.MaxMemory/3/16)
	set(&l.MaxAnswerBytes, l.MaxMemory/3)
	if l.LineLabels == nil {
		l.LineLabels = []string{"offset", "entry"}
	}
	if l.MaxRange == 0 {
		l.MaxRange = 30*24*time.Hour + time.Hour
	}
	return l
}
