package syntax

import (
	"math"
	"strconv"
	"strings"
)

func formatStage(s Stage) string {
	switch s := s.(type) {
	case *LineFilter:
		return formatLineFilter(s)
	case *JSONStage:
		return "| json" + formatExtractions(s.Exprs)
	case *LogfmtStage:
		text := "| logfmt"
		if s.Strict {
			text += " --strict"
		}
		if s.KeepEmpty {
			text += " --keep-empty"
		}
		return text + formatExtractions(s.Exprs)
	case *LabelFilterStage:
		text := formatLabelFilter(s.Filter)
		// In parentheses no word is taken for a stage.
		if _, isBinary := s.Filter.(*BinaryFilter); !isBinary && stageWords[lower(firstName(s.Filter))] {
			text = "(" + text + ")"
		}
		return "| " + text
	case *RegexpStage:
		return "| regexp " + strconv.Quote(s.Pattern)
	case *PatternStage:
		return "| pattern " + strconv.Quote(s.Pattern)
	case *LineFormatStage:
		return "| line_format " + strconv.Quote(s.Template)
	case *LabelFormatStage:
		list := make([]string, len(s.Formats))
		for i, f := range s.Formats {
			if list[i] = f.Name + "=" + f.From; f.From == "" {
				list[i] += strconv.Quote(f.Template)
			}
		}
		return "| label_format " + strings.Join(list, ",")
	case *DropStage:
		return "| drop " + formatLabelRefs(s.Labels)
	case *KeepStage:
		return "| keep " + formatLabelRefs(s.Labels)
	}
	return "| " + s.Name()
}

// formatLineFilter repeats the operator for each text that must not be there.
func formatLineFilter(f *LineFilter) string {
	list := make([]string, len(f.Terms))
	for i, t := range f.Terms {
		if list[i] = strconv.Quote(t.Value); t.IP {
			list[i] = "ip(" + list[i] + ")"
		}
	}
	between := " or "
	if f.Op.Negative() {
		between = " " + string(f.Op) + " "
	}
	return string(f.Op) + " " + strings.Join(list, between)
}

func formatExtractions(exprs []Extraction) string {
	if len(exprs) == 0 {
		return ""
	}
	list := make([]string, len(exprs))
	for i, x := range exprs {
		list[i] = x.Name + "=" + strconv.Quote(x.Expr)
	}
	return " " + strings.Join(list, ",")
}

func formatLabelRefs(refs []LabelRef) string {
	list := make([]string, len(refs))
	for i, r := range refs {
		if list[i] = r.Name; r.Matcher != nil {
			list[i] += r.Matcher.Op.String() + strconv.Quote(r.Matcher.Value)
		}
	}
	return strings.Join(list, ",")
}

func formatLabelFilter(f LabelFilter) string {
	switch f := f.(type) {
	case *StringFilter:
		return f.Name + f.Op.String() + quoteValue(f.Matcher)
	case *NumberFilter:
		return f.Name + string(f.Op) + strconv.FormatFloat(f.Value, 'f', -1, 64)
	case *DurationFilter:
		return f.Name + string(f.Op) + f.Value.String()
	case *BytesFilter:
		return f.Name + string(f.Op) + FormatSize(f.Value)
	case *IPFilter:
		op := "="
		if f.Not {
			op = "!="
		}
		return f.Name + op + "ip(" + strconv.Quote(f.Pattern) + ")"
	case *BinaryFilter:
		op := " , "
		if f.Or {
			op = " or "
		}
		return "( " + formatLabelFilter(f.L) + op + formatLabelFilter(f.R) + " )"
	}
	return ""
}

// FormatSize writes a size with two digits: 7.0kB, 10MB.
func FormatSize(n uint64) string {
	if n < 10 {
		return strconv.FormatUint(n, 10) + "B"
	}
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	power := int(math.Floor(math.Log(float64(n)) / math.Log(1000)))
	v := math.Floor(float64(n)/math.Pow(1000, float64(power))*10+0.5) / 10
	digits := 0
	if v < 10 {
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + units[power]
}
