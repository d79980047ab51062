package syntax

import "regexp/syntax"

// lineRegexp is what an expression of a line filter stands for in Loki, which takes
// simple expressions apart: .+ is a line that is not empty, and an alternative that
// matches everything counts only where all do, so that "a|" is "a".
func lineRegexp(expr string) string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return expr
	}
	if re = uncaptured(re); !simple(re) {
		return expr
	}
	changed := false
	switch {
	case isAny(re, syntax.OpPlus):
	case re.Op == syntax.OpAlternate:
		if re = alternatives(re, &changed); re == nil || !changed {
			return expr
		}
	default:
		return expr
	}
	return anyByte(re).String()
}

func uncaptured(re *syntax.Regexp) *syntax.Regexp {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	return re
}

// isAny reports whether an expression is .* or .+, as op says.
func isAny(re *syntax.Regexp, op syntax.Op) bool {
	return re.Op == op && re.Sub[0].Op == syntax.OpAnyCharNotNL
}

// simple reports whether Loki takes an expression apart: texts, with .* around them,
// and alternatives of such.
func simple(re *syntax.Regexp) bool {
	re = uncaptured(re)
	switch re.Op {
	case syntax.OpLiteral, syntax.OpEmptyMatch:
		return true
	case syntax.OpStar, syntax.OpPlus:
		return isAny(re, re.Op)
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !simple(sub) {
				return false
			}
		}
		return true
	case syntax.OpConcat:
		if last := uncaptured(re.Sub[1]); len(re.Sub) == 2 && last.Op == syntax.OpAlternate {
			return re.Sub[0].Op == syntax.OpLiteral && simple(last)
		}
		texts := 0
		for _, sub := range re.Sub {
			if sub = uncaptured(sub); sub.Op == syntax.OpLiteral {
				texts++
			} else if !isAny(sub, syntax.OpStar) {
				return false
			}
		}
		return texts == 1
	}
	return false
}

// alternatives leaves out those that match everything; nil where all do.
func alternatives(re *syntax.Regexp, changed *bool) *syntax.Regexp {
	re = uncaptured(re)
	switch {
	case re.Op == syntax.OpEmptyMatch, isAny(re, syntax.OpStar):
		*changed = true
		return nil
	case isAny(re, syntax.OpPlus):
		*changed = true
	case re.Op == syntax.OpAlternate:
		out := *re
		out.Sub = nil
		for _, sub := range re.Sub {
			if sub = alternatives(sub, changed); sub != nil {
				out.Sub = append(out.Sub, sub)
			}
		}
		if len(out.Sub) == 0 {
			return nil
		}
		return &out
	}
	return re
}

// anyByte lets .+ match line ends, too.
func anyByte(re *syntax.Regexp) *syntax.Regexp {
	out := *re
	switch {
	case isAny(re, syntax.OpPlus):
		out.Sub = []*syntax.Regexp{{Op: syntax.OpAnyChar}}
	case re.Op == syntax.OpAlternate:
		out.Sub = nil
		for _, sub := range re.Sub {
			out.Sub = append(out.Sub, anyByte(sub))
		}
	}
	return &out
}
