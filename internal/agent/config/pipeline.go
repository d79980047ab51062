package config

import (
	"errors"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/agent/stage"
)

// Program is what is done with lines on their way to an output, compiled: the
// stages of all outputs, then those of this one. The outputs of a configuration
// that has been loaded have one.
func (c *Config) Program(o *Output) (*stage.Program, error) {
	return stage.Decode(slices.Concat(c.Pipeline, o.Pipeline))
}

// pipeline tells of the first mistake in a list of stages.
func (k checker) pipeline(path string, list []yaml.Node) bool {
	_, err := stage.Decode(list)
	if err == nil {
		return true
	}
	var at *stage.PosError
	if errors.As(err, &at) && at.Line > 0 {
		k.errs = append(k.errs, &Error{File: k.file, Line: at.Line, Column: at.Column, Msg: path + ": " + k.expand.mask(at.Msg)})
	} else {
		k.wrong(path, "%v", err)
	}
	return false
}
