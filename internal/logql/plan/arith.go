package plan

import (
	"math"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// Apply computes l op r. Of a comparison the value is l, and pass says whether
// it holds; pass is true of all other operators. x/0 and x%0 are NaN, as in Loki.
func Apply(op syntax.BinOp, l, r float64) (v float64, pass bool) {
	switch op {
	case "+":
		return l + r, true
	case "-":
		return l - r, true
	case "*":
		return l * r, true
	case "/":
		if r == 0 {
			return math.NaN(), true
		}
		return l / r, true
	case "%":
		if r == 0 {
			return math.NaN(), true
		}
		return math.Mod(l, r), true
	case "^":
		return math.Pow(l, r), true
	case "==":
		return l, l == r
	case "!=":
		return l, l != r
	case ">":
		return l, l > r
	case ">=":
		return l, l >= r
	case "<":
		return l, l < r
	case "<=":
		return l, l <= r
	}
	return math.NaN(), true
}
