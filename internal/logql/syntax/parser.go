package syntax

import (
	"strings"
)

// parser holds the tokens of a query and the place in them. Its methods give up
// by panicking with *Error, which Parse recovers.
type parser struct {
	toks  []token
	i     int
	depth int
	late  *Error // of the meaning: told where nothing is wrong with the grammar
}

// Parse reads a query. The error is an *Error.
//
//	query = logQuery | metric .
func Parse(query string) (Expr, error) {
	if len(query) > MaxQueryBytes {
		return nil, &Error{Msg: "input size too long (" + itoa(len(query)) + " > " + itoa(MaxQueryBytes) + ")"}
	}
	if strings.TrimSpace(query) == "" {
		return nil, mistakef("syntax error: unexpected $end")
	}
	return run(query, func(p *parser) Expr {
		e := p.expr(0)
		p.end()
		return e
	})
}

// ParseSelector reads a selector alone, as label and series requests carry it:
// {a="b"}. Unlike Parse it takes one that matches every stream.
func ParseSelector(query string) ([]Matcher, error) {
	if len(query) > MaxQueryBytes {
		return nil, &Error{Msg: "input size too long (" + itoa(len(query)) + " > " + itoa(MaxQueryBytes) + ")"}
	}
	return run(query, func(p *parser) []Matcher {
		ms := p.selector()
		p.end()
		return ms
	})
}

func run[T any](query string, parse func(*parser) T) (result T, err error) {
	toks := lex(query)
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	p := &parser{toks: toks}
	if result = parse(p); p.late != nil {
		var none T
		return none, p.late
	}
	return result, nil
}

// mistake keeps the first mistake that is not one of the grammar.
func (p *parser) mistake(err *Error) {
	if p.late == nil {
		p.late = err
	}
}

// fail gives up with the error at p.
func fail(p Pos, format string, args ...any) {
	panic(errorAt(p, format, args...))
}

func (p *parser) cur() token { return p.toks[p.i] }

func (p *parser) peek() token { return p.toks[min(p.i+1, len(p.toks)-1)] }

func (p *parser) take() token {
	t := p.toks[p.i]
	if t.kind != tEOF {
		p.i++
	}
	return t
}

// unexpected gives up at the present token. More than four expected tokens are
// not listed.
func (p *parser) unexpected(expecting ...string) {
	t := p.cur()
	doubled := p.i > 0 && p.toks[p.i-1].is("|")
	if t.is("|") && !doubled && p.peek().isWord("unwrap") && len(expecting) == 0 {
		t = p.peek() // no stage outside of ranges
	}
	failUnexpected(t, expecting...)
}

func failUnexpected(t token, expecting ...string) {
	if t.kind == tFault {
		panic(t.fault)
	}
	msg := "syntax error: unexpected " + t.name()
	if len(expecting) > 0 && len(expecting) <= 4 {
		msg += ", expecting " + strings.Join(expecting, " or ")
	}
	fail(t.place(), "%s", msg)
}

func (t token) is(op string) bool { return t.kind == tOp && t.text == op }

func (t token) isWord(w string) bool { return t.kind == tWord && t.str == w }

func (p *parser) at(op string) bool { return p.cur().is(op) }

func (p *parser) atWord(w string) bool { return p.cur().isWord(w) }

func (p *parser) accept(op string) bool {
	if p.at(op) {
		p.i++
		return true
	}
	return false
}

func (p *parser) acceptWord(w string) bool {
	if p.atWord(w) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(op string) token {
	if !p.at(op) {
		p.unexpected(op)
	}
	return p.take()
}

func (p *parser) expectString() token { return p.expectKind(tString, "STRING") }

// expectName takes any word that calls nothing: where a name must stand no word is a
// keyword.
func (p *parser) expectName() token {
	if p.cur().isCall() {
		p.unexpected("IDENTIFIER")
	}
	return p.expectKind(tWord, "IDENTIFIER")
}

func (p *parser) expectKind(k kind, name string) token {
	if p.cur().kind != k {
		p.unexpected(name)
	}
	return p.take()
}

func (p *parser) end() {
	if p.cur().kind != tEOF {
		p.unexpected()
	}
}

// enter counts a level of nesting or of a chain; leave takes it back.
func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		fail(p.cur().pos, "the query is nested more than %d levels deep", maxDepth)
	}
}

func (p *parser) leave(n int) { p.depth -= n }

// names = "(" [ name { "," name } ] ")" .
func (p *parser) names() []string {
	p.expect("(")
	var list []string
	if p.accept(")") {
		return list
	}
	if c := p.cur(); c.kind != tWord || c.isCall() {
		p.unexpected("IDENTIFIER", ")")
	}
	for {
		list = append(list, p.expectName().text)
		switch {
		case p.accept(")"):
			return list
		case !p.accept(","):
			p.unexpected(",", ")")
		}
	}
}
