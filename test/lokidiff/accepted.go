package main

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

//go:embed accepted.txt
var acceptedText string

// rule is a difference that is accepted: its name, its reason, and what it looks
// like. Every pattern that is given must match.
type rule struct {
	name, why                                string
	path, query, params, where, loki, remora *regexp.Regexp
	instead                                  *instead
	check                                    check
	used                                     int
}

var errNoChange = errors.New("as must be /REGEXP/ becomes /REPLACEMENT/ or the name of a change")

func readAccepted() ([]*rule, error) {
	var rules []*rule
	var r *rule
	for n, line := range strings.Split(acceptedText, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if key == "name" {
			r = &rule{name: value}
			rules = append(rules, r)
			continue
		}
		if r == nil {
			return nil, fmt.Errorf("accepted.txt:%d: %s before a name", n+1, key)
		}
		if err := r.set(key, value); err != nil {
			return nil, fmt.Errorf("accepted.txt:%d: %w", n+1, err)
		}
	}
	for _, r := range rules {
		if r.why == "" || (r.where == nil) == (r.instead == nil) {
			return nil, fmt.Errorf("accepted.txt: %s needs a why and a where or an as", r.name)
		}
	}
	return rules, nil
}

func (r *rule) set(key, value string) (err error) {
	target := map[string]**regexp.Regexp{
		"path": &r.path, "query": &r.query, "params": &r.params, "where": &r.where, "loki": &r.loki, "remora": &r.remora,
	}[key]
	switch {
	case key == "why":
		r.why = value
	case key == "as":
		r.instead, err = parseInstead(value)
	case key == "if":
		if r.check = checks[value]; r.check == nil {
			return fmt.Errorf("unknown check %q", value)
		}
	case target == nil:
		return fmt.Errorf("unknown key %q", key)
	default:
		*target, err = regexp.Compile(value)
	}
	return err
}

// about reports whether the rule is for such a question.
func (r *rule) about(q *question) bool {
	return fits(r.path, q.path) && fits(r.query, q.params.Get("query")) && fits(r.params, q.params.Encode())
}

func (r *rule) accepts(q *question, d difference) bool {
	return r.instead == nil && r.check == nil && r.explains(q, d)
}

// explains reports whether the rule, where it is true, is the reason of a difference.
func (r *rule) explains(q *question, d difference) bool {
	return r.about(q) && fits(r.where, d.where) && fits(r.loki, d.loki) && fits(r.remora, d.remora)
}

func fits(re *regexp.Regexp, text string) bool { return re == nil || re.MatchString(text) }

// judge returns the names of accepted differences and those that have none.
func judge(rules []*rule, q *question, found []difference) (names []string, rest []difference) {
next:
	for _, d := range found {
		for _, r := range rules {
			if r.accepts(q, d) {
				r.used++
				names = append(names, r.name)
				continue next
			}
		}
		rest = append(rest, d)
	}
	return names, rest
}
