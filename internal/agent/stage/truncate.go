package stage

import "unicode/utf8"

// truncateStep cuts long lines.
type truncateStep struct {
	to     int
	suffix string
}

var truncateKind = kind{
	doc: StageDoc{
		Name:    "truncate",
		Summary: "Cuts lines that are too long.",
		Keys: []Key{
			{"to", "size", "", "how many bytes to keep"},
			{"suffix", "text", "…", "what a cut line ends with, beyond that size"},
		},
		Example: Example{YAML: "- truncate: {to: 6, suffix: ' [cut]'}\n", In: []string{"a long line", "short"}, Out: []string{"a long [cut]", "short"}},
	},
	compile: func(s *settings) step {
		s.need("to")
		t := &truncateStep{s.size("to", 0), s.text("suffix", "…")}
		if len(t.suffix) > 256 {
			s.wrong("suffix", "is longer than 256 bytes")
		}
		return t
	},
}

func (s *truncateStep) run(r *Run, e *Entry) string {
	if len(e.Line) <= s.to {
		return ""
	}
	cut := s.to
	for back := 0; back < utf8.UTFMax && cut > 0 && !utf8.RuneStart(e.Line[cut]); back++ {
		cut--
	}
	e.Line = append(append(make([]byte, 0, cut+len(s.suffix)), e.Line[:cut]...), s.suffix...)
	return ""
}
