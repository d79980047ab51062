package syntax

import (
	"fmt"
	"strconv"
)

// JSONStep is one step into a value: a member by its name or an element by its
// index.
type JSONStep struct {
	Key   string
	Index int
	IsKey bool
}

// ParseJSONPath reads the expression of a json stage: a.b[0]["c d"].
//
//	path = ( name | index ) { "." name | index } .
//	index = "[" ( NUMBER | STRING ) "]" .
func ParseJSONPath(s string) ([]JSONStep, error) {
	bad := func(at int) error {
		return fmt.Errorf("cannot parse expression [%s]: syntax error at character %d", s, at+1)
	}
	var steps []JSONStep
	for i := 0; i < len(s); {
		switch {
		case s[i] == '[':
			step, n, ok := jsonIndex(s[i:])
			if !ok {
				return nil, bad(i)
			}
			steps = append(steps, step)
			i += n
		case s[i] == '.' && len(steps) == 0:
			return nil, bad(i)
		default:
			start := i
			if s[i] == '.' {
				start++
			} else if len(steps) > 0 {
				return nil, bad(i)
			}
			for i = start; i < len(s) && s[i] != '.' && s[i] != '['; i++ {
			}
			if !jsonName(s[start:i]) {
				return nil, bad(start)
			}
			steps = append(steps, JSONStep{Key: s[start:i], IsKey: true})
		}
	}
	if len(steps) == 0 {
		return nil, bad(0)
	}
	return steps, nil
}

// jsonName reports whether s is a member's name that needs no quotes.
func jsonName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '_' && c != '-' && c < 0x80 && !asciiLetter(c) && !digit(c) {
			return false
		}
	}
	return s != ""
}

func jsonIndex(s string) (step JSONStep, n int, ok bool) {
	if len(s) > 1 && s[1] == '"' {
		quoted, err := strconv.QuotedPrefix(s[1:])
		if err != nil {
			return step, 0, false
		}
		key, err := strconv.Unquote(quoted)
		n = 1 + len(quoted)
		if err != nil || n >= len(s) || s[n] != ']' {
			return step, 0, false
		}
		return JSONStep{Key: key, IsKey: true}, n + 1, true
	}
	for n = 1; n < len(s) && digit(s[n]); n++ {
	}
	index, err := strconv.Atoi(s[1:n])
	if err != nil || n >= len(s) || s[n] != ']' {
		return step, 0, false
	}
	return JSONStep{Index: index}, n + 1, true
}

// ParseLogfmtKey reads the expression of a logfmt stage: the name of a field.
func ParseLogfmtKey(s string) (string, error) {
	key := s
	if len(s) > 1 && s[0] == '"' {
		if u, err := strconv.Unquote(s); err == nil {
			key = u
		}
	}
	for i := 0; i < len(key); i++ {
		if c := key[i]; c <= ' ' || c == '=' || c == '"' {
			return "", fmt.Errorf("cannot parse expression [%s]: not the name of a field", s)
		}
	}
	if key == "" {
		return "", fmt.Errorf("cannot parse expression [%s]: not the name of a field", s)
	}
	return key, nil
}
