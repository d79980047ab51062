package logql

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/store/embedded"
)

var rewrite = flag.Bool("rewrite", false, "write the questions that came into testdata")

// asked is a source that notes what it is asked, and has nothing.
type asked struct {
	engine *embedded.Engine
	text   strings.Builder
}

func (a *asked) Select(_ context.Context, sel logs.Selection, _ func(*logs.Record) error) error {
	a.note(a.engine.Explain(sel))
	if sel.Limit > 0 {
		fmt.Fprintf(&a.text, "  no further than %d lines\n", sel.Limit)
	}
	return nil
}

func (a *asked) Buckets(_ context.Context, q logs.BucketQuery, _ func(logs.Bucket) error) error {
	a.note(a.engine.ExplainBuckets(q))
	return nil
}

func (a *asked) note(logsQL string, checked bool) {
	fmt.Fprintln(&a.text, logsQL)
	if checked {
		a.text.WriteString("  each line is looked at again\n")
	}
}

// Every shape of query, and the LogsQL that it becomes: what the store can answer
// from its columns and filters is not done on lines.
func TestWhatTheStoreIsAsked(t *testing.T) {
	engine, err := embedded.Open(embedded.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	const file = "testdata/pushed.txtar"
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ar.Files {
		f := &ar.Files[i]
		query, want, _ := strings.Cut(string(f.Data), "----\n")
		a := &asked{engine: engine}
		p := exec.Params{Query: strings.TrimSpace(query), Start: 0, End: 3600e9, Step: 60e9, Limit: 1000}
		if _, err := exec.New(plan.Limits{}).Run(context.Background(), a, p); err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if *rewrite {
			f.Data = []byte(query + "----\n" + a.text.String())
		} else if diff := cmp.Diff(want, a.text.String()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", f.Name, diff)
		}
	}
	if *rewrite {
		if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
