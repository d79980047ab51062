package convert

import "strings"

// block is `name.of.it "label" { … }`; the file itself is one without a name.
type block struct {
	name, label string
	pos         Pos
	attributes  []attribute
	blocks      []*block
}

type attribute struct {
	name  string
	pos   Pos
	value *expression
}

// id is how other components refer to this one.
func (b *block) id() string {
	if b.label == "" {
		return b.name
	}
	return b.name + "." + b.label
}

func (b *block) attribute(name string) *attribute {
	for i := range b.attributes {
		if b.attributes[i].name == name {
			return &b.attributes[i]
		}
	}
	return nil
}

// expression is a node of the tree of a value.
type expression struct {
	pos  Pos
	kind expressionKind
	text string // of a literal, a name, an operator, a member
	// args are the operands; of an access the one accessed and perhaps the index; of
	// a call the function first; of an object keys and values in turn.
	args []*expression
}

type expressionKind uint8

const (
	exprString expressionKind = iota
	exprNumber
	exprName
	exprAccess // args[0].text
	exprIndex  // args[0][args[1]]
	exprCall
	exprArray
	exprObject
	exprUnary
	exprBinary
)

// maxDepth bounds how deeply blocks and values are nested.
const maxDepth = 100

type alloyParser struct {
	tokens []token
	at     int
	depth  int
}

// parseAlloy reads a whole file.
func parseAlloy(file string, text []byte) (*block, error) {
	toks, err := tokens(file, text)
	if err != nil {
		return nil, err
	}
	p := &alloyParser{tokens: toks}
	b := &block{pos: Pos{File: file, Line: 1, Column: 1}}
	if err := p.body(b); err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, errorAt(t.pos, "unexpected %v: no block is open here", t)
	}
	return b, nil
}

func (p *alloyParser) peek() token { return p.tokens[p.at] }

func (p *alloyParser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokenEnd {
		p.at++
	}
	return t
}

func (p *alloyParser) newlines() {
	for p.peek().kind == tokenNewline {
		p.at++
	}
}

func (p *alloyParser) expect(mark string) error {
	if t := p.next(); !t.is(mark) {
		return errorAt(t.pos, "expected %q, not %v", mark, t)
	}
	return nil
}

func (p *alloyParser) deeper(pos Pos) error {
	if p.depth++; p.depth > maxDepth {
		return errorAt(pos, "nested more than %d deep", maxDepth)
	}
	return nil
}

// body = { attribute | block } , each ended by the end of its line.
func (p *alloyParser) body(b *block) error {
	for {
		p.newlines()
		t := p.peek()
		if t.kind == tokenEnd || t.is("}") {
			return nil
		}
		if err := p.statement(b); err != nil {
			return err
		}
		switch t := p.peek(); {
		case t.kind == tokenNewline, t.kind == tokenEnd, t.is("}"):
		default:
			return errorAt(t.pos, "unexpected %v: a new line must begin here", t)
		}
	}
}

// statement = name "=" expression | name { "." name } [ string ] "{" body "}" .
func (p *alloyParser) statement(b *block) error {
	first := p.next()
	if first.kind != tokenName {
		return errorAt(first.pos, "unexpected %v: expected a setting (name = value) or a block (name { … })", first)
	}
	if p.peek().is("=") {
		p.next()
		if b.attribute(first.text) != nil {
			return errorAt(first.pos, "%s is set twice", first.text)
		}
		v, err := p.expression(0)
		if err != nil {
			return err
		}
		b.attributes = append(b.attributes, attribute{first.text, first.pos, v})
		return nil
	}
	inner := &block{pos: first.pos}
	words := []string{first.text}
	for p.peek().is(".") {
		p.next()
		t := p.next()
		if t.kind != tokenName {
			return errorAt(t.pos, "expected a name after the dot, not %v", t)
		}
		words = append(words, t.text)
	}
	inner.name = strings.Join(words, ".")
	if p.peek().kind == tokenString {
		inner.label = p.next().text
	}
	if t := p.peek(); !t.is("{") {
		return errorAt(t.pos, "expected = or { after %s, not %v", inner.name, t)
	}
	p.next()
	b.blocks = append(b.blocks, inner)
	if err := p.deeper(inner.pos); err != nil {
		return err
	}
	if err := p.body(inner); err != nil {
		return err
	}
	p.depth--
	if t := p.next(); !t.is("}") {
		return errorAt(t.pos, "the block %s of line %d is not closed: } is missing", inner.name, inner.pos.Line)
	}
	return nil
}

// precedence of the binary operators.
var precedence = map[string]int{
	"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}

// expression = unary { operator unary } , operators above the level least.
func (p *alloyParser) expression(least int) (*expression, error) {
	left, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		level := precedence[t.text]
		if t.kind != tokenMark || level == 0 || level <= least {
			return left, nil
		}
		p.next()
		p.newlines()
		right, err := p.expression(level)
		if err != nil {
			return nil, err
		}
		left = &expression{pos: t.pos, kind: exprBinary, text: t.text, args: []*expression{left, right}}
	}
}

// unary = [ "!" | "-" ] primary { "." name | "[" expression "]" | "(" arguments ")" } .
func (p *alloyParser) unary() (*expression, error) {
	t := p.peek()
	if err := p.deeper(t.pos); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if t.is("!") || t.is("-") {
		p.next()
		v, err := p.unary()
		if err != nil {
			return nil, err
		}
		return &expression{pos: t.pos, kind: exprUnary, text: t.text, args: []*expression{v}}, nil
	}
	e, err := p.primary()
	for err == nil {
		t := p.peek()
		switch {
		case t.is("."):
			p.next()
			member := p.next()
			if member.kind != tokenName {
				return nil, errorAt(member.pos, "expected a name after the dot, not %v", member)
			}
			e = &expression{pos: e.pos, kind: exprAccess, text: member.text, args: []*expression{e}}
		case t.is("["):
			p.next()
			var items []*expression
			if items, err = p.items("]"); err == nil && len(items) != 1 {
				err = errorAt(t.pos, "an index is one value")
			}
			e = &expression{pos: e.pos, kind: exprIndex, args: append([]*expression{e}, items...)}
		case t.is("("):
			p.next()
			var items []*expression
			items, err = p.items(")")
			e = &expression{pos: e.pos, kind: exprCall, args: append([]*expression{e}, items...)}
		default:
			return e, nil
		}
	}
	return nil, err
}

// primary = string | number | name | "[" items "]" | "{" fields "}" | "(" expression ")" .
func (p *alloyParser) primary() (*expression, error) {
	t := p.next()
	e := &expression{pos: t.pos, text: t.text}
	var err error
	switch {
	case t.kind == tokenString:
		e.kind = exprString
	case t.kind == tokenNumber:
		e.kind = exprNumber
	case t.kind == tokenName:
		e.kind = exprName
	case t.is("["):
		e.kind = exprArray
		e.args, err = p.items("]")
	case t.is("{"):
		e.kind = exprObject
		e.args, err = p.fields()
	case t.is("("):
		p.newlines()
		if e, err = p.expression(0); err == nil {
			p.newlines()
			err = p.expect(")")
		}
	default:
		err = errorAt(t.pos, "expected a value, not %v", t)
	}
	return e, err
}

// items = { expression "," } up to the closing mark.
func (p *alloyParser) items(closing string) ([]*expression, error) {
	var out []*expression
	for {
		p.newlines()
		if p.peek().is(closing) {
			p.next()
			return out, nil
		}
		e, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
		p.newlines()
		if t := p.next(); t.is(closing) {
			return out, nil
		} else if !t.is(",") {
			return nil, errorAt(t.pos, "expected a comma or %q, not %v", closing, t)
		}
	}
}

// fields = { ( name | string ) "=" expression "," } "}" .
func (p *alloyParser) fields() ([]*expression, error) {
	var out []*expression
	for {
		p.newlines()
		key := p.next()
		if key.is("}") {
			return out, nil
		}
		if key.kind != tokenName && key.kind != tokenString {
			return nil, errorAt(key.pos, "expected a key or }, not %v", key)
		}
		if err := p.expect("="); err != nil {
			return nil, err
		}
		v, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		out = append(out, &expression{pos: key.pos, kind: exprString, text: key.text}, v)
		p.newlines()
		if t := p.next(); t.is("}") {
			return out, nil
		} else if !t.is(",") {
			return nil, errorAt(t.pos, "expected a comma or }, not %v", t)
		}
	}
}
