package loki

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/remora-ray/remora/internal/logs"
)

// Answer is the body of a query's answer.
type Answer struct {
	Value Value
	// Categorize keeps the labels of log lines apart by where they come from, as
	// X-Loki-Response-Encoding-Flags: categorize-labels asks.
	Categorize bool
	Stats      QueryStats
	Warnings   []string
}

// Value is the result of a query: Lines, Matrix, Vector or Scalar.
type Value interface {
	appendResult(dst []byte, categorize bool) []byte
}

// Line is one log line of an answer with its labels by where they come from.
type Line struct {
	Time     int64
	Line     string
	Stream   logs.Labels
	Metadata logs.Labels
	Parsed   logs.Labels
}

// Point is a value at a time in Unix milliseconds.
type Point struct {
	T int64
	V float64
}

// Series is one row of a Matrix.
type Series struct {
	Metric logs.Labels
	Points []Point
}

// Sample is one row of a Vector.
type Sample struct {
	Metric logs.Labels
	Point
}

// The four kinds of results. The order of their elements is kept; lines are
// grouped into streams sorted by their labels.
type (
	Lines  []Line
	Matrix []Series
	Vector []Sample
	Scalar Point
)

// EncodingFlagCategorize is what clients ask for to have labels kept apart.
const EncodingFlagCategorize = "categorize-labels"

// AppendAnswer appends the answer as JSON.
func AppendAnswer(dst []byte, a *Answer) []byte {
	dst = append(dst, `{"status":"success",`...)
	if len(a.Warnings) > 0 {
		dst = append(dst, `"warnings":`...)
		dst = append(appendJSONStrings(dst, a.Warnings), ',')
	}
	dst = append(dst, `"data":{`...)
	dst = a.Value.appendResult(dst, a.Categorize)
	dst = append(dst, `,"stats":`...)
	dst = appendStats(dst, &a.Stats)
	return append(dst, `}}`...)
}

func (lines Lines) appendResult(dst []byte, categorize bool) []byte {
	dst = append(dst, `"resultType":"streams",`...)
	if categorize {
		dst = appendFlags(dst)
	}
	dst = append(dst, `"result":`...)
	return appendStreams(dst, lines, categorize)
}

func appendFlags(dst []byte) []byte {
	return append(dst, `"encodingFlags":["`+EncodingFlagCategorize+`"],`...)
}

// stream is the lines of one label set, in the order of the answer.
type stream struct {
	key    string
	labels logs.Labels
	lines  []int
}

// appendStreams appends lines grouped by the labels that are shown as the
// stream's: its own, or all of the line's merged.
func appendStreams(dst []byte, lines []Line, categorize bool) []byte {
	dst = append(dst, '[')
	for i, s := range group(lines, categorize) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"stream":`...)
		dst = appendJSONLabels(dst, s.labels)
		dst = append(dst, `,"values":[`...)
		for j, at := range s.lines {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = appendLine(dst, &lines[at], categorize)
		}
		dst = append(dst, `]}`...)
	}
	return append(dst, ']')
}

func group(lines []Line, categorize bool) []*stream {
	var streams []*stream
	byKey := map[string]*stream{}
	var key []byte
	for i := range lines {
		l := &lines[i]
		key = appendKey(key[:0], l.Stream)
		if !categorize {
			key = appendKey(key, l.Metadata)
			key = appendKey(key, l.Parsed)
		}
		s := byKey[string(key)]
		if s == nil {
			s = &stream{labels: l.Stream}
			if !categorize {
				s.labels = merge(l)
			}
			s.key = s.labels.String()
			byKey[string(key)] = s
			streams = append(streams, s)
		}
		s.lines = append(s.lines, i)
	}
	if !categorize {
		streams = unite(streams)
	}
	slices.SortStableFunc(streams, func(a, b *stream) int { return cmp.Compare(a.key, b.key) })
	return streams
}

// unite makes one of streams whose labels are the same once merged, though they
// came from different places.
func unite(streams []*stream) []*stream {
	byKey := make(map[string]*stream, len(streams))
	out := streams[:0]
	for _, s := range streams {
		if first := byKey[s.key]; first != nil {
			first.lines = append(first.lines, s.lines...)
			slices.Sort(first.lines)
			continue
		}
		byKey[s.key] = s
		out = append(out, s)
	}
	return out
}

// appendKey appends what tells label sets apart.
func appendKey(dst []byte, ls logs.Labels) []byte {
	dst = strconv.AppendInt(dst, int64(len(ls)), 10)
	for _, l := range ls {
		dst = append(strconv.AppendInt(append(dst, ','), int64(len(l.Name)), 10), ':')
		dst = append(dst, l.Name...)
		dst = append(strconv.AppendInt(append(dst, ','), int64(len(l.Value)), 10), ':')
		dst = append(dst, l.Value...)
	}
	return append(dst, ';')
}

func merge(l *Line) logs.Labels {
	all := make([]logs.Label, 0, len(l.Stream)+len(l.Metadata)+len(l.Parsed))
	all = append(append(append(all, l.Stream...), l.Metadata...), l.Parsed...)
	// A label found empty in a line is shown, but not where several tenants are asked.
	if _, several := l.Stream.Lookup("__tenant_id__"); several {
		return logs.Normalize(all)
	}
	slices.SortStableFunc(all, func(a, b logs.Label) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func appendLine(dst []byte, l *Line, categorize bool) []byte {
	dst = append(dst, `["`...)
	dst = strconv.AppendInt(dst, l.Time, 10)
	dst = append(dst, `",`...)
	dst = AppendJSONString(dst, l.Line)
	if categorize {
		dst = append(dst, `,{`...)
		if len(l.Metadata) > 0 {
			dst = append(dst, `"structuredMetadata":`...)
			dst = appendJSONLabels(dst, l.Metadata)
		}
		if len(l.Parsed) > 0 {
			if len(l.Metadata) > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `"parsed":`...)
			dst = appendJSONLabels(dst, l.Parsed)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func (m Matrix) appendResult(dst []byte, _ bool) []byte {
	dst = append(dst, `"resultType":"matrix","result":[`...)
	for i, s := range m {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"metric":`...)
		dst = appendJSONLabels(dst, s.Metric)
		dst = append(dst, `,"values":[`...)
		for j, p := range s.Points {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = appendPoint(dst, p)
		}
		dst = append(dst, `]}`...)
	}
	return append(dst, ']')
}

func (v Vector) appendResult(dst []byte, _ bool) []byte {
	dst = append(dst, `"resultType":"vector","result":[`...)
	for i, s := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"metric":`...)
		dst = appendJSONLabels(dst, s.Metric)
		dst = append(dst, `,"value":`...)
		dst = append(appendPoint(dst, s.Point), '}')
	}
	return append(dst, ']')
}

func (s Scalar) appendResult(dst []byte, _ bool) []byte {
	dst = append(dst, `"resultType":"scalar","result":`...)
	return appendPoint(dst, Point(s))
}

// TailFrame is one message of a tail.
type TailFrame struct {
	Lines      Lines
	Dropped    []Dropped
	Categorize bool
}

// Dropped is a line that a tail let go because its client was too slow.
type Dropped struct {
	Time   int64
	Labels logs.Labels
}

// AppendTailFrame appends the message as JSON.
func AppendTailFrame(dst []byte, f *TailFrame) []byte {
	dst = append(dst, '{')
	if f.Categorize {
		dst = appendFlags(dst)
	}
	dst = append(dst, `"streams":`...)
	dst = appendStreams(dst, f.Lines, f.Categorize)
	if len(f.Dropped) > 0 {
		dst = append(dst, `,"dropped_entries":[`...)
		for i, d := range f.Dropped {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"timestamp":"`...)
			dst = strconv.AppendInt(dst, d.Time, 10)
			dst = append(dst, `","labels":`...)
			dst = append(appendJSONLabels(dst, d.Labels), '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
