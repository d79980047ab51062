package logqltest

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// RunDocument runs the examples of a Markdown document, which are its fenced
// blocks: one of "lines" has a stream and below it lines as in a script; one of
// "logql" has a query, a line ----, and the answer. All lines are loaded before the
// first query. Log queries read ten minutes, oldest first, others answer for the end
// of those; what follows the word logql changes that, as in a script: logql range
// step=5m. With rewrite the document gets the answers that came.
func RunDocument(t *testing.T, file string, rewrite bool, open func(testing.TB, []logs.Record) exec.Source) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Split(string(data), "\n")
	blocks := fenced(text)
	var records []logs.Record
	for _, b := range blocks {
		if b.lang == "lines" {
			loaded, err := load(text[b.from], text[b.from+1:b.to])
			if err != nil {
				t.Fatalf("%s:%d: %v", file, b.from+1, err)
			}
			records = append(records, loaded...)
		}
	}
	src := open(t, records)
	var out []string
	done := 0
	for _, b := range blocks {
		if b.lang != "logql" {
			continue
		}
		c := example(text, b)
		got := strings.TrimRight(c.run(t, &records, func(testing.TB, []logs.Record) exec.Source { return src }), "\n")
		if diff := cmp.Diff(strings.Join(c.want, "\n"), got); diff != "" && !rewrite {
			t.Errorf("%s:%d: %s\n-want +got\n%s", file, c.line, strings.Join(c.input, "\n"), diff)
		}
		out = append(append(out, text[done:b.from]...), c.input...)
		if out = append(out, "----"); got != "" {
			out = append(out, strings.Split(got, "\n")...)
		}
		done = b.to
	}
	if done == 0 {
		t.Fatalf("%s has no examples", file)
	}
	if rewrite {
		if err := os.WriteFile(file, []byte(strings.Join(append(out, text[done:]...), "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// block is a fenced block: its lines are text[from:to].
type block struct {
	lang, rest string
	from, to   int
}

func fenced(text []string) (list []block) {
	for i := 0; i < len(text); i++ {
		info, ok := strings.CutPrefix(text[i], "```")
		if !ok {
			continue
		}
		b := block{from: i + 1}
		b.lang, b.rest, _ = strings.Cut(info, " ")
		for i++; i < len(text) && text[i] != "```"; i++ {
		}
		b.to = i
		list = append(list, b)
	}
	return list
}

// example is the command of a block.
func example(text []string, b block) command {
	c := command{line: b.from + 1, input: text[b.from:b.to]}
	for i, l := range c.input {
		if l == "----" {
			c.input, c.want = c.input[:i], c.input[i+1:]
			break
		}
	}
	switch e, _ := syntax.Parse(strings.Join(c.input, "\n")); {
	case b.rest != "":
		c.head = b.rest
	default:
		c.head = "instant at=10m"
		if _, isLog := e.(*syntax.LogQuery); isLog {
			c.head = "logs"
		}
	}
	switch name, rest, _ := strings.Cut(c.head, " "); name {
	case "logs":
		c.head = "logs from=0s to=10m dir=forward " + rest
	case "range":
		c.head = "range from=0s to=10m " + rest
	}
	return c
}
