package exec

import (
	"errors"
	"math"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logs"
)

// errEnough stops a source once the answer is complete.
var errEnough = errors.New("enough lines")

// runLog answers a log query: at most Limit lines, and the source is read no
// further than to the last of them.
func (q *query) runLog(l *plan.Log) (Value, error) {
	sel := l.Selection
	sel.Start, sel.End, sel.Direction = q.params.Start, q.params.End, q.params.Direction
	if l.LimitPushed() && q.params.Interval == 0 {
		sel.Limit = q.params.Limit
	}
	sel.Likely = q.params.Limit
	pipe, err := compile(l.Stages)
	if err != nil {
		return nil, err
	}
	out := make(Lines, 0, min(q.params.Limit, 1024))
	spaced := spacing{interval: q.params.Interval, last: math.MinInt64}
	var ln line
	bytes := 0
	err = q.src.Select(q.ctx, sel, func(r *logs.Record) error {
		if err := q.ctx.Err(); err != nil {
			return err
		}
		q.count(r)
		ln.reset(r)
		if !pipe.run(&ln) || !spaced.take(ln.time) {
			return nil
		}
		out = append(out, ln.answer())
		if bytes += ln.size(); bytes > q.limits.MaxAnswerBytes {
			return limitErrorf("the first %d lines of the answer have more than %d bytes; use a lower limit", len(out), q.limits.MaxAnswerBytes)
		}
		if len(out) == q.params.Limit {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return out, nil
}

// spacing passes a line and then none until the interval has passed.
type spacing struct {
	interval, last int64
}

func (s *spacing) take(t int64) bool {
	if s.interval <= 0 {
		return true
	}
	gap := satSub(t, s.last)
	if s.last != math.MinInt64 && gap < s.interval && -gap < s.interval {
		return false
	}
	s.last = t
	return true
}
