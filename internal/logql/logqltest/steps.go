package logqltest

import (
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
)

// Step is one question of a script, for those who ask it elsewhere than Run does.
type Step struct {
	File    string
	Line    int
	Kind    string        // logs, range or instant
	Loaded  []logs.Record // what the script loaded so far; shared by the steps after
	Params  exec.Params
	Limited bool // it asks for limits of the engine
	Want    []string
}

// Steps reads the questions of a script.
func Steps(file string) ([]Step, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	commands, _ := split(string(data))
	var steps []Step
	var loaded []logs.Record
	for _, c := range commands {
		name, rest, _ := strings.Cut(c.head, " ")
		if name == "load" {
			more, err := load(rest, c.input)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, c.line, err)
			}
			loaded = append(loaded[:len(loaded):len(loaded)], more...)
			continue
		}
		p, limits, err := params(name, rest)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, c.line, err)
		}
		p.Query = strings.Join(c.input, "\n")
		steps = append(steps, Step{
			File: file, Line: c.line, Kind: name, Loaded: loaded, Params: p,
			Limited: !reflect.DeepEqual(limits, plan.Limits{}), Want: c.want,
		})
	}
	return steps, nil
}
