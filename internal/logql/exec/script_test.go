package exec_test

import (
	"flag"
	"testing"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/logqltest"
	"github.com/remora-ray/remora/internal/logs"
)

var rewrite = flag.Bool("rewrite", false, "write the answers that came into testdata")

func TestScripts(t *testing.T) {
	logqltest.Run(t, "../testdata/*.txt", *rewrite, func(_ testing.TB, records []logs.Record) exec.Source {
		return logqltest.Memory(records)
	})
}

// The examples of the language's document answer what it says.
func TestDocument(t *testing.T) {
	logqltest.RunDocument(t, "../../../docs/logql.md", *rewrite, func(_ testing.TB, records []logs.Record) exec.Source {
		return logqltest.Memory(records)
	})
}
