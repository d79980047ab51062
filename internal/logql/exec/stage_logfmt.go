package exec

import (
	"strconv"
	"strings"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
)

const logfmtError = "LogfmtParserErr"

// logfmtStage makes labels of key=value pairs. Pairs that are not well formed
// are passed over, or with strict end the line with an error.
type logfmtStage struct {
	namer
	strict, keepEmpty bool
	exprs             []logfmtExpr // nil: every pair
}

type logfmtExpr struct {
	name, key string
}

func newLogfmt(st *syntax.LogfmtStage) (stage, error) {
	s := &logfmtStage{strict: st.Strict, keepEmpty: st.KeepEmpty}
	for _, x := range st.Exprs {
		key, err := syntax.ParseLogfmtKey(x.Expr)
		if err != nil {
			return nil, plan.Errorf(x.At, "%s", err)
		}
		s.exprs = append(s.exprs, logfmtExpr{x.Name, key})
	}
	return s, nil
}

func (s *logfmtStage) process(l *line) bool {
	scan := logfmtScanner{s: l.text}
	if s.exprs != nil {
		s.extract(l, scan)
		return true
	}
	for scan.next() {
		if scan.bad != "" {
			if s.strict {
				l.misreads(logfmtError, scan.bad)
				return true
			}
			continue
		}
		if scan.value == "" && !s.keepEmpty {
			continue
		}
		if name := s.simple(scan.key); name != "" {
			l.add(name, validText(scan.value))
		}
		if l.found() {
			return true
		}
	}
	return true
}

// extract makes a label of each expression, of the last of several pairs, and ""
// where the line has no such key and no such label. Keys are compared as the names
// of labels that they would be.
func (s *logfmtStage) extract(l *line, scan logfmtScanner) {
	for scan.next() {
		if scan.bad != "" && s.strict {
			l.misreads(logfmtError, scan.bad)
			break
		}
		if scan.bad != "" || scan.value == "" && !s.keepEmpty {
			continue
		}
		s.give(l, s.simple(scan.key), validText(scan.value))
	}
	for _, x := range s.exprs {
		if _, has := l.label(x.name); !has {
			l.put(x.name, "")
		}
	}
}

// give makes a label of a pair for each expression that names its key. A key that
// none names makes one where a label is called so.
func (s *logfmtStage) give(l *line, key, value string) {
	asked := false
	for _, x := range s.exprs {
		if x.key == key {
			asked = true
			l.put(x.name, value)
		}
	}
	if asked {
		return
	}
	for _, x := range s.exprs {
		if x.name == key {
			l.put(x.name, value)
			return
		}
	}
}

// logfmtScanner reads a line pair by pair.
type logfmtScanner struct {
	s          string
	i          int
	key, value string
	bad        string // what is wrong with the pair
}

// next reads the next pair, good or bad; false at the end of the line.
func (f *logfmtScanner) next() bool {
	s := f.s
	for f.i < len(s) && s[f.i] <= ' ' {
		f.i++
	}
	if f.i >= len(s) {
		return false
	}
	f.value, f.bad = "", ""
	start := f.i
	for f.i < len(s) && s[f.i] > ' ' && s[f.i] != '=' && s[f.i] != '"' {
		f.i++
	}
	f.key = s[start:f.i]
	switch {
	case f.i >= len(s) || s[f.i] <= ' ':
	case s[f.i] == '"' || f.key == "":
		f.reject("unexpected '" + s[f.i:f.i+1] + "'")
	default:
		f.i++
		f.readValue()
	}
	return true
}

func (f *logfmtScanner) readValue() {
	s := f.s
	if f.i >= len(s) || s[f.i] <= ' ' {
		return
	}
	if s[f.i] == '"' {
		f.readQuoted()
		return
	}
	start := f.i
	for f.i < len(s) && s[f.i] > ' ' {
		if s[f.i] == '=' || s[f.i] == '"' {
			f.reject("unexpected '" + s[f.i:f.i+1] + "'")
			return
		}
		f.i++
	}
	f.value = s[start:f.i]
}

func (f *logfmtScanner) readQuoted() {
	start := f.i + 1
	escaped := false
	for i := start; i < len(f.s); i++ {
		switch f.s[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			f.value = f.s[start:i]
			f.i = i + 1
			if !escaped {
				return
			}
			v, ok := logs.Unescape(f.value, true)
			if !ok {
				f.fault("invalid quoted value")
			}
			f.value = v
			return
		}
	}
	f.i = len(f.s)
	f.fault("unterminated quoted value")
}

// reject marks the pair as bad and moves on to the next blank.
func (f *logfmtScanner) reject(why string) {
	f.fault(why)
	if n := strings.IndexAny(f.s[f.i:], " \t\r\n"); n >= 0 {
		f.i += n
	} else {
		f.i = len(f.s)
	}
}

func (f *logfmtScanner) fault(what string) {
	f.bad = "logfmt syntax error at pos " + strconv.Itoa(f.i+1) + " : " + what
}
