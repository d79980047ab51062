package stage

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/remora-ray/remora/internal/logs"
)

// parseSelector reads the part of LogQL that tells which lines are meant:
//
//	[ "{" [ name op string { "," name op string } ] "}" ] { filter string }
//
// op is = != =~ !~, filter is |= != |~ !~, a string is quoted by " or `.
func parseSelector(text string) ([]logs.Matcher, []lineFilter, error) {
	p := &selectorText{rest: strings.TrimSpace(text)}
	var matchers []logs.Matcher
	var filters []lineFilter
	if p.rest == "" {
		return nil, nil, fmt.Errorf("it is empty")
	}
	if p.skip("{") {
		for first := true; !p.skip("}"); first = false {
			if !first && !p.skip(",") {
				return nil, nil, fmt.Errorf("a comma or } is missing before %s", quote(p.rest))
			}
			if p.skip("}") { // after a last comma
				break
			}
			m, err := p.matcher()
			if err != nil {
				return nil, nil, err
			}
			matchers = append(matchers, m)
		}
	}
	for p.rest != "" {
		f, err := p.filter()
		if err != nil {
			return nil, nil, err
		}
		filters = append(filters, f)
	}
	return matchers, filters, nil
}

type selectorText struct{ rest string }

// skip takes word if it comes next, and the blanks behind it.
func (p *selectorText) skip(word string) bool {
	rest, ok := strings.CutPrefix(p.rest, word)
	if ok {
		p.rest = strings.TrimLeft(rest, " \t\r\n")
	}
	return ok
}

func (p *selectorText) matcher() (logs.Matcher, error) {
	end := strings.IndexAny(p.rest, "=!")
	if end < 0 {
		return logs.Matcher{}, fmt.Errorf("%s has no =, !=, =~ or !~", quote(p.rest))
	}
	name := strings.TrimSpace(p.rest[:end])
	if !logs.ValidName(name) {
		return logs.Matcher{}, fmt.Errorf("label name %s does not match [a-zA-Z_][a-zA-Z0-9_]*", quote(name))
	}
	p.rest = p.rest[end:]
	var op logs.MatchOp
	switch {
	case p.skip("=~"):
		op = logs.Regexp
	case p.skip("!~"):
		op = logs.NotRegexp
	case p.skip("!="):
		op = logs.NotEqual
	case p.skip("="):
		op = logs.Equal
	default:
		return logs.Matcher{}, fmt.Errorf("%s is no =, !=, =~ or !~", quote(p.rest))
	}
	value, err := p.quoted()
	if err != nil {
		return logs.Matcher{}, err
	}
	return logs.NewMatcher(name, op, value)
}

func (p *selectorText) filter() (lineFilter, error) {
	var f lineFilter
	regex := false
	switch {
	case p.skip("|="):
	case p.skip("|~"):
		regex = true
	case p.skip("!="):
		f.not = true
	case p.skip("!~"):
		f.not, regex = true, true
	default:
		return f, fmt.Errorf("%s is no line filter |=, !=, |~ or !~", quote(p.rest))
	}
	text, err := p.quoted()
	if err != nil {
		return f, err
	}
	if !regex {
		f.text = []byte(text)
		return f, nil
	}
	if f.re, err = regexp.Compile(text); err != nil {
		return f, fmt.Errorf("line filter %s: %w", quote(text), err)
	}
	return f, nil
}

func (p *selectorText) quoted() (string, error) {
	q, err := strconv.QuotedPrefix(p.rest)
	if err != nil || q[0] == '\'' {
		return "", fmt.Errorf("%s does not begin with a string in \" or `", quote(p.rest))
	}
	p.skip(q)
	return strconv.Unquote(q)
}
