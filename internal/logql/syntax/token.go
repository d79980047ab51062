package syntax

import (
	"strings"
	"time"
)

type kind uint8

const (
	tEOF kind = iota
	tWord
	tString
	tNumber
	tDuration
	tBytes
	tRange // [5m], as one token
	tFlag  // --strict
	tOp    // punctuation; the token's text says which
	tOther // what no query holds outside of strings
	tFault // a token that is wrong in itself
)

// token is one token of a query. Whether a word is a keyword depends on where
// it stands, so that is the parser's to say.
type token struct {
	kind  kind
	pos   Pos
	end   int           // offset of the byte after it
	text  string        // as written; of an operator or flag which one it is
	str   string        // tString: the value. tWord: text in lower case
	num   float64       // tNumber, tBytes
	dur   time.Duration // tDuration, tRange
	fault error         // tFault
	call  bool          // tWord: it stands before a parenthesis, or a grouping and one
}

// name is what error messages call the token, in the words of Loki's grammar.
func (t token) name() string {
	switch t.kind {
	case tEOF:
		return "$end"
	case tWord:
		return t.wordName()
	case tString:
		return "STRING"
	case tNumber:
		return "NUMBER"
	case tDuration:
		return "DURATION"
	case tBytes:
		return "BYTES"
	case tRange:
		return "RANGE"
	case tFlag:
		return "FUNCTION_FLAG"
	case tOther:
		if t.text == "." {
			return "."
		}
		return "IDENTIFIER"
	default:
		return t.text
	}
}

// isCall reports whether a word is the name of a function, where it is called.
func (t token) isCall() bool {
	return t.kind == tWord && t.call && !reserved[t.str] && t.wordName() != "IDENTIFIER"
}

func (t token) wordName() string {
	_, isRange := rangeOps[RangeOp(t.str)]
	_, isVector := vectorOps[VectorOp(t.str)]
	switch {
	case reserved[t.str], t.call && (t.str == "ip" || t.str == "label_replace"):
		return t.str
	case !t.call:
	case isRange, isVector, t.str == "vector":
		return strings.ToUpper(t.str)
	case t.str == "bytes", t.str == "duration", t.str == "duration_seconds":
		return strings.ToUpper(t.str) + "_CONV"
	}
	return "IDENTIFIER"
}

// place is where error messages say the token stands. Of tokens of several
// characters that are no word, string or number Loki knows no line.
func (t token) place() Pos {
	switch {
	case t.kind == tDuration, t.kind == tBytes, t.kind == tRange, t.kind == tFlag, t.kind == tOp && len(t.text) > 1:
		return t.pos.lineless()
	}
	return t.pos
}

// operators in order of matching: the longer first.
var operators = []string{
	"|=", "|~", "|>", "!=", "!~", "!>", "==", "=~", ">=", "<=",
	"{", "}", "(", ")", ",", "=", ">", "<", "|", "+", "-", "*", "/", "%", "^",
}

// stageWords begin a stage after a pipe.
var stageWords = wordSet("json logfmt regexp pattern unpack line_format label_format decolorize drop keep unwrap")

// reserved words are keywords of Loki's grammar wherever they stand. Here they
// are keywords only where a keyword may stand, so that labels can be called
// offset or on.
var reserved = func() map[string]bool {
	set := wordSet("by without bool offset on ignoring group_left group_right and or unless variants of")
	for w := range stageWords {
		set[w] = true
	}
	return set
}()

func wordSet(words string) map[string]bool {
	set := make(map[string]bool)
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}
