package syntax

import "strconv"

// expr reads operands and the operators between them that bind tighter than
// level. A log query is taken as well; what it may not be part of is for others
// to say.
//
//	metric = operand { binaryOp modifiers operand } .   by the table precedence
func (p *parser) expr(level int) Expr {
	p.enter()
	entered := 1
	left := p.operand()
	for {
		op, ok := p.binaryOp()
		if !ok || precedence[op] <= level {
			break
		}
		b := &Binary{At: p.take().pos, Op: op, L: left}
		p.modifiers(b)
		next := precedence[op]
		if op == "^" {
			next--
		}
		b.R = p.expr(next)
		p.mistake(binaryMistake(b))
		left = b
		p.enter() // the tree grows to the left
		entered++
	}
	p.leave(entered)
	return left
}

// metric is an expression that is no log query.
func (p *parser) metric() Expr {
	e := p.expr(0)
	if _, isLog := e.(*LogQuery); isLog {
		p.unexpected()
	}
	return e
}

// binaryOp returns the operator at the present token.
func (p *parser) binaryOp() (BinOp, bool) {
	t := p.cur()
	op := BinOp(t.text)
	switch t.kind {
	case tOp:
	case tWord:
		op = BinOp(t.str)
	default:
		return "", false
	}
	return op, precedence[op] > 0
}

// modifiers = [ "bool" ] [ ( "on" | "ignoring" ) names [ ( "group_left" | "group_right" ) [ names ] ] ] .
func (p *parser) modifiers(b *Binary) {
	b.ReturnBool = p.acceptWord("bool")
	on := p.atWord("on")
	if !on && !p.atWord("ignoring") {
		return
	}
	p.take()
	m := &Matching{On: on, Labels: p.names()}
	b.Matching = m
	switch {
	case p.acceptWord("group_left"):
		m.Group = "left"
	case p.acceptWord("group_right"):
		m.Group = "right"
	default:
		return
	}
	if p.at("(") { // a parenthesis of the operand stands behind another
		m.Include = p.names()
	}
}

// operand reads one side of a binary operator.
//
//	operand = "(" query ")" | logQuery | number | rangeAgg | vectorAgg | labelReplace | vector .
func (p *parser) operand() Expr {
	t := p.cur()
	_, isRange := rangeOps[RangeOp(t.str)]
	_, isVector := vectorOps[VectorOp(t.str)]
	switch {
	case t.is("("):
		return p.inParentheses()
	case t.is("{"):
		return p.logQuery()
	case t.kind == tNumber, t.is("+"), t.is("-"):
		return &Literal{At: t.pos, Value: p.number()}
	case t.kind != tWord || !t.call:
	case isRange:
		return p.rangeAgg()
	case isVector:
		return p.vectorAgg()
	case t.str == "label_replace":
		return p.labelReplace()
	case t.str == "vector":
		return p.vectorLiteral()
	}
	p.unexpected()
	return nil
}

// inParentheses reads a query in parentheses.
func (p *parser) inParentheses() Expr {
	p.take()
	e := p.expr(0)
	if !p.accept(")") {
		p.unexpected()
	}
	return e
}

// number = [ "+" | "-" ] NUMBER .
func (p *parser) number() float64 {
	sign := 1.0
	if p.accept("-") {
		sign = -1
	} else {
		p.accept("+")
	}
	t := p.expectKind(tNumber, "NUMBER")
	p.decimal(t, "unable to parse literal as a float")
	return sign * t.num
}

// decimal notes a mistake where a number is written otherwise, or is too large.
func (p *parser) decimal(t token, mistake string) {
	if _, err := strconv.ParseFloat(t.text, 64); err != nil {
		p.mistake(mistakef("%s: %s", mistake, err))
	}
}

// grouping = ( "by" | "without" ) names .
func (p *parser) grouping() *Grouping {
	without := p.atWord("without")
	if !without && !p.atWord("by") {
		return nil
	}
	p.take()
	return &Grouping{Without: without, Labels: p.names()}
}

// rangeAgg = RANGEOP "(" [ NUMBER "," ] logRange ")" [ grouping ] .
func (p *parser) rangeAgg() Expr {
	t := p.take()
	a := &RangeAgg{At: t.pos, Op: RangeOp(t.str)}
	p.expect("(")
	c := p.cur()
	hasParam := c.kind == tNumber
	switch {
	case hasParam:
		a.Param = p.take().num
		p.expect(",")
		if !p.at("{") && !p.at("(") {
			p.unexpected("{", "(")
		}
	case !c.is("{") && !c.is("("):
		p.unexpected("NUMBER", "{", "(")
	}
	a.Range = p.wholeRange()
	p.expect(")")
	a.Grouping = p.grouping()
	p.mistake(rangeMistake(a, hasParam))
	if hasParam {
		p.decimal(c, "invalid parameter for operation "+string(a.Op))
	}
	return a
}

// vectorAgg = VECTOROP [ grouping ] "(" [ NUMBER "," ] metric ")" [ grouping ] .
func (p *parser) vectorAgg() Expr {
	t := p.take()
	a := &VectorAgg{At: t.pos, Op: VectorOp(t.str)}
	a.Grouping = p.grouping()
	p.expect("(")
	param := ""
	if p.cur().kind == tNumber && p.peek().is(",") {
		param = p.take().text
		p.take()
	}
	a.Expr = p.metric()
	if !p.accept(")") {
		p.unexpected()
	}
	if a.Grouping == nil {
		a.Grouping = p.grouping()
	}
	p.mistake(vectorMistake(a, param))
	return a
}

// labelReplace = "label_replace" "(" metric "," STRING "," STRING "," STRING "," STRING ")" .
func (p *parser) labelReplace() Expr {
	r := &LabelReplace{At: p.take().pos}
	p.expect("(")
	r.Expr = p.metric()
	for i, dst := range []*string{&r.Dst, &r.Replacement, &r.Src, &r.Regex} {
		if i == 0 && !p.at(",") {
			p.unexpected()
		}
		p.expect(",")
		*dst = p.expectString().str
	}
	p.expect(")")
	p.mistake(labelReplaceMistake(r))
	return r
}

// vector = "vector" "(" NUMBER ")" .
func (p *parser) vectorLiteral() Expr {
	v := &VectorLiteral{At: p.take().pos}
	p.expect("(")
	t := p.expectKind(tNumber, "NUMBER")
	v.Value = t.num
	p.expect(")")
	p.decimal(t, "unable to parse vectorExpr as a float")
	return v
}
