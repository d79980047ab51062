// Package exec runs a LogQL plan over a Source. It sees storage only through
// that interface and returns values, never HTTP.
package exec

import (
	"context"

	"github.com/remora-ray/remora/internal/logs"
)

// Source is where the engine reads from: one or more tenants of a store, bound
// by the caller. See the store's contract for the meaning of the methods.
type Source interface {
	Select(ctx context.Context, sel logs.Selection, yield func(*logs.Record) error) error
	Buckets(ctx context.Context, q logs.BucketQuery, yield func(logs.Bucket) error) error
}

// Params of one query. Times are Unix nanoseconds. An instant query has Start
// equal to End and Step 0.
type Params struct {
	Query      string
	Start, End int64 // log lines: [Start, End); metrics: evaluated at Start, Start+Step … ≤ End
	Step       int64 // ns
	Interval   int64 // ns; log queries: at most one line per interval, 0 for all
	Limit      int   // of lines
	Direction  logs.Direction
}

// Result of a query.
type Result struct {
	Value    Value
	Stats    Stats
	Warnings []string
}

// Stats says what a query cost.
type Stats struct {
	Lines, Bytes uint64 // read from the source
	Buckets      uint64 // read instead of lines where counting was pushed down
}

// Value is Lines, Matrix, Vector or Scalar.
type Value interface{ value() }

// Line is one log line of an answer, its labels by where they come from. A
// label of one part hides nothing: names differ between the parts.
type Line struct {
	Time     int64
	Line     string
	Stream   logs.Labels
	Metadata logs.Labels
	Parsed   logs.Labels
}

// Lines is the answer to a log query, ordered by time in the direction asked.
type Lines []Line

// Point is one value at a time, in Unix milliseconds as Loki answers them.
type Point struct {
	T int64
	V float64
}

// Series is one row of a Matrix.
type Series struct {
	Metric logs.Labels
	Points []Point
}

// Matrix is sorted by metric, or by how metrics are written: see pieces.
type Matrix []Series

// Sample is one row of a Vector.
type Sample struct {
	Metric logs.Labels
	Point
}

// Vector is sorted by metric unless sort ordered it.
type Vector []Sample

// Scalar is one number.
type Scalar Point

func (Lines) value()  {}
func (Matrix) value() {}
func (Vector) value() {}
func (Scalar) value() {}
