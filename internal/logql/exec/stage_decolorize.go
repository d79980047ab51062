package exec

import (
	"regexp"
	"strings"
)

// decolorizeStage removes ANSI escape sequences from the line.
type decolorizeStage struct{}

// escapes are the sequences that Loki knows: one that ends in BEL, or parameters
// and the byte that ends them.
var escapes = regexp.MustCompile("[\x1b\u009b][\\[\\]()#;?]*(?:(?:(?:[a-zA-Z0-9]*(?:;[a-zA-Z0-9]*)*)?\x07)|(?:(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-PRZcf-ntqry=><~]))")

func (decolorizeStage) process(l *line) bool {
	if strings.ContainsAny(l.text, "\x1b\u009b") {
		l.text = escapes.ReplaceAllString(l.text, "")
	}
	return true
}
