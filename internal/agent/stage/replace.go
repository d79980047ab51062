package stage

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
)

// replaceStep replaces parts of a line and keeps the rest of it.
type replaceStep struct {
	re       *regexp.Regexp
	with     []byte
	secrets  []*secret
	keys     bool // also the lines of a private key that has several
	slot     int  // on: within a private key; count: its lines so far
	template bool // with names groups of re
}

var replaceKind = kind{
	doc: StageDoc{
		Name:    "replace",
		Summary: "Replaces what a regular expression or ready-made patterns find in a line, and keeps the rest.",
		Keys: []Key{
			{"regex", "regular expression", "", "what to replace (RE2)"},
			{"patterns", "list", "", "ready-made patterns: " + patternList() + "; or all"},
			{"with", "text", "***", "what stands there instead; $1 or ${name} is a group of `regex`"},
		},
		Example: Example{
			YAML: "- replace: {patterns: [all]}\n- replace: {regex: 'user=(\\w)\\w*', with: 'user=$1…'}\n",
			In: []string{
				"open s3://key:geheim@bucket/x for user=anna",
				"Authorization: Bearer abcdef0123456789abcdef, max_tokens=256",
			},
			Out: []string{
				"open s3://key:***@bucket/x for user=a…",
				"Authorization: Bearer ***, max_tokens=256",
			},
		},
	},
	compile: compileReplace,
}

func compileReplace(s *settings) step {
	r := &replaceStep{re: s.expression("regex"), with: []byte(s.text("with", "***"))}
	if !s.has("regex") && !s.has("patterns") {
		s.fail(s.at, "replace needs one of regex, patterns")
	}
	if len(r.with) > 1024 {
		s.wrong("with", "is longer than 1024 bytes")
	}
	names := s.texts("patterns")
	if slices.Contains(names, "all") {
		names = slices.Sorted(maps.Keys(patterns))
	}
	for _, name := range names {
		found, ok := patterns[name]
		if !ok {
			s.wrong("patterns", "has no %s%s", quote(name), hint(name, slices.Sorted(maps.Keys(patterns))))
		}
		r.secrets = append(r.secrets, found...)
		r.keys = r.keys || name == "private_keys"
	}
	r.template = bytes.ContainsRune(r.with, '$')
	if r.keys {
		r.slot = s.slot()
	}
	return r
}

func (s *replaceStep) run(r *Run, e *Entry) string {
	if s.keys && s.insideKey(&r.slots[s.slot], e.Line) {
		e.Line = append([]byte(nil), s.with...)
		return ""
	}
	if s.secrets != nil {
		r.small = appendSmall(r.small[:0], e.Line)
		for _, x := range s.secrets {
			if x.maybe(r.small) {
				e.Line = x.replace(e.Line, s.with)
			}
		}
	}
	if s.re == nil || !s.re.Match(e.Line) {
		return ""
	}
	e.Line = replaceAll(e.Line, s.re, func(dst []byte, m []int) []byte {
		if s.template {
			return s.re.Expand(dst, s.with, e.Line, m)
		}
		return append(dst, s.with...)
	})
	return ""
}

// maxReplaced bounds how long a line may grow.
const maxReplaced = 256 << 10

// replaceAll copies line with each match as write puts it. Where it would grow
// too long the rest is left out.
func replaceAll(line []byte, re *regexp.Regexp, write func(dst []byte, m []int) []byte) []byte {
	limit := max(maxReplaced, len(line))
	out := make([]byte, 0, len(line)+16)
	at := 0
	for _, m := range re.FindAllSubmatchIndex(line, -1) {
		out = write(append(out, line[at:m[0]]...), m)
		if at = m[1]; len(out) > limit {
			return out[:limit]
		}
	}
	out = append(out, line[at:]...)
	return out[:min(len(out), limit)]
}

var (
	keyBegin = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----`)
	keyEnd   = []byte("-----END ")
	keyMark  = []byte("PRIVATE KEY-----")
	keyLine  = regexp.MustCompile(`^[\sA-Za-z0-9+/=,:|>-]*$`)
)

// maxKeyLines ends a private key whose end never comes.
const maxKeyLines = 128

// insideKey follows a private key over its lines: it tells those between the first
// and the last, and the last.
func (s *replaceStep) insideKey(state *slot, line []byte) bool {
	if !state.on {
		if begin := keyBegin.FindIndex(line); begin != nil && bytes.Contains(line, keyMark) {
			state.on, state.count = !bytes.Contains(line[begin[1]:], keyEnd), 0
		}
		return false
	}
	state.count++
	switch {
	case bytes.Contains(line, keyEnd):
		state.on = false
		return true
	case state.count > maxKeyLines || !keyLine.Match(line):
		state.on = false
		return false
	}
	return true
}
