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
)

// token is one token of a query. Whether a word is a keyword depends on where
// it stands, so that is the parser's to say.
type token struct {
	kind kind
	pos  Pos
	end  int           // offset of the byte after it
	text string        // as written; of an operator or flag which one it is
	str  string        // tString: the value. tWord: text in lower case
	num  float64       // tNumber, tBytes
	dur  time.Duration // tDuration, tRange
}

// name is what error messages call the token, in the words of Loki's grammar.
func (t token) name() string {
	switch t.kind {
	case tEOF:
		return "$end"
	case tWord:
		if reserved[t.str] {
			return t.str
		}
		return "IDENTIFIER"
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
	default:
		return t.text
	}
}

// operators in order of matching: the longer first.
var operators = []string{
	"|=", "|~", "|>", "!=", "!~", "!>", "==", "=~", ">=", "<=",
	"{", "}", "(", ")", ",", "=", ">", "<", "|", "+", "-", "*", "/", "%", "^",
}

// stageWords begin a stage after a pipe.
var stageWords = wordSet("json logfmt regexp pattern unpack line_format label_format decolorize drop keep unwrap")

// reserved words are keywords of Loki's grammar. Here they are keywords only
// where a keyword may stand, so that labels can be called offset or on.
var reserved = func() map[string]bool {
	set := wordSet("by without bool offset on ignoring group_left group_right and or unless ip label_replace vector bytes duration duration_seconds")
	for w := range stageWords {
		set[w] = true
	}
	for w := range rangeOps {
		set[string(w)] = true
	}
	for w := range vectorOps {
		set[string(w)] = true
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
