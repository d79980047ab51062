package plan_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
)

var rewrite = flag.Bool("rewrite", false, "write the plans that came into testdata")

// TestPushdown shows what of each query goes to the store. A file is queries,
// each followed by its plan.
func TestPushdown(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata (%v)", err)
	}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range ar.Files {
			f := &ar.Files[i]
			query, want, _ := strings.Cut(string(f.Data), "----\n")
			got := explain(query)
			if *rewrite {
				f.Data = []byte(query + "----\n" + got)
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s (-want +got)\n%s", file, f.Name, diff)
			}
		}
		if *rewrite {
			if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func explain(query string) string {
	e, err := syntax.Parse(query)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	n, err := plan.New(e)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	return plan.Explain(n)
}
