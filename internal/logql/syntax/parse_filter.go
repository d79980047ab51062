package syntax

import (
	"math"

	"github.com/remora-ray/remora/internal/logs"
)

func (p *parser) labelFilterStage(at Pos) *LabelFilterStage {
	return &LabelFilterStage{At: at, Filter: p.orFilter()}
}

// labelFilter = andFilter { "or" andFilter } .
func (p *parser) orFilter() LabelFilter {
	p.enter()
	entered := 1
	f := p.andFilter()
	for p.atWord("or") {
		at := p.take().pos
		p.moreConditions()
		f = &BinaryFilter{At: at, Or: true, L: f, R: p.andFilter()}
		p.enter()
		entered++
	}
	p.leave(entered)
	return f
}

// andFilter = condition { [ "and" | "," ] condition } .
func (p *parser) andFilter() LabelFilter {
	entered := 0
	f := p.condition()
	for {
		t := p.cur()
		switch {
		case t.isWord("or"):
			p.leave(entered)
			return f
		case t.is(","), t.isWord("and"):
			p.take()
			p.moreConditions()
		case t.kind == tWord && (!reserved[t.str] || p.comparisonFollows()), t.is("("):
		default:
			p.leave(entered)
			return f
		}
		f = &BinaryFilter{At: t.pos, L: f, R: p.condition()}
		p.enter()
		entered++
	}
}

// moreConditions gives up where no condition follows an and or an or.
func (p *parser) moreConditions() {
	c := p.cur()
	word := c.wordName() == "IDENTIFIER" || p.comparisonFollows()
	if !(c.kind == tWord && word) && !c.is("(") {
		p.unexpected("IDENTIFIER", "(")
	}
}

// comparisonFollows reports whether the word here is a label that is compared. The
// words between conditions are none.
func (p *parser) comparisonFollows() bool {
	n := p.peek()
	if p.atWord("or") || p.atWord("and") {
		return false
	}
	_, ok := matchOps[n.text]
	return n.kind == tOp && (ok || compareOps[n.text])
}

var compareOps = map[string]bool{"=": true, "==": true, "!=": true, ">": true, ">=": true, "<": true, "<=": true}

// condition = "(" labelFilter ")" | matcher | name ( "=" | "!=" ) ip
//
//	| name ( "=" | "==" | "!=" | ">" | ">=" | "<" | "<=" ) [ "+" | "-" ] ( NUMBER | DURATION | BYTES ) .
func (p *parser) condition() LabelFilter {
	if p.accept("(") {
		if c := p.cur(); c.kind != tWord && !c.is("(") {
			p.unexpected("IDENTIFIER", "(")
		}
		f := p.orFilter()
		if c := p.cur(); !p.accept(")") {
			failUnexpected(c)
		}
		return f
	}
	name := p.cur()
	if name.kind != tWord {
		p.unexpected()
	}
	if name.wordName() != "IDENTIFIER" && !p.comparisonFollows() {
		p.unexpected()
	}
	op := p.peek()
	_, isMatch := matchOps[op.text]
	if op.kind != tOp || !isMatch && !compareOps[op.text] {
		p.take()
		failUnexpected(p.cur())
	}
	value := p.toks[min(p.i+2, len(p.toks)-1)]
	if isMatch && value.kind == tString {
		return &StringFilter{p.matcher()}
	}
	p.i += 2
	if isMatch && value.isWord("ip") && value.call && compareOps[op.text] {
		return &IPFilter{At: name.pos, Name: name.text, Not: op.text == "!=", Pattern: p.ip()}
	}
	if !compareOps[op.text] {
		p.unexpected("STRING")
	}
	return p.compare(name, op.text)
}

func (p *parser) compare(name token, op string) LabelFilter {
	cmp := CompareOp(op)
	if op == "=" {
		cmp = "=="
	}
	negative := p.at("-")
	if signed := p.accept("-") || p.accept("+"); signed && p.cur().kind != tNumber {
		p.unexpected("NUMBER")
	}
	v := p.cur()
	switch v.kind {
	case tNumber:
		if math.IsInf(v.num, 0) {
			fail(v.pos, "ParseFloat: parsing %q: value out of range", v.text)
		}
		p.take()
		if negative {
			v.num = -v.num
		}
		return &NumberFilter{At: name.pos, Name: name.text, Op: cmp, Value: v.num}
	case tDuration:
		p.take()
		return &DurationFilter{At: name.pos, Name: name.text, Op: cmp, Value: v.dur}
	case tBytes:
		p.take()
		return &BytesFilter{At: name.pos, Name: name.text, Op: cmp, Value: uint64(v.num)}
	}
	p.unexpected()
	return nil
}

// compile returns the store's form of a matcher; Parse has seen that it compiles.
func (m Matcher) compile() (logs.Matcher, error) {
	return logs.NewMatcher(m.Name, m.Op, m.Value)
}
