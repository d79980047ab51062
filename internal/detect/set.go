package detect

import (
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/logs"
)

// Info is what is known of a field.
type Info struct {
	Name     string
	Type     string   // string, int, float, boolean, duration or bytes
	Distinct int      // values
	Parsers  []string // json, logfmt: what finds it in a line; nil for structured metadata
	JSONPath []string // names that lead to it, where json finds it
}

// Fields gathers the fields of lines.
type Fields struct {
	limit  int
	byName map[string]*field
	order  []*field
	kept   int // values of all fields
	seed   maphash.Seed
}

type field struct {
	Info
	values map[uint64]struct{}
}

// maxValues bounds the values that all fields remember together; beyond it they
// are not told apart.
const maxValues = 500_000

// NewFields gathers at most limit fields.
func NewFields(limit int) *Fields {
	return &Fields{limit: limit, byName: make(map[string]*field), seed: maphash.MakeSeed()}
}

// Line is what a query returns of one line.
type Line struct {
	Text                     string
	Stream, Metadata, Parsed logs.Labels
}

// Add takes the fields of a line: what stands in it as JSON or else as logfmt,
// what the query has found, and its structured metadata.
func (fs *Fields) Add(l *Line) {
	Each(l, func(name, value, parser string, path []string) {
		f := fs.byName[name]
		if f == nil {
			if len(fs.order) == fs.limit {
				return
			}
			f = &field{Info: Info{Name: strings.Clone(name)}, values: make(map[uint64]struct{})}
			fs.byName[f.Name] = f
			fs.order = append(fs.order, f)
		}
		f.Type = TypeOf(value) // the last one's, as in Loki
		if parser != "" && !slices.Contains(f.Parsers, parser) {
			f.Parsers = append(f.Parsers, parser)
		}
		if parser == "json" { // the last one's too
			f.JSONPath = nil
			for _, step := range path {
				f.JSONPath = append(f.JSONPath, strings.Clone(step))
			}
		}
		h := maphash.String(fs.seed, value)
		if _, seen := f.values[h]; !seen && fs.kept < maxValues {
			f.values[h] = struct{}{}
			f.Distinct++
			fs.kept++
		}
	})
}

// List returns the fields, in the order in which they were found.
func (fs *Fields) List() []Info {
	out := make([]Info, len(fs.order))
	for i, f := range fs.order {
		out[i] = f.Info
	}
	return out
}

// Each calls visit for each field of a line: of its structured metadata, then of
// its text, each name once there, then what a query has found in it. The path is
// valid until visit returns.
func Each(l *Line, visit func(name, value, parser string, path []string)) {
	for _, m := range l.Metadata {
		visit(m.Name, m.Value, "", nil)
	}
	paths := make(map[string][]string)
	once := func(name, value, parser string, path []string) {
		if _, ok := l.Stream.Lookup(name); ok {
			name += "_extracted"
		}
		if _, seen := paths[name]; name != "" && !seen {
			paths[name] = slices.Clone(path)
			visit(name, value, parser, path)
		}
	}
	parser := eachInText(l.Text, once)
	for _, p := range l.Parsed {
		if p.Name != "__error__" && p.Name != "__error_details__" {
			visit(p.Name, p.Value, parser, paths[p.Name])
		}
	}
}

// eachInText visits the fields that stand in a line and names what found them. What
// follows an object is passed over, as | json does.
func eachInText(text string, visit func(name, value, parser string, path []string)) (parser string) {
	trimmed := strings.TrimLeft(text, " \t\r\n")
	if strings.HasPrefix(trimmed, "{") {
		var name []byte
		if _, ok := firstObject(trimmed, 0, nil); !ok {
			// Broken: what stands before the fault is not taken.
			return eachLogfmt(text, visit)
		}
		firstObject(trimmed, maxDepth, func(path []string, f Field) bool {
			if f.Kind == Null {
				return true
			}
			name = name[:0]
			for i, step := range path {
				if i > 0 {
					name = append(name, '_')
				}
				name = appendName(name, step)
			}
			value := f.Raw
			if f.Kind == String {
				value = unescaped(value)
			}
			visit(string(name), value, "json", path)
			return true
		})
		return "json"
	}
	return eachLogfmt(text, visit)
}

// eachLogfmt visits pairs. It is also said to have found the labels that the query
// found in other ways.
func eachLogfmt(text string, visit func(name, value, parser string, path []string)) (parser string) {
	parser = "logfmt"
	eachPair(text, true, func(key, value string) bool {
		if value != "" {
			visit(string(appendName(nil, key)), value, parser, nil)
		}
		return true
	})
	return parser
}

// appendName makes a label's name of a key.
func appendName(dst []byte, key string) []byte {
	key = strings.TrimSpace(key)
	if key != "" && '0' <= key[0] && key[0] <= '9' && len(dst) == 0 {
		dst = append(dst, '_')
	}
	for _, r := range key {
		if r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			dst = append(dst, byte(r))
		} else {
			dst = append(dst, '_')
		}
	}
	return dst
}

// TypeOf tells what a value looks like.
func TypeOf(value string) string {
	if value == "" {
		return "string"
	}
	if _, err := strconv.ParseInt(value, 10, 64); err == nil {
		return "int"
	}
	if _, err := strconv.ParseFloat(value, 64); err == nil {
		return "float"
	}
	if _, err := strconv.ParseBool(value); err == nil {
		return "boolean"
	}
	if _, err := time.ParseDuration(value); err == nil {
		return "duration"
	}
	if isBytes(value) {
		return "bytes"
	}
	return "string"
}

// isBytes reports whether a value is a size such as 5MB, 1.5 KiB or 1,000.
func isBytes(value string) bool {
	end := strings.IndexFunc(value, func(r rune) bool { return (r < '0' || r > '9') && r != '.' && r != ',' })
	if end < 0 {
		end = len(value)
	}
	if n := strings.ReplaceAll(value[:end], ",", ""); n == "" {
		return false
	} else if _, err := strconv.ParseFloat(n, 64); err != nil {
		return false
	}
	unit := strings.ToLower(strings.TrimSpace(value[end:]))
	if unit == "" || unit == "b" {
		return true
	}
	if strings.IndexByte("kmgtpe", unit[0]) < 0 {
		return false
	}
	switch unit[1:] {
	case "", "b", "i", "ib":
		return true
	}
	return false
}

// TellsNothing reports whether every value is a number or a UUID: such a label
// names single things and groups nothing.
func TellsNothing(values []string) bool {
	for _, v := range values {
		if _, err := strconv.ParseFloat(v, 64); err != nil && !isUUID(v) {
			return false
		}
	}
	return true
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (c == '-') {
			return false
		}
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
