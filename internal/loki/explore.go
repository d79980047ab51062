package loki

import (
	"strconv"

	"github.com/remora-ray/remora/internal/logs"
)

// DetectedLabel is a label with how many values it has.
type DetectedLabel struct {
	Label       string
	Cardinality int
}

// AppendDetectedLabels appends the answer of detected_labels, {} for none.
func AppendDetectedLabels(dst []byte, list []DetectedLabel) []byte {
	if len(list) == 0 {
		return append(dst, `{}`...)
	}
	dst = append(dst, `{"detectedLabels":[`...)
	for i, l := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSONString(append(dst, `{"label":`...), l.Label)
		dst = strconv.AppendInt(append(dst, `,"cardinality":`...), int64(l.Cardinality), 10)
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

// DetectedField is a field that was found in lines or beside them.
type DetectedField struct {
	Label, Type string
	Cardinality int
	Parsers     []string // nil: structured metadata
	JSONPath    []string
}

// AppendDetectedFields appends the answer of detected_fields, {} for none.
func AppendDetectedFields(dst []byte, list []DetectedField, limit int) []byte {
	if len(list) == 0 {
		return append(dst, `{}`...)
	}
	dst = append(dst, `{"fields":[`...)
	for i, f := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSONString(append(dst, `{"label":`...), f.Label)
		dst = AppendJSONString(append(dst, `,"type":`...), f.Type)
		dst = strconv.AppendInt(append(dst, `,"cardinality":`...), int64(f.Cardinality), 10)
		dst = append(dst, `,"parsers":`...)
		if f.Parsers == nil {
			dst = append(dst, `null`...)
		} else {
			dst = appendJSONStrings(dst, f.Parsers)
		}
		if len(f.JSONPath) > 0 {
			dst = appendJSONStrings(append(dst, `,"jsonPath":`...), f.JSONPath)
		}
		dst = append(dst, '}')
	}
	dst = strconv.AppendInt(append(dst, `],"limit":`...), int64(limit), 10)
	return append(dst, '}')
}

// AppendFieldValues appends the answer of detected_field values, {} for none.
func AppendFieldValues(dst []byte, values []string, limit int) []byte {
	if len(values) == 0 {
		return append(dst, `{}`...)
	}
	dst = appendJSONStrings(append(dst, `{"values":`...), values)
	dst = strconv.AppendInt(append(dst, `,"limit":`...), int64(limit), 10)
	return append(dst, '}')
}

// Pattern is what lines have in common, and how many there were of it: at the
// seconds in which their steps begin.
type Pattern struct {
	Pattern, Level string
	Samples        []PatternSample
}

// PatternSample counts the lines of a step.
type PatternSample struct{ Second, Count int64 }

// AppendPatterns appends the answer of patterns.
func AppendPatterns(dst []byte, list []Pattern) []byte {
	dst = append(dst, `{"status":"success","data":[`...)
	for i, p := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSONString(append(dst, `{"pattern":`...), p.Pattern)
		dst = AppendJSONString(append(dst, `,"level":`...), p.Level)
		dst = append(dst, `,"samples":[`...)
		for j, s := range p.Samples {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(append(dst, '['), s.Second, 10)
			dst = strconv.AppendInt(append(dst, ','), s.Count, 10)
			dst = append(dst, ']')
		}
		dst = append(dst, `]}`...)
	}
	return append(dst, `]}`...)
}

// Volume is how many bytes of lines some labels have.
type Volume struct {
	Labels logs.Labels
	Bytes  uint64
}
