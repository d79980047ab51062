package exec

import (
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
)

// Prepared is a log query for lines that come one by one, as those of a tail
// do. It is for one goroutine.
type Prepared struct {
	selection logs.Selection
	pipe      pipeline
	line      line
}

// Prepare readies a log query. The error is *syntax.Error or *plan.Error, also
// where the query is a metric query.
func (e *Engine) Prepare(text string) (*Prepared, error) {
	expr, err := e.parse(text)
	if err != nil {
		return nil, err
	}
	node, err := plan.New(expr)
	if err != nil {
		return nil, err
	}
	l, ok := node.(*plan.Log)
	if !ok {
		return nil, plan.Errorf(expr.Pos(), "only log queries can be followed, this one answers with numbers")
	}
	pipe, err := compile(l.Stages)
	return &Prepared{selection: l.Selection, pipe: pipe}, err
}

// Selection is what to ask the source for, without time, direction and limit.
func (p *Prepared) Selection() logs.Selection { return p.selection }

// Process runs a record of the selection through the rest of the query; false
// where it is filtered out. The line shares nothing that later calls change.
func (p *Prepared) Process(r *logs.Record) (Line, bool) {
	p.line.reset(r)
	if !p.pipe.run(&p.line) {
		return Line{}, false
	}
	return p.line.answer(), true
}
