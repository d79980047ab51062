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
	p.mistake(selectorMistake(q.Matchers))
	return q
}

// selector = "{" [ matcher { "," matcher } ] "}" .
func (p *parser) selector() []Matcher {
	p.expect("{")
	var ms []Matcher
	for !p.at("}") {
		switch {
		case p.cur().kind == tWord:
		case len(ms) > 0:
			p.unexpected("IDENTIFIER")
		default:
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
		p.unexpected("=", "=~", "!~", "!=")
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
	switch ranged := p.logRange(r); {
	case ranged:
	case r.Unwrap != nil:
		p.unexpected("RANGE", "|")
	default:
		p.unexpected()
	}
	return r
}

// logRange reads into r and reports whether the range was there. It comes right
// behind the selector, or behind everything else.
//
//	logRange = selector range { stage | unwrap }
//	         | selector { stage | unwrap } range
//	         | "(" logRange ")"
//	         | "(" selector { stage | unwrap } ")" range
//	         | "(" selector ")" range unwrap .
//	range    = RANGE [ "offset" DURATION ] .
func (p *parser) logRange(r *LogRange) (ranged bool) {
	p.enter()
	defer p.leave(1)
	switch {
	case p.accept("("):
		if ranged = p.logRange(r); !ranged && !p.at(")") {
			p.unexpected() // stages and the range too might stand here
		}
		p.expect(")")
		switch {
		case ranged:
			return true
		case p.cur().kind != tRange:
			p.unexpected("RANGE")
		}
	case p.at("{"):
		r.Query = p.selection()
	default:
		p.unexpected("{", "(")
	}
	if p.cur().kind == tRange {
		ranged = true
		behind := len(r.Query.Stages) > 0 || r.Unwrap != nil
		closed := p.toks[p.i-1].is(")")
		r.Range, r.Offset = p.take().dur, p.offset()
		if behind || closed && !p.at("|") {
			return true
		}
		if closed && !p.peek().isWord("unwrap") {
			p.take()
			p.unexpected("unwrap")
		}
	}
	for {
		switch t := p.cur(); {
		case t.kind == tRange && !ranged:
			r.Range, r.Offset = p.take().dur, p.offset()
			return true
		case t.is("|") && p.peek().isWord("unwrap"):
			if r.Unwrap != nil {
				if !ranged {
					p.take()
					p.unexpected("IDENTIFIER", "(")
				}
				p.unexpectedAfterUnwrap(ranged)
			}
			r.Unwrap = p.unwrap()
		case t.is("|") && r.Unwrap != nil:
			r.Unwrap.Filters = append(r.Unwrap.Filters, p.afterUnwrap())
		case p.atStage() && r.Unwrap == nil:
			r.Query.Stages = p.stages(r.Query.Stages)
		case r.Unwrap != nil && !ranged && !t.is(")"):
			p.unexpectedAfterUnwrap(false)
		default:
			return ranged
		}
	}
}

// unexpectedAfterUnwrap gives up behind an unwrap, where only the range and
// label filters may stand.
func (p *parser) unexpectedAfterUnwrap(ranged bool) {
	if ranged {
		p.unexpected(")")
	}
	p.unexpected("RANGE", "|")
}

// offset = [ "offset" DURATION ] .
func (p *parser) offset() time.Duration {
	if !p.acceptWord("offset") {
		return 0
	}
	return p.expectKind(tDuration, "DURATION").dur
}

// unwrap = "|" "unwrap" ( name | ( "bytes" | "duration" | "duration_seconds" ) "(" name ")" ) .
func (p *parser) unwrap() *Unwrap {
	p.expect("|")
	u := &Unwrap{At: p.take().pos}
	name := p.cur()
	if name.kind != tWord {
		p.unexpected("IDENTIFIER", "BYTES_CONV", "DURATION_CONV", "DURATION_SECONDS_CONV")
	}
	p.take()
	switch name.str {
	case "bytes", "duration", "duration_seconds":
		if name.call {
			p.expect("(")
			u.Conversion = name.str
			u.Label = p.expectName().text
			p.expect(")")
			return u
		}
	}
	u.Label = name.text
	return u
}

// afterUnwrap = "|" labelFilter .
func (p *parser) afterUnwrap() *LabelFilterStage {
	at := p.take().pos
	if c := p.cur(); p.atStageWord() || c.kind != tWord && !c.is("(") {
		p.unexpected("IDENTIFIER", "(")
	}
	return p.labelFilterStage(at)
}
