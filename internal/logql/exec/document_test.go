package exec

import (
	"os"
	"strings"
	"testing"
)

// The document names every function of templates.
func TestDocumentNamesTemplateFunctions(t *testing.T) {
	text, err := os.ReadFile("../../../docs/logql.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range templateFuncs {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/logql.md does not name %s", name)
		}
	}
}
