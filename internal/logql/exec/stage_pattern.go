package exec

import (
	"strings"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// matchesPattern tests a line against the pattern of |> or !>: texts in their
// order, each where it is found first, with something between them where the
// pattern has <_>. What comes before a first text does not matter.
func matchesPattern(p *syntax.LinePattern, s string) bool {
	if len(p.Parts) == 0 {
		return s == ""
	}
	captured := false
	for _, part := range p.Parts {
		if part.Name != "" {
			captured = true
			continue
		}
		at := strings.Index(s, part.Text)
		if at < 0 || captured && at == 0 {
			return false
		}
		s, captured = s[at+len(part.Text):], false
	}
	return (s != "") == captured
}
