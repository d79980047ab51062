package logqltest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

// Run runs the scripts that glob names, each from an empty store. open makes a
// source of the lines loaded so far. With rewrite the files get the answers
// that came.
//
// A script is commands, each with its input, a line ----, and the answer, which
// ends with an empty line. Lines that begin with # are comments. Times are
// since 1970.
//
//	load {app="a"}           stream; then a line each: time, perhaps ~{metadata}, text
//	logs key=value…          a log query: from to limit dir=forward|backward interval
//	range key=value…         a metric query: from to step
//	instant at=…             a metric query at one moment
//
// A key max… sets a limit of the engine.
func Run(t *testing.T, glob string, rewrite bool, open func(testing.TB, []logs.Record) exec.Source) {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts match %s (%v)", glob, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			runFile(t, file, rewrite, open)
		})
	}
}

// command is one step of a script.
type command struct {
	lead  []string // comments and empty lines before it
	line  int
	head  string
	input []string
	want  []string
}

func runFile(t *testing.T, file string, rewrite bool, open func(testing.TB, []logs.Record) exec.Source) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	commands, tail := split(string(data))
	var records []logs.Record
	var out strings.Builder
	for _, c := range commands {
		got := strings.Split(strings.TrimSuffix(c.run(t, &records, open), "\n"), "\n")
		if got[0] == "" && len(got) == 1 {
			got = nil
		}
		if diff := cmp.Diff(strings.Join(c.want, "\n"), strings.Join(got, "\n")); diff != "" && !rewrite {
			t.Errorf("%s:%d: %s\n%s\n-want +got\n%s", file, c.line, c.head, strings.Join(c.input, "\n"), diff)
		}
		for _, part := range [][]string{c.lead, {c.head}, c.input, {"----"}, got, {""}} {
			for _, s := range part {
				out.WriteString(s + "\n")
			}
		}
	}
	if rewrite {
		text := strings.TrimRight(out.String()+strings.Join(tail, "\n"), "\n") + "\n"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func split(text string) (commands []command, tail []string) {
	lines := strings.Split(text, "\n")
	var lead []string
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" || strings.HasPrefix(lines[i], "#") {
			lead = append(lead, lines[i])
			continue
		}
		c := command{lead: lead, line: i + 1, head: lines[i]}
		lead = nil
		for i++; i < len(lines) && lines[i] != "----"; i++ {
			c.input = append(c.input, lines[i])
		}
		for i++; i < len(lines) && lines[i] != ""; i++ {
			c.want = append(c.want, lines[i])
		}
		commands = append(commands, c)
	}
	return commands, lead
}

func (c *command) run(t *testing.T, records *[]logs.Record, open func(testing.TB, []logs.Record) exec.Source) string {
	name, rest, _ := strings.Cut(c.head, " ")
	if name == "load" {
		loaded, err := load(rest, c.input)
		if err != nil {
			t.Fatalf("line %d: %v", c.line, err)
		}
		*records = append(*records, loaded...)
		return fmt.Sprintf("%d lines", len(loaded))
	}
	p, limits, err := params(name, rest)
	if err != nil {
		t.Fatalf("line %d: %v", c.line, err)
	}
	p.Query = strings.Join(c.input, "\n")
	res, err := exec.New(limits).Run(context.Background(), open(t, *records), p)
	if err != nil {
		return "error: " + strings.TrimRight(err.Error(), "\n")
	}
	return Print(res.Value)
}

func load(stream string, lines []string) ([]logs.Record, error) {
	ls, err := logs.ParseLabels(stream)
	if err != nil {
		return nil, err
	}
	var out []logs.Record
	for _, l := range lines {
		at, text, _ := strings.Cut(l, " ")
		d, err := time.ParseDuration(at)
		if err != nil {
			return nil, err
		}
		var meta logs.Labels
		if m, ok := strings.CutPrefix(text, "~"); ok {
			end := strings.Index(m, "}")
			if meta, err = logs.ParseLabels(m[:end+1]); err != nil {
				return nil, err
			}
			text = strings.TrimPrefix(m[end+1:], " ")
		}
		if u, err := strconv.Unquote(text); err == nil {
			text = u
		}
		out = append(out, logs.Record{Stream: ls, Entry: logs.Entry{Time: int64(d), Line: text, Metadata: meta}})
	}
	return out, nil
}

// params reads the key=value pairs of a command.
func params(name, s string) (p exec.Params, limits plan.Limits, err error) {
	p.Direction = logs.Backward
	for f := range strings.FieldsSeq(s) {
		key, value, _ := strings.Cut(f, "=")
		d, _ := syntax.ParsePromDuration(value)
		n, _ := strconv.Atoi(value)
		switch key {
		case "from":
			p.Start = int64(d)
		case "to":
			p.End = int64(d)
		case "at":
			p.Start, p.End = int64(d), int64(d)
		case "step":
			p.Step = int64(d)
		case "interval":
			p.Interval = int64(d)
		case "limit":
			p.Limit = n
		case "dir":
			if value == "forward" {
				p.Direction = logs.Forward
			}
		case "exact":
			limits.ExactSteps = true
		case "maxseries":
			limits.MaxSeries = n
		case "maxcells":
			limits.MaxCells = n
		case "maxanswer":
			limits.MaxAnswerBytes = n
		case "maxsamples":
			limits.MaxSamples = n
		default:
			return p, limits, fmt.Errorf("%s: unknown key %s", name, key)
		}
	}
	return p, limits, nil
}

// Print writes a value as scripts show it.
func Print(v exec.Value) string {
	var b strings.Builder
	switch v := v.(type) {
	case exec.Lines:
		for _, l := range v {
			fmt.Fprintf(&b, "%s %s", time.Duration(l.Time), l.Stream)
			if len(l.Metadata) > 0 {
				fmt.Fprintf(&b, " ~%s", l.Metadata)
			}
			if len(l.Parsed) > 0 {
				fmt.Fprintf(&b, " +%s", l.Parsed)
			}
			line := l.Line
			if line == "" || strings.ContainsAny(line, "\n\r\t\x1b") {
				line = strconv.Quote(line)
			}
			fmt.Fprintf(&b, " %s\n", line)
		}
	case exec.Matrix:
		for _, s := range v {
			b.WriteString(s.Metric.String())
			for _, p := range s.Points {
				fmt.Fprintf(&b, " %s:%s", time.Duration(p.T)*time.Millisecond, number(p.V))
			}
			b.WriteByte('\n')
		}
	case exec.Vector:
		for _, s := range v {
			fmt.Fprintf(&b, "%s %s:%s\n", s.Metric, time.Duration(s.T)*time.Millisecond, number(s.V))
		}
	case exec.Scalar:
		fmt.Fprintf(&b, "%s\n", number(v.V))
	}
	return b.String()
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 12, 64) }
