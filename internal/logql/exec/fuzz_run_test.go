package exec_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
)

// FuzzRun runs whatever parses over a few lines, at one moment and over a range:
// any answer will do.
func FuzzRun(f *testing.F) {
	files, err := filepath.Glob("../testdata/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no scripts (%v)", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "\n\n") {
			lines := strings.Split(block, "\n")
			for i, l := range lines {
				if l == "----" && i > 0 {
					f.Add(lines[i-1])
				}
			}
		}
	}
	src := randomRecords(rand.New(rand.NewPCG(1, 5)))
	engine := exec.New(plan.Limits{MaxCells: 1 << 16, MaxSamples: 1 << 12})
	f.Fuzz(func(_ *testing.T, query string) {
		_, _ = engine.Run(context.Background(), src, exec.Params{Query: query, End: 40e9, Step: 7e9, Limit: 5})
		_, _ = engine.Run(context.Background(), src, exec.Params{Query: query, Start: 30e9, End: 30e9})
	})
}
