package exec

import (
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
)

// stage is one step of a pipeline, ready to run. It changes the line and reports
// whether the line goes on.
type stage interface {
	process(l *line) bool
}

// pipeline is stages in order.
type pipeline []stage

func (p pipeline) run(l *line) bool {
	for _, s := range p {
		if !s.process(l) {
			return false
		}
	}
	return true
}

// compile makes stages ready.
func compile(stages []syntax.Stage) (pipeline, error) {
	pipe := make(pipeline, 0, len(stages))
	for _, s := range stages {
		ready, err := compileStage(s)
		if err != nil {
			return nil, err
		}
		pipe = append(pipe, ready)
	}
	return pipe, nil
}

func compileStage(s syntax.Stage) (stage, error) {
	switch s := s.(type) {
	case *syntax.LineFilter:
		return newLineFilter(s)
	case *syntax.LabelFilterStage:
		return newLabelFilter(s.Filter)
	case *syntax.JSONStage:
		return newJSON(s)
	case *syntax.LogfmtStage:
		return newLogfmt(s)
	case *syntax.RegexpStage:
		return newRegexp(s)
	case *syntax.PatternStage:
		return newPattern(s)
	case *syntax.UnpackStage:
		return &unpackStage{}, nil
	case *syntax.DecolorizeStage:
		return decolorizeStage{}, nil
	case *syntax.DropStage:
		return newDrop(s)
	case *syntax.KeepStage:
		return newKeep(s)
	case *syntax.LineFormatStage:
		return newLineFormat(s)
	case *syntax.LabelFormatStage:
		return newLabelFormat(s)
	default:
		return nil, plan.Errorf(s.Pos(), "%s is not supported yet", s.Name())
	}
}
