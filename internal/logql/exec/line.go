package exec

import (
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/logs"
)

// Names of the labels that say what went wrong with a line.
const (
	errorLabel   = "__error__"
	detailsLabel = "__error_details__"
	keepErrors   = "__preserve_error__"
	tenantLabel  = "__tenant_id__" // where several tenants are asked
)

// line is one line on its way through a pipeline. One is used for all lines of a
// query; it makes no map and in steady state allocates nothing.
type line struct {
	time   int64
	text   string
	stream logs.Labels
	meta   logs.Labels
	parsed []logs.Label
	hidden []string // labels of stream and meta that are removed or replaced

	err, details string
	misread      bool // the error is that of a parser

	want  []string // the labels that parsers are to find; nil for all
	whole bool     // parsers read on when they have found them

	scratch   []logs.Label
	extracted map[string]string // names with the suffix _extracted, made once
}

// reset begins with a record. Structured metadata that is called like a label of
// the stream gets the suffix _extracted.
func (l *line) reset(r *logs.Record) {
	l.time, l.text = r.Time, r.Line
	l.stream, l.meta = r.Stream, r.Metadata
	l.parsed, l.hidden = l.parsed[:0], l.hidden[:0]
	l.err, l.details, l.misread = "", "", false
	if clash(l.stream, l.meta) {
		l.meta = renamed(l.stream, l.meta)
	}
}

// clash reports whether two sorted sets share a name.
func clash(a, b logs.Labels) bool {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch c := strings.Compare(a[i].Name, b[j].Name); {
		case c == 0:
			return true
		case c < 0:
			i++
		default:
			j++
		}
	}
	return false
}

func renamed(stream, meta logs.Labels) logs.Labels {
	out := make([]logs.Label, 0, len(meta))
	for _, m := range meta {
		if _, ok := stream.Lookup(m.Name); ok {
			m.Name += "_extracted"
		}
		out = append(out, m)
	}
	return logs.Normalize(out)
}

// lookup finds the label that a line shows under a name.
func (l *line) lookup(name string) (string, bool) {
	if strings.HasPrefix(name, "__") {
		switch name {
		case errorLabel:
			return l.err, l.err != ""
		case detailsLabel:
			return l.details, l.details != ""
		}
	}
	return l.label(name)
}

// label finds a label that is found or stored, be it called like those of errors.
func (l *line) label(name string) (string, bool) {
	if name == tenantLabel { // no stage sees it
		return "", false
	}
	for i := range l.parsed {
		if l.parsed[i].Name == name {
			return l.parsed[i].Value, true
		}
	}
	return l.base(name)
}

// base finds a label of the stream or the structured metadata.
func (l *line) base(name string) (string, bool) {
	if len(l.hidden) > 0 && slices.Contains(l.hidden, name) {
		return "", false
	}
	if v, ok := find(l.stream, name); ok {
		return v, true
	}
	return find(l.meta, name)
}

// find is Labels.Lookup for sets that are mostly smaller than 32: to compare
// each name is faster there than to search, as most differ in length.
func find(ls logs.Labels, name string) (string, bool) {
	if len(ls) > 32 {
		return ls.Lookup(name)
	}
	for i := range ls {
		if ls[i].Name == name {
			return ls[i].Value, true
		}
	}
	return "", false
}

// shown is the value of the label that an answer shows under a name.
func (l *line) shown(name string) string {
	v, ok := l.lookup(name)
	if !ok && (name == errorLabel || name == detailsLabel) {
		v, _ = l.label(name)
	}
	return v
}

func (l *line) get(name string) string {
	v, _ := l.lookup(name)
	return v
}

// parsedName is the name that a label found in the line gets: another one where
// the line came with such a label, be it removed since or not.
func (l *line) parsedName(name string) string {
	if _, ok := find(l.stream, name); !ok {
		if _, ok := find(l.meta, name); !ok {
			return name
		}
	}
	if s, ok := l.extracted[name]; ok {
		return s
	}
	if l.extracted == nil || len(l.extracted) >= maxNames {
		l.extracted = make(map[string]string)
	}
	s := name + "_extracted"
	l.extracted[name] = s
	return s
}

// add sets a label found in the line, unless one was found before or nobody
// wants it.
func (l *line) add(name, value string) {
	name = l.parsedName(name)
	if l.want != nil && !slices.Contains(l.want, name) {
		return
	}
	for i := range l.parsed {
		if l.parsed[i].Name == name {
			return
		}
	}
	l.hide(name)
	l.parsed = append(l.parsed, logs.Label{Name: name, Value: value})
}

// found reports whether a parser may stop, as all labels that are wanted have
// been found.
func (l *line) found() bool { return l.want != nil && !l.whole && len(l.parsed) >= len(l.want) }

// put sets a label that an expression found in the line, also one found before.
func (l *line) put(name, value string) {
	name = l.parsedName(name)
	if l.want == nil || slices.Contains(l.want, name) {
		l.set(name, value)
	}
}

// set sets a label and hides others of that name.
func (l *line) set(name, value string) {
	for i := range l.parsed {
		if l.parsed[i].Name == name {
			l.parsed[i].Value = value
			return
		}
	}
	l.hide(name)
	l.parsed = append(l.parsed, logs.Label{Name: name, Value: value})
}

func (l *line) hide(name string) {
	if _, ok := l.base(name); ok {
		l.hidden = append(l.hidden, name)
	}
}

func (l *line) remove(name string) {
	switch name {
	case errorLabel:
		l.err = ""
		return
	case detailsLabel:
		l.details = ""
		return
	}
	l.removeLabel(name)
}

// removeLabel removes what label finds.
func (l *line) removeLabel(name string) {
	l.hide(name)
	l.parsed = slices.DeleteFunc(l.parsed, func(x logs.Label) bool { return x.Name == name })
}

// fail marks the line with an error; the last one stays.
func (l *line) fail(name, details string) { l.err, l.details, l.misread = name, details, false }

// misreads marks the line as one that a parser could not read.
func (l *line) misreads(name, details string) {
	l.fail(name, details)
	l.misread = true
}

// all returns every label of the line, sorted by name; valid until the next call.
func (l *line) all() []logs.Label {
	out := l.scratch[:0]
	out = l.appendShown(out, l.stream)
	out = l.appendShown(out, l.meta)
	out = append(out, l.parsed...)
	if l.err != "" {
		out = append(out, logs.Label{Name: errorLabel, Value: l.err})
	}
	if l.details != "" {
		out = append(out, logs.Label{Name: detailsLabel, Value: l.details})
	}
	slices.SortFunc(out, byName)
	l.scratch = out
	return out
}

func byName(a, b logs.Label) int { return strings.Compare(a.Name, b.Name) }

func (l *line) appendShown(dst []logs.Label, ls logs.Labels) []logs.Label {
	if len(l.hidden) == 0 {
		return append(dst, ls...)
	}
	for _, x := range ls {
		if !slices.Contains(l.hidden, x.Name) {
			dst = append(dst, x)
		}
	}
	return dst
}

// size is how many bytes the line and what was found in it have.
func (l *line) size() int {
	n := len(l.text)
	for i := range l.parsed {
		n += len(l.parsed[i].Name) + len(l.parsed[i].Value)
	}
	return n
}

// answer is the line as a log query returns it. It shares nothing that the next
// line changes.
func (l *line) answer() Line {
	out := Line{Time: l.time, Line: l.text, Stream: l.stream, Metadata: l.meta}
	if len(l.hidden) > 0 {
		out.Stream = l.appendShown(make(logs.Labels, 0, len(l.stream)), l.stream)
		out.Metadata = l.appendShown(make(logs.Labels, 0, len(l.meta)), l.meta)
	}
	n := len(l.parsed)
	if n == 0 && l.err == "" && l.details == "" {
		return out
	}
	out.Parsed = append(make(logs.Labels, 0, n+2), l.parsed...)
	if l.err != "" {
		out.Parsed = append(out.Parsed, logs.Label{Name: errorLabel, Value: l.err})
	}
	if l.details != "" {
		out.Parsed = append(out.Parsed, logs.Label{Name: detailsLabel, Value: l.details})
	}
	slices.SortFunc(out.Parsed, byName)
	return out
}
