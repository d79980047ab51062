package stage

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/logs"
)

// settings are what a configuration says of one stage. Its methods note the first
// mistake with the compiler and then return zero values.
type settings struct {
	*compiler
	at    *yaml.Node // the stage's name
	name  string
	depth int
	body  *yaml.Node
	known []string
	key   map[string]*yaml.Node // as written
	value map[string]*yaml.Node
}

// open reads the keys. Unknown ones are mistakes.
func (s *settings) open(keys []Key) {
	s.key, s.value = map[string]*yaml.Node{}, map[string]*yaml.Node{}
	for _, k := range keys {
		s.known = append(s.known, k.Name)
	}
	b := s.body
	if b == nil || b.Kind == yaml.ScalarNode && (b.Tag == "!!null" || b.Value == "") {
		return
	}
	if b.Kind != yaml.MappingNode {
		s.fail(b, "%s takes keys and values: %v", s.name, s.known)
		return
	}
	for i := 0; i+1 < len(b.Content); i += 2 {
		k, v := s.read(b.Content[i]), s.read(b.Content[i+1])
		switch {
		case !slices.Contains(s.known, k.Value):
			s.fail(k, "unknown key %s in %s%s", quote(k.Value), s.name, hint(k.Value, s.known))
		case s.key[k.Value] != nil:
			s.fail(k, "key %q of %s is there twice", k.Value, s.name)
		}
		s.key[k.Value], s.value[k.Value] = k, v
	}
}

// has reports whether the key was given.
func (s *settings) has(key string) bool { return s.value[key] != nil }

// wrong notes a mistake in the value of key.
func (s *settings) wrong(key, format string, args ...any) {
	n := s.value[key]
	if n == nil {
		n = s.at
	}
	s.fail(n, s.name+"."+key+" "+format, args...)
}

// need notes keys that are missing.
func (s *settings) need(keys ...string) {
	for _, k := range keys {
		if !s.has(k) {
			s.fail(s.at, "%s needs the key %q", s.name, k)
		}
	}
}

// text is a scalar, or otherwise.
func (s *settings) text(key, otherwise string) string {
	n := s.value[key]
	if n == nil {
		return otherwise
	}
	if n.Kind != yaml.ScalarNode {
		s.wrong(key, "must be one value")
		return otherwise
	}
	return n.Value
}

// word is one of a set of words.
func (s *settings) word(key, otherwise string, words ...string) string {
	v := s.text(key, otherwise)
	if !slices.Contains(words, v) {
		s.wrong(key, "cannot be %s%s", quote(v), hint(v, words))
	}
	return v
}

// texts is a list, or one scalar as a list of one.
func (s *settings) texts(key string) []string {
	n := s.value[key]
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.ScalarNode:
		return []string{n.Value}
	case n.Kind != yaml.SequenceNode:
		s.wrong(key, "must be a list")
		return nil
	}
	var out []string
	for _, x := range n.Content {
		x = s.read(x)
		if x.Kind != yaml.ScalarNode {
			s.fail(x, "%s.%s must be a list of plain values", s.name, key)
			return nil
		}
		out = append(out, x.Value)
	}
	return out
}

// pair is one key and value of a mapping.
type pair struct {
	name, value string
	at, valueAt *yaml.Node
}

// pairs is a mapping in the order written.
func (s *settings) pairs(key string) []pair {
	n := s.value[key]
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		s.wrong(key, "must map names to values")
		return nil
	}
	var out []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := s.read(n.Content[i]), s.read(n.Content[i+1])
		if k.Kind != yaml.ScalarNode || v.Kind != yaml.ScalarNode {
			s.fail(k, "%s.%s must map names to plain values", s.name, key)
			return nil
		}
		value := v.Value
		if v.Tag == "!!null" {
			value = ""
		}
		out = append(out, pair{k.Value, value, k, v})
	}
	return out
}

// names maps names to those that their values have elsewhere: a list, and a name
// without a value, mean the same name.
func (s *settings) names(key string) []pair {
	if n := s.value[key]; n != nil && n.Kind != yaml.MappingNode {
		var out []pair
		for _, v := range s.texts(key) {
			out = append(out, pair{v, v, n, n})
		}
		return out
	}
	out := s.pairs(key)
	for i := range out {
		if out[i].value == "" {
			out[i].value = out[i].name
		}
	}
	return out
}

// number is a finite number above least, or otherwise.
func (s *settings) number(key string, otherwise, least float64) float64 {
	if !s.has(key) {
		return otherwise
	}
	v, err := strconv.ParseFloat(s.text(key, ""), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < least {
		s.wrong(key, "must be a number of at least %v, not %s", least, quote(s.text(key, "")))
		return otherwise
	}
	return v
}

// size is a number of bytes, also with a unit, or otherwise.
func (s *settings) size(key string, otherwise int) int {
	if !s.has(key) {
		return otherwise
	}
	text := s.text(key, "")
	digits := strings.TrimRight(text, "KMGiBkb ")
	unit, known := sizeUnits[strings.TrimSpace(text[len(digits):])]
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || !known || n < 0 || n*unit > 1<<30 {
		s.wrong(key, "must be a size such as 4096, 8KiB or 1MB, not %s", quote(text))
		return otherwise
	}
	return int(n * unit)
}

var sizeUnits = map[string]int64{
	"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "KiB": 1 << 10, "MiB": 1 << 20, "K": 1 << 10, "M": 1 << 20,
}

// expression is a regular expression (RE2); nil where the key is missing.
func (s *settings) expression(key string) *regexp.Regexp {
	if !s.has(key) {
		return nil
	}
	re, err := regexp.Compile(s.text(key, ""))
	if err != nil {
		s.wrong(key, "is no regular expression of RE2: %v", err)
		return nil
	}
	return re
}

// whole compiles a regular expression that is anchored at both ends.
func (s *settings) whole(at *yaml.Node, text string) *regexp.Regexp {
	re, err := regexp.Compile("^(?s:" + text + ")$")
	if err != nil {
		s.fail(at, "%s is no regular expression of RE2: %v", quote(text), err)
	}
	return re
}

// reason is why lines are dropped: the stage's name if nothing else is said.
func (s *settings) reason() string {
	v := s.text("reason", s.name)
	if !logs.ValidName(strings.ReplaceAll(v, "-", "_")) || len(v) > 64 {
		s.wrong("reason", "is a short name of letters, digits, _ and -, not %s", quote(v))
	}
	return v
}

// source names what to read: the line if nothing else is said.
func (s *settings) source() string { return s.text("source", nameLine) }

// nested compiles the stages in a key.
func (s *settings) nested(key string) []step {
	n := s.value[key]
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		s.wrong(key, "must be a list of stages")
		return nil
	}
	if s.depth+1 >= maxDepth {
		s.wrong(key, "are nested too deep: at most %d", maxDepth)
		return nil
	}
	return s.stages(n.Content, s.depth+1)
}
