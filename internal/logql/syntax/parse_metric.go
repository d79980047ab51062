package syntax

import "strconv"

// expr reads operands and the operators between them that bind tighter than
// level. A log query is only taken where logs is true, and never beside an
// operator.
//
//	metric = operand { binaryOp modifiers operand } .   by the table precedence
func (p *parser) expr(level int, logs bool) Expr {
	p.enter()
	entered := 1
	left := p.operand(logs)
	for {
		op, ok := p.binaryOp()
		if _, isLog := left.(*LogQuery); !ok || isLog || precedence[op] <= level {
			break
		}
		b := &Binary{At: p.take().pos, Op: op, L: left}
		p.modifiers(b)
		next := precedence[op]
		if op == "^" {
			next--
		}
		b.R = p.expr(next, false)
		checkBinary(b)
		left = b
		p.enter() // the tree grows to the left
		entered++
	}
	p.leave(entered)
	return left
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
	if p.at("(") && !p.parenBeginsOperand() {
		m.Include = p.names()
	}
}

// parenBeginsOperand tells group_left (vector(1)) from group_left (a, b).
func (p *parser) parenBeginsOperand() bool {
	t := p.peek()
	if t.kind != tWord {
		return !t.is(")")
	}
	after := p.toks[min(p.i+2, len(p.toks)-1)]
	return !after.is(",") && !after.is(")")
}

// operand reads one side of a binary operator.
//
//	operand = "(" query ")" | logQuery | number | rangeAgg | vectorAgg | labelReplace | vector .
func (p *parser) operand(logs bool) Expr {
	t := p.cur()
	switch {
	case t.is("("):
		p.take()
		e := p.expr(0, logs)
		p.expect(")")
		return e
	case t.is("{") && logs:
		return p.logQuery()
	case t.kind == tNumber, t.is("+"), t.is("-"):
		return &Literal{At: t.pos, Value: p.number()}
	case t.kind != tWord:
		p.unexpected()
	}
	_, isRange := rangeOps[RangeOp(t.str)]
	_, isVector := vectorOps[VectorOp(t.str)]
	switch {
	case isRange && p.callFollows():
		return p.rangeAgg()
	case isVector && p.callFollows():
		return p.vectorAgg()
	case t.str == "label_replace":
		return p.labelReplace()
	case t.str == "vector":
		return p.vectorLiteral()
	}
	if isRange || isVector {
		p.take()
		p.unexpected("(", "by", "without")
	}
	fail(t.pos, "syntax error: unexpected %s", t.name())
	return nil
}

// callFollows reports whether the function at the present token is called.
func (p *parser) callFollows() bool {
	n := p.peek()
	return n.is("(") || n.isWord("by") || n.isWord("without")
}

// number = [ "+" | "-" ] NUMBER .
func (p *parser) number() float64 {
	sign := 1.0
	if p.accept("-") {
		sign = -1
	} else {
		p.accept("+")
	}
	return sign * p.expectKind(tNumber, "NUMBER").num
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

// groupingAfter reads the grouping behind the parentheses where there was none
// before them.
func (p *parser) groupingAfter(g *Grouping) *Grouping {
	if g != nil {
		return g
	}
	return p.grouping()
}

// rangeAgg = RANGEOP [ grouping ] "(" [ number "," ] logRange ")" [ grouping ] .
func (p *parser) rangeAgg() Expr {
	t := p.take()
	a := &RangeAgg{At: t.pos, Op: RangeOp(t.str)}
	a.Grouping = p.grouping()
	p.expect("(")
	hasParam := false
	if c := p.cur(); c.kind == tNumber || c.is("-") || c.is("+") {
		a.Param, hasParam = p.number(), true
		p.expect(",")
	}
	a.Range = p.wholeRange()
	p.expect(")")
	a.Grouping = p.groupingAfter(a.Grouping)
	checkRangeAgg(a, hasParam)
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
	a.Expr = p.expr(0, false)
	p.expect(")")
	a.Grouping = p.groupingAfter(a.Grouping)
	if param != "" {
		k, err := strconv.Atoi(param)
		if err != nil {
			fail(a.At, "invalid parameter %s(%s,", a.Op, param)
		}
		a.Param = k
	}
	checkVectorAgg(a, param)
	return a
}

// labelReplace = "label_replace" "(" metric "," STRING "," STRING "," STRING "," STRING ")" .
func (p *parser) labelReplace() Expr {
	r := &LabelReplace{At: p.take().pos}
	p.expect("(")
	r.Expr = p.expr(0, false)
	for _, dst := range []*string{&r.Dst, &r.Replacement, &r.Src, &r.Regex} {
		p.expect(",")
		*dst = p.expectString().str
	}
	p.expect(")")
	checkLabelReplace(r)
	return r
}

// vector = "vector" "(" number ")" .
func (p *parser) vectorLiteral() Expr {
	v := &VectorLiteral{At: p.take().pos}
	p.expect("(")
	v.Value = p.number()
	p.expect(")")
	return v
}
