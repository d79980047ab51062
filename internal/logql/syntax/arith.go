package syntax

import "math"

// Apply computes the operation for two numbers. A comparison gives the left one
// and whether it holds; what is divided by zero is no number.
func (op BinOp) Apply(l, r float64) (v float64, pass bool) {
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
