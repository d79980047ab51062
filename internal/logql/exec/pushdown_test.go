package exec_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/logqltest"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
)

// someStages are pieces of pipelines that meet in every order.
var someStages = []string{
	`|= "x"`, `!= "y"`, `|~ "[0-9]"`, `!~ "z$"`, `|= "x" or "a"`, `|> "<_>x<_>"`, `|= ip("10.0.0.0/8")`,
	`| json`, `| logfmt`, `| json level, n="m.n"`, `| logfmt level`, "| regexp `(?P<pod>\\w+)=`", "| pattern `<level>=<_>`", `| unpack`,
	`| level="info"`, `| level="info" or level="warn"`, `| pod!="p1"`, `| n > 3`, `| pod=~"p.*" and n != 5`, `| level=""`,
	`| pod_extracted="x"`, `| level="info" or n = 2`, `| __error__=""`, `| __error__!="JSONParserErr"`, `| drop __error__`,
	`| drop __error__, __error_details__`, `| drop pod`, `| drop level`, `| keep level, n`, `| drop pod="p1"`, `| decolorize`,
	`| level=~"inf.|warn" and n="five"`, `| level=~"(i|w).*" | m_n=7`, `| level!=""`, `| n=~".+e" or level="info"`,
	`| line_format "{{.level}} x"`, `| label_format level=pod`, "| label_format pod=`{{.n}}`",
}

func randomRecords(rnd *rand.Rand) logqltest.Memory {
	lines := []string{
		`{"level":"info","n":2,"pod":"x","m":{"n":7}}`, `{"level":"warn","n":"five"}`, `{"level":"info","n":9`, `level=info n=5 pod=x`, `level=warn n=1`,
		`x at 10.1.2.3`, ``, `plain y`, "\x1b[1mx\x1b[0m a=b", `{"_entry":"x level=info","pod":"q"}`, `{"n":4} z`,
		`{"level":"inf\u006f","\u006e":5}`, `level="inf\u006f" n=7`, `{"m":{"n":7},"level":"a\/b"}`,
	}
	var out logqltest.Memory
	for i := range 30 {
		stream := logs.LabelsOf("app", "a", "pod", []string{"", "p1", "p2"}[rnd.IntN(3)])
		meta := logs.LabelsOf("level", []string{"", "info", "warn"}[rnd.IntN(3)], "pod", []string{"", "p1", "m"}[rnd.IntN(3)], "n", []string{"", "2", "many"}[rnd.IntN(3)], "v", fmt.Sprint(i))
		out = append(out, logs.Record{Stream: stream, Entry: logs.Entry{Time: int64(i+1) * 1e9, Line: lines[rnd.IntN(len(lines))], Metadata: meta}})
	}
	return out
}

// TestPushdownChangesNoAnswer runs random pipelines twice: as they are, and so
// that nothing can be pushed down, left out or merged. What a query does to help
// the store must not show.
func TestPushdownChangesNoAnswer(t *testing.T) {
	engine := exec.New(plan.Limits{})
	run := func(src exec.Source, p exec.Params) (string, error) {
		res, err := engine.Run(context.Background(), src, p)
		if err != nil {
			return "", err
		}
		lines := strings.Split(logqltest.Print(res.Value), "\n")
		slices.Sort(lines)
		return strings.Join(lines, "\n"), nil
	}
	compared := 0
	for seed := range uint64(1500) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		src := randomRecords(rnd)
		var stages []string
		for range 1 + rnd.IntN(5) {
			stages = append(stages, someStages[rnd.IntN(len(someStages))])
		}
		pipeline := strings.Join(stages, " ")
		by := []string{"by (level)", "by (pod)", "by (level, n)", "by (pod_extracted)", "by ()", "by (app, level)", "without (level)", "without ()"}[rnd.IntN(8)]
		held := "| line_format `{{__line__}}` " + pipeline
		for _, pair := range [][2]string{
			{`{app="a"} ` + pipeline, `{app="a"} ` + held},
			{
				fmt.Sprintf(`sum %s (count_over_time({app="a"} %s [7s]))`, by, pipeline),
				fmt.Sprintf(`sum %s (label_replace(count_over_time({app="a"} %s [7s]), "a", "", "a", "x"))`, by, held),
			},
			{
				fmt.Sprintf(`sum %s (bytes_rate({app="a"} %s [7s]))`, by, pipeline),
				fmt.Sprintf(`sum %s (label_replace(bytes_rate({app="a"} %s [7s]), "a", "", "a", "x"))`, by, held),
			},
			{
				fmt.Sprintf(`sum %s (sum_over_time({app="a"} %s | unwrap v [7s]))`, by, pipeline),
				fmt.Sprintf(`sum %s (label_replace(sum_over_time({app="a"} %s | unwrap v [7s]), "a", "", "a", "x"))`, by, held),
			},
			{
				fmt.Sprintf(`max %s (max_over_time({app="a"} %s | unwrap n | __error__="" [7s]))`, by, pipeline),
				fmt.Sprintf(`max %s (label_replace(max_over_time({app="a"} %s | unwrap n | __error__="" [7s]), "a", "", "a", "x"))`, by, held),
			},
		} {
			p := exec.Params{Query: pair[0], End: 40e9, Step: 5e9, Limit: 1000}
			got, gotErr := run(src, p)
			p.Query = pair[1]
			want, wantErr := run(src, p)
			if wantErr != nil {
				// A parser that need not look at a line does not fail on it.
				continue
			}
			compared++
			if gotErr != nil || got != want {
				t.Fatalf("seed %d: %s\nanswers %v\n%s\n\n%s\nanswers\n%s", seed, pair[0], gotErr, got, pair[1], want)
			}
		}
	}
	if compared < 1500 {
		t.Errorf("only %d answers compared", compared)
	}
}
