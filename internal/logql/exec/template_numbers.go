package exec

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// toInt, toInt64 and toFloat read any number or text; what is none is 0.
func toInt(v any) int { return int(toInt64(v)) }

func toInt64(v any) int64 {
	switch v := v.(type) {
	case string:
		n, err := strconv.ParseInt(withoutFraction(v), 0, 64)
		if err != nil {
			return 0
		}
		return n
	case int:
		return int64(v)
	case int64:
		return v
	case bool:
		if v {
			return 1
		}
	case float64:
		return wholeOf(v)
	}
	return 0
}

// withoutFraction is what stands before the point of a number written in digits alone;
// others are left as they are.
func withoutFraction(s string) string {
	whole, fraction, ok := strings.Cut(s, ".")
	digits := strings.TrimLeft(whole, "+-")
	if !ok || len(whole)-len(digits) > 1 || !onlyDigits(digits) || !onlyDigits(fraction) {
		return s
	}
	if digits == "" {
		return "0"
	}
	return whole
}

func onlyDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// wholeOf is the whole part of a number. What is none or too large is the smallest, as
// where Loki runs.
func wholeOf(f float64) int64 {
	if f >= math.MinInt64 && f < math.MaxInt64 {
		return int64(f)
	}
	return math.MinInt64
}

func toFloat(v any) float64 {
	switch v := v.(type) {
	case string:
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return 0 // also of what is too large
		}
		return f
	case float64:
		return v
	case int, int64, bool:
		return float64(toInt64(v))
	}
	return 0
}

// intOp and floatOp make a function of two or more operands.
func intOp(op func(a, b int64) int64) func(a any, rest ...any) int64 {
	return func(a any, rest ...any) int64 {
		v := toInt64(a)
		for _, r := range rest {
			v = op(v, toInt64(r))
		}
		return v
	}
}

func floatOp(op func(a, b float64) float64) func(a any, rest ...any) float64 {
	return func(a any, rest ...any) float64 {
		v := toFloat(a)
		for _, r := range rest {
			v = op(v, toFloat(r))
		}
		return v
	}
}

// decimalOp computes with decimal fractions, so that 0.1 and 0.2 are 0.3. It fails on
// what is no number, or not finite, and where op divides by 0.
func decimalOp(op func(a, b decimal.Decimal) decimal.Decimal) func(a any, rest ...any) (float64, error) {
	return func(a any, rest ...any) (_ float64, err error) {
		defer func() {
			if r := recover(); r != nil { // the library's way to tell
				err = fmt.Errorf("%v", r)
			}
		}()
		v := decimal.NewFromFloat(toFloat(a))
		for _, r := range rest {
			v = op(v, decimal.NewFromFloat(toFloat(r)))
		}
		f, _ := v.Float64()
		return f, nil
	}
}

// roundTo rounds half away from zero to a number of places.
func roundTo(v any, places int, _ ...float64) float64 {
	p := math.Pow(10, float64(places))
	return math.Round(toFloat(v)*p) / p
}

// fromJSON is nil for what is no JSON.
func fromJSON(s string) any {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return nil
	}
	return v
}
