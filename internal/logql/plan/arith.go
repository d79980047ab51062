package plan

import "github.com/remora-ray/remora/internal/logql/syntax"

// Apply computes an operation for two numbers; see syntax.BinOp.Apply.
func Apply(op syntax.BinOp, l, r float64) (v float64, pass bool) { return op.Apply(l, r) }
