package syntax

import (
	"time"

	"github.com/remora-ray/remora/internal/logs"
)

// logQuery = selector { stage } .
func (p *parser) logQuery() *LogQuery {
	q := p.selection()
	q.Stages = p.stages(nil)
	return q
}

// selection reads the selector of a query, which must rule some stream out.
func (p *parser) selection() *LogQuery {
	q := &LogQuery{At: p.cur().pos}
	q.Matchers = p.selector()
	checkSelector(q)
	return q
}

// selector = "{" [ matcher { "," matcher } ] "}" .
func (p *parser) selector() []Matcher {
	p.expect("{")
	var ms []Matcher
	for !p.at("}") {
		if p.cur().kind != tWord {
			p.unexpected("IDENTIFIER", "}")
		}
		ms = append(ms, p.matcher())
		if !p.accept(",") {
			break
		}
		if p.at("}") {
			p.unexpected("IDENTIFIER")
		}
	}
	if !p.at("}") {
		p.unexpected("}", ",")
	}
	p.take()
	return ms
}

var matchOps = map[string]logs.MatchOp{"=": logs.Equal, "!=": logs.NotEqual, "=~": logs.Regexp, "!~": logs.NotRegexp}

// matcher = name ( "=" | "!=" | "=~" | "!~" ) STRING .
func (p *parser) matcher() Matcher {
	name := p.expectName()
	op, ok := matchOps[p.cur().text]
	if !ok || p.cur().kind != tOp {
		p.unexpected("=", "=~", "!=", "!~")
	}
	p.take()
	m := Matcher{At: name.pos, Name: name.text, Op: op, Value: p.expectString().str}
	checkMatcher(m)
	return m
}

// wholeRange reads the lines of a range aggregation.
//
//	wholeRange = logRange .   with its range somewhere
func (p *parser) wholeRange() *LogRange {
	r := &LogRange{}
	if !p.logRange(r) {
		p.unexpected("RANGE", "|")
	}
	return r
}

// logRange reads into r and reports whether the range was there. It may come
// before the pipeline or after it.
//
//	logRange = ( selector | "(" logRange ")" ) { stage | unwrap | RANGE [ "offset" duration ] } .
func (p *parser) logRange(r *LogRange) (ranged bool) {
	p.enter()
	defer p.leave(1)
	switch {
	case p.accept("("):
		ranged = p.logRange(r)
		p.expect(")")
	case p.at("{"):
		r.Query = p.selection()
	default:
		p.unexpected("{", "(")
	}
	for {
		switch t := p.cur(); {
		case t.kind == tRange && !ranged:
			p.take()
			ranged = true
			if t.dur <= 0 {
				fail(t.pos, "range %s must be longer than nothing", t.text)
			}
			r.Range = t.dur
			r.Offset = p.offset()
		case t.is("|") && p.peek().isWord("unwrap"):
			if r.Unwrap != nil {
				p.take()
				p.unexpected()
			}
			r.Unwrap = p.unwrap()
		case t.is("|") && r.Unwrap != nil:
			r.Unwrap.Filters = append(r.Unwrap.Filters, p.afterUnwrap())
		case p.atStage() && r.Unwrap == nil:
			r.Query.Stages = p.stages(r.Query.Stages)
		default:
			return ranged
		}
	}
}

// offset = [ "offset" [ "-" ] DURATION ] .
func (p *parser) offset() time.Duration {
	if !p.acceptWord("offset") {
		return 0
	}
	sign := time.Duration(1)
	if p.accept("-") {
		sign = -1
	}
	if c := p.cur(); c.kind == tNumber && c.num == 0 {
		p.take()
		return 0
	}
	return sign * p.expectKind(tDuration, "DURATION").dur
}

// unwrap = "|" "unwrap" ( name | ( "bytes" | "duration" | "duration_seconds" ) "(" name ")" ) .
func (p *parser) unwrap() *Unwrap {
	p.expect("|")
	u := &Unwrap{At: p.take().pos}
	name := p.expectName()
	if !p.accept("(") {
		u.Label = name.text
		return u
	}
	switch name.str {
	case "bytes", "duration", "duration_seconds":
	default:
		fail(name.pos, "syntax error: unexpected %s, expecting bytes or duration or duration_seconds", name.name())
	}
	u.Conversion = name.str
	u.Label = p.expectName().text
	p.expect(")")
	return u
}

// afterUnwrap = "|" labelFilter .
func (p *parser) afterUnwrap() *LabelFilterStage {
	at := p.take().pos
	if p.atStageWord() {
		p.unexpected()
	}
	return p.labelFilterStage(at)
}
