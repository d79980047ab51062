package syntax

import "strconv"

func (p *printer) stage(s Stage) {
	if f, ok := s.(*LineFilter); ok {
		p.lineFilter(f)
		return
	}
	p.put("| ")
	switch s := s.(type) {
	case *JSONStage:
		p.put("json")
		p.extractions(s.Exprs)
	case *LogfmtStage:
		p.put("logfmt")
		if s.Strict {
			p.put(" --strict")
		}
		if s.KeepEmpty {
			p.put(" --keep-empty")
		}
		p.extractions(s.Exprs)
	case *RegexpStage:
		p.put("regexp ")
		p.quote(s.Pattern)
	case *PatternStage:
		p.put("pattern ")
		p.quote(s.Pattern)
	case *LabelFilterStage:
		p.filterStage(s.Filter)
	case *LineFormatStage:
		p.put("line_format ")
		p.quote(s.Template)
	case *LabelFormatStage:
		p.labelFormat(s)
	case *DropStage:
		p.put("drop ")
		p.labelRefs(s.Labels)
	case *KeepStage:
		p.put("keep ")
		p.labelRefs(s.Labels)
	default:
		p.put(s.Name())
	}
}

func (p *printer) lineFilter(f *LineFilter) {
	p.put(string(f.Op), " ")
	for i, t := range f.Terms {
		if i > 0 {
			p.put(" or ")
		}
		if t.IP {
			p.ip(t.Value)
		} else {
			p.quote(t.Value)
		}
	}
}

func (p *printer) ip(pattern string) {
	p.put("ip(")
	p.quote(pattern)
	p.put(")")
}

func (p *printer) extractions(list []Extraction) {
	for i, x := range list {
		if i > 0 {
			p.put(",")
		}
		p.put(" ", x.Name, "=")
		p.quote(x.Expr)
	}
}

func (p *printer) labelFormat(s *LabelFormatStage) {
	p.put("label_format ")
	for i, f := range s.Formats {
		if i > 0 {
			p.put(",")
		}
		p.put(f.Name, "=")
		if f.From != "" {
			p.put(f.From)
		} else {
			p.quote(f.Template)
		}
	}
}

func (p *printer) labelRefs(list []LabelRef) {
	for i, l := range list {
		if i > 0 {
			p.put(", ")
		}
		if l.Matcher != nil {
			p.matcher(*l.Matcher)
		} else {
			p.put(l.Name)
		}
	}
}

// filterStage writes a label filter after its pipe. In parentheses no word is
// taken for a stage.
func (p *printer) filterStage(f LabelFilter) {
	if stageWords[lower(firstName(f))] {
		p.put("(")
		p.filter(f)
		p.put(")")
		return
	}
	p.filter(f)
}

func (p *printer) filter(f LabelFilter) {
	switch f := f.(type) {
	case *StringFilter:
		p.matcher(f.Matcher)
	case *NumberFilter:
		p.put(f.Name, string(f.Op), formatFloat(f.Value))
	case *DurationFilter:
		p.put(f.Name, string(f.Op), formatDuration(f.Value))
	case *BytesFilter:
		p.put(f.Name, string(f.Op), strconv.FormatUint(f.Value, 10), "B")
	case *IPFilter:
		p.put(f.Name, map[bool]string{false: "=", true: "!="}[f.Not])
		p.ip(f.Pattern)
	case *BinaryFilter:
		p.filterSide(f, f.L, false)
		if f.Or {
			p.put(" or ")
		} else {
			p.put(" and ")
		}
		p.filterSide(f, f.R, true)
	}
}

// filterSide writes one side of f, in parentheses where it would else be read
// as part of another condition.
func (p *printer) filterSide(f *BinaryFilter, side LabelFilter, right bool) {
	if b, ok := side.(*BinaryFilter); ok && (right || b.Or && !f.Or) && !(right && f.Or && !b.Or) {
		p.put("(")
		p.filter(side)
		p.put(")")
		return
	}
	p.filter(side)
}

// firstName is the label that a filter begins with when printed, "" where that
// is a parenthesis.
func firstName(f LabelFilter) string {
	switch f := f.(type) {
	case *StringFilter:
		return f.Name
	case *NumberFilter:
		return f.Name
	case *DurationFilter:
		return f.Name
	case *BytesFilter:
		return f.Name
	case *IPFilter:
		return f.Name
	case *BinaryFilter:
		if l, ok := f.L.(*BinaryFilter); ok && l.Or && !f.Or {
			return ""
		}
		return firstName(f.L)
	}
	return ""
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}
