package syntax

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// document is the language's document, of which the examples are run in exec.
func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/logql.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The document names every operation of the language.
func TestDocumentNamesEverything(t *testing.T) {
	text := document(t)
	names := []string{"ip()", "offset", "bool", "on (…)", "ignoring (…)", "group_left", "group_right", "label_replace", "vector(1)", "--strict", "--keep-empty"}
	for op := range rangeOps {
		names = append(names, string(op))
	}
	for op := range vectorOps {
		names = append(names, string(op))
	}
	for word := range stageWords {
		names = append(names, word)
	}
	slices.Sort(names)
	for _, name := range names {
		if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+name+"(") && !strings.Contains(text, "`"+name+" ") {
			t.Errorf("docs/logql.md does not name %s", name)
		}
	}
}
