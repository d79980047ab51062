package exec

import (
	"strings"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// matchesPattern tests a whole line against the pattern of |> or !>: texts in
// their order with something between them where the pattern has <_>.
func matchesPattern(p *syntax.LinePattern, s string) bool {
	parts := p.Parts
	if len(parts) == 0 {
		return s == ""
	}
	captured := false
	for i, part := range parts {
		if part.Name != "" {
			captured = true
			continue
		}
		last := i == len(parts)-1
		switch {
		case !captured:
			if !strings.HasPrefix(s, part.Text) {
				return false
			}
			s = s[len(part.Text):]
		case last:
			return len(s) > len(part.Text) && strings.HasSuffix(s, part.Text)
		default:
			at := indexFrom(s, part.Text, 1)
			if at < 0 {
				return false
			}
			s = s[at+len(part.Text):]
		}
		captured = false
	}
	if captured {
		return s != ""
	}
	return s == ""
}

// indexFrom finds text in s not before from.
func indexFrom(s, text string, from int) int {
	if from > len(s) {
		return -1
	}
	at := strings.Index(s[from:], text)
	if at < 0 {
		return -1
	}
	return at + from
}
