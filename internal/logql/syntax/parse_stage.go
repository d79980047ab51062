package syntax

// atStage reports whether a stage begins at the present token.
func (p *parser) atStage() bool {
	t := p.cur()
	if t.is("|") {
		return !p.peek().isWord("unwrap")
	}
	return p.atLineFilter()
}

func (p *parser) atLineFilter() bool {
	t := p.cur()
	if t.kind != tOp {
		return false
	}
	switch t.text {
	case "|=", "|~", "|>", "!=", "!~", "!>":
		return true
	}
	return false
}

// stages reads stages to the end of the pipeline.
func (p *parser) stages(list []Stage) []Stage {
	for p.atStage() {
		list = append(list, p.stage())
	}
	return list
}

// atStageWord reports whether the word here begins a stage. A comparison that
// is no line filter makes it the name of a label: | json = "x".
func (p *parser) atStageWord() bool {
	t := p.cur()
	if t.kind != tWord || !stageWords[t.str] {
		return false
	}
	n := p.peek()
	if n.kind != tOp {
		return true
	}
	switch n.text {
	case "=", "==", "=~", ">", ">=", "<", "<=":
		return false
	}
	return true
}

// stage reads one step of a pipeline.
//
//	stage = lineFilter | "|" ( json | logfmt | "regexp" STRING | "pattern" STRING | "unpack" | lineFormat
//	      | labelFormat | "decolorize" | drop | keep | labelFilter ) .
func (p *parser) stage() Stage {
	if p.atLineFilter() {
		return p.lineFilter()
	}
	at := p.expect("|").pos
	if !p.atStageWord() {
		return p.labelFilterStage(at)
	}
	t := p.take()
	switch t.str {
	case "json":
		return &JSONStage{At: t.pos, Exprs: p.extractions()}
	case "logfmt":
		return p.logfmt(t.pos)
	case "regexp":
		s := &RegexpStage{At: t.pos, Pattern: p.expectString().str}
		checkRegexp(s)
		return s
	case "pattern":
		s := &PatternStage{At: t.pos, Pattern: p.expectString().str}
		checkPattern(s)
		return s
	case "unpack":
		return &UnpackStage{At: t.pos}
	case "line_format":
		return &LineFormatStage{At: t.pos, Template: p.expectString().str}
	case "label_format":
		return p.labelFormat(t.pos)
	case "decolorize":
		return &DecolorizeStage{At: t.pos}
	case "drop":
		return &DropStage{At: t.pos, Labels: p.labelRefs()}
	case "keep":
		return &KeepStage{At: t.pos, Labels: p.labelRefs()}
	}
	fail(t.pos, "syntax error: unexpected %s", t.name())
	return nil
}

// lineFilter = ( "|=" | "!=" | "|~" | "!~" | "|>" | "!>" ) lineTerm { "or" lineTerm } .
func (p *parser) lineFilter() Stage {
	t := p.take()
	f := &LineFilter{At: t.pos, Op: LineOp(t.text), Terms: []LineTerm{p.lineTerm()}}
	for p.acceptWord("or") {
		f.Terms = append(f.Terms, p.lineTerm())
	}
	return f
}

// lineTerm = STRING | "ip" "(" STRING ")" .
func (p *parser) lineTerm() LineTerm {
	at := p.cur().pos
	if p.atWord("ip") && p.cur().call {
		return LineTerm{At: at, IP: true, Value: p.ip()}
	}
	if p.cur().kind != tString {
		p.unexpected("STRING", "ip")
	}
	return LineTerm{At: at, Value: p.take().str}
}

func (p *parser) ip() string {
	p.take()
	p.expect("(")
	s := p.expectString().str
	p.expect(")")
	return s
}

// extractions = [ extraction { "," extraction } ] .
// extraction  = name [ "=" STRING ] .
func (p *parser) extractions() []Extraction {
	var list []Extraction
	for p.cur().kind == tWord {
		list = append(list, p.extraction())
		if !p.accept(",") {
			break
		}
		if p.cur().kind != tWord {
			p.unexpected("IDENTIFIER")
		}
	}
	return list
}

func (p *parser) extraction() Extraction {
	name := p.expectName()
	x := Extraction{At: name.pos, Name: name.text, Expr: name.text}
	if p.accept("=") {
		x.Expr = p.expectString().str
	}
	return x
}

// logfmt = "logfmt" { "--strict" | "--keep-empty" } extractions .
func (p *parser) logfmt(at Pos) Stage {
	s := &LogfmtStage{At: at}
	for p.cur().kind == tFlag {
		switch p.cur().text {
		case "--strict":
			s.Strict = true
		case "--keep-empty":
			s.KeepEmpty = true
		}
		p.take()
	}
	s.Exprs = p.extractions()
	return s
}

// labelFormat = "label_format" name "=" ( name | STRING ) { "," … } .
func (p *parser) labelFormat(at Pos) Stage {
	s := &LabelFormatStage{At: at}
	for {
		name := p.expectName()
		f := LabelFormat{At: name.pos, Name: name.text}
		p.expect("=")
		switch c := p.cur(); c.kind {
		case tWord:
			f.From = p.take().text
		case tString:
			f.Template = p.take().str
		default:
			p.unexpected("IDENTIFIER", "STRING")
		}
		s.Formats = append(s.Formats, f)
		if !p.accept(",") {
			return s
		}
	}
}

// labelRefs = labelRef { "," labelRef } .
// labelRef  = name | matcher .
func (p *parser) labelRefs() []LabelRef {
	var list []LabelRef
	for {
		n := p.peek()
		if _, isMatcher := matchOps[n.text]; p.cur().kind == tWord && n.kind == tOp && isMatcher {
			m := p.matcher()
			list = append(list, LabelRef{Name: m.Name, Matcher: &m})
		} else {
			list = append(list, LabelRef{Name: p.expectName().text})
		}
		if !p.accept(",") {
			return list
		}
	}
}
