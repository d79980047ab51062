package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong with a configuration. Line and Column count
// from 1; both are 0 where it is of no place, Column where only the line is known.
// It never quotes a value that came from the environment or from a file.
type Error struct {
	File         string // "" for settings given by flags or the environment
	Line, Column int
	Msg          string
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ":")
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "%d:", e.Line)
		if e.Column > 0 {
			fmt.Fprintf(&b, "%d:", e.Column)
		}
	}
	if b.Len() > 0 {
		b.WriteString(" ")
	}
	return b.String() + e.Msg
}

// Errors are all that is wrong, in the order of the file.
type Errors []*Error

func (es Errors) Error() string {
	all := make([]string, len(es))
	for i, e := range es {
		all[i] = e.Error()
	}
	return strings.Join(all, "\n")
}

// sorted puts the errors in the order of the file.
func (es Errors) sorted() Errors {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return es
}

// Refusal is a configuration that cannot be used: what is wrong, and the files that
// it was read from, of which each may mend it.
type Refusal struct {
	Errors
	Files []File
}

// Position is where in the file something stands; the zero value is nowhere.
type Position struct{ Line, Column int }

// hint names the nearest known word, or all where none is near.
func hint(word string, known []string) string {
	best, least := "", 1+len(word)/3
	for _, k := range known {
		if len(word) > 64 {
			break
		}
		if d := Distance(strings.ToLower(word), k); d <= least {
			best, least = k, d-1
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %s?", best)
	case len(known) == 0:
		return "nothing is known here"
	default:
		return "known are " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
	}
}

// Distance is how many letters must be put in, taken out or changed to make b of a.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
