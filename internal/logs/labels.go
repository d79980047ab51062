// Package logs is the vocabulary of the whole repository: labels, entries,
// matchers and what may be asked of a store. It depends on the standard library
// only, and nothing in it does I/O.
package logs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Label is one name and its value.
type Label struct {
	Name, Value string
}

// Labels is a set of labels sorted by name, each name once. The zero value is
// the empty set. A Labels that has been handed out is never changed.
type Labels []Label

// LabelsOf makes a set from name, value, name, value…; a later pair of the same
// name wins and an empty value removes the name. It panics on an odd count.
func LabelsOf(pairs ...string) Labels {
	if len(pairs)%2 != 0 {
		panic("logs: LabelsOf needs pairs of name and value")
	}
	ls := make(Labels, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		ls = append(ls, Label{pairs[i], pairs[i+1]})
	}
	return Normalize(ls)
}

// Normalize sorts ls by name in place, keeps the last of equal names, removes
// empty values, and returns the result.
func Normalize(ls []Label) Labels {
	if normal(ls) {
		return ls
	}
	slices.SortStableFunc(ls, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	out := ls[:0]
	for i, l := range ls {
		if i+1 < len(ls) && ls[i+1].Name == l.Name {
			continue
		}
		if l.Value != "" {
			out = append(out, l)
		}
	}
	return Labels(out)
}

// normal reports whether Normalize leaves ls as it is, as most senders sort.
func normal(ls []Label) bool {
	for i := range ls {
		if ls[i].Value == "" || i > 0 && ls[i-1].Name >= ls[i].Name {
			return false
		}
	}
	return true
}

// Get returns the value of name, or "" where the set has no such name.
func (ls Labels) Get(name string) string {
	v, _ := ls.Lookup(name)
	return v
}

// Lookup returns the value of name and whether the set has it.
func (ls Labels) Lookup(name string) (string, bool) {
	if len(ls) < 8 {
		for i := range ls {
			if ls[i].Name == name {
				return ls[i].Value, true
			}
		}
		return "", false
	}
	i, ok := slices.BinarySearchFunc(ls, name, func(l Label, n string) int { return strings.Compare(l.Name, n) })
	if !ok {
		return "", false
	}
	return ls[i].Value, true
}

// Equal reports whether both sets hold the same labels.
func (ls Labels) Equal(other Labels) bool { return slices.Equal(ls, other) }

// Compare orders sets by name, then value, label by label.
func (ls Labels) Compare(other Labels) int {
	return slices.CompareFunc(ls, other, func(a, b Label) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Value, b.Value)
	})
}

// Clone returns a copy that shares no memory with ls.
func (ls Labels) Clone() Labels {
	if ls == nil {
		return nil
	}
	c := make(Labels, len(ls))
	for i, l := range ls {
		c[i] = Label{strings.Clone(l.Name), strings.Clone(l.Value)}
	}
	return c
}

// Map returns the set as a new map.
func (ls Labels) Map() map[string]string {
	m := make(map[string]string, len(ls))
	for _, l := range ls {
		m[l.Name] = l.Value
	}
	return m
}

// String writes the set as LogQL and Loki's push write a stream:
// {a="b", c="d"}, sorted by name, values quoted as Go strings.
func (ls Labels) String() string {
	b := make([]byte, 0, 32*len(ls)+2)
	b = append(b, '{')
	for i, l := range ls {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, l.Name...)
		b = append(b, '=')
		b = strconv.AppendQuote(b, l.Value)
	}
	return string(append(b, '}'))
}

// ParseLabels reads a stream as pushes carry it: {a="b", c='d'} with commas,
// values quoted as Go or single-quoted strings; label names are
// [a-zA-Z_][a-zA-Z0-9_]*. Labels with an empty value are dropped, as Loki does.
func ParseLabels(s string) (Labels, error) {
	rest := strings.TrimSpace(s)
	if !strings.HasPrefix(rest, "{") || !strings.HasSuffix(rest, "}") {
		return nil, fmt.Errorf("labels %s are not enclosed in {}", quoteShort(s))
	}
	rest = strings.TrimSpace(rest[1 : len(rest)-1])
	ls := make([]Label, 0, 8)
	for rest != "" {
		eq := strings.IndexByte(rest, '=')
		if eq < 0 {
			return nil, fmt.Errorf("label %s has no value", quoteShort(rest))
		}
		name := strings.TrimSpace(rest[:eq])
		if !ValidName(name) {
			return nil, fmt.Errorf("label name %s does not match [a-zA-Z_][a-zA-Z0-9_]*", quoteShort(name))
		}
		value, after, err := unquotePrefix(strings.TrimLeft(rest[eq+1:], " \t"))
		if err != nil {
			return nil, fmt.Errorf("value of label %s: %w", name, err)
		}
		ls = append(ls, Label{name, value})
		rest = strings.TrimSpace(after)
		if rest == "" {
			break
		}
		if rest[0] != ',' {
			return nil, fmt.Errorf("expected a comma before %s", quoteShort(rest))
		}
		rest = strings.TrimSpace(rest[1:])
	}
	if name, twice := Repeated(ls); twice {
		return nil, fmt.Errorf("label %s appears twice", name)
	}
	return Normalize(ls), nil
}

// Repeated sorts ls by name in place and returns a name that it holds twice.
func Repeated(ls []Label) (name string, twice bool) {
	slices.SortStableFunc(ls, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(ls); i++ {
		if ls[i].Name == ls[i-1].Name {
			return ls[i].Name, true
		}
	}
	return "", false
}

// ValidName reports whether s may name a label: [a-zA-Z_][a-zA-Z0-9_]*.
func ValidName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func unquotePrefix(s string) (value, rest string, err error) {
	if strings.HasPrefix(s, "'") {
		// strconv reads single quotes as one rune only.
		end := 1
		for end < len(s) && s[end] != '\'' {
			if s[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(s) {
			return "", "", fmt.Errorf("%s is not closed", quoteShort(s))
		}
		body := strings.ReplaceAll(strings.ReplaceAll(s[1:end], `\'`, `'`), `"`, `\"`)
		value, err = strconv.Unquote(`"` + body + `"`)
		return value, s[end+1:], err
	}
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", "", fmt.Errorf("%s is not a quoted string", quoteShort(s))
	}
	value, err = strconv.Unquote(quoted)
	return value, s[len(quoted):], err
}

// quoteShort quotes at most 64 bytes of s for an error message.
func quoteShort(s string) string {
	if len(s) > 64 {
		return strconv.Quote(s[:64]) + "…"
	}
	return strconv.Quote(s)
}
