package convert

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// relabelStage carries a loki.relabel as a stage of its rules.
func (a *alloy) relabelStage(b *block) []*yaml.Node {
	rules := list()
	for _, rule := range b.blocks {
		if rule.name != "rule" {
			a.w.left(rule.pos, b.name+" "+rule.name, "it is not a rule")
			continue
		}
		body := mapping()
		for _, at := range rule.attributes {
			v, err := a.eval.value(at.value)
			if err != nil {
				a.w.left(at.pos, b.name+" "+at.name, err.(*Error).Msg)
				return nil
			}
			switch v := v.(type) {
			case string:
				put(body, at.name, text(v))
			case float64, bool:
				put(body, at.name, word(v))
			case []any:
				var names []string
				for _, it := range v {
					names = append(names, fmt.Sprint(it))
				}
				put(body, at.name, texts(names))
			}
		}
		rules.Content = append(rules.Content, body)
	}
	for _, at := range b.attributes {
		if at.name != "forward_to" {
			a.w.left(at.pos, b.name+" "+at.name, "the agent has no such setting")
		}
	}
	if len(rules.Content) == 0 {
		return nil
	}
	stage := mapping("relabel", rules)
	a.w.kept(stage, b.pos, b.id(), "")
	return []*yaml.Node{stage}
}

// relabelled works out a discovery.relabel over targets that the file itself tells.
func (a *alloy) relabelled(b *block) (any, error) {
	v, err := a.targets(b, "targets")
	if err != nil {
		return nil, err
	}
	var rules []*relabelRule
	for _, inner := range b.blocks {
		r, err := a.rule(inner)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	out := []any{}
	for _, t := range v.([]any) {
		target := newObject()
		for _, k := range t.(*object).keys {
			target.set(k, t.(*object).values[k])
		}
		keep := true
		for _, r := range rules {
			if keep, err = r.apply(target); err != nil {
				return nil, err
			} else if !keep {
				break
			}
		}
		if keep {
			out = append(out, target)
		}
	}
	return out, nil
}

// relabelRule is one rule of a discovery.relabel.
type relabelRule struct {
	pos                             Pos
	sources                         []string
	separator, target, replace, act string
	re                              *regexp.Regexp
}

func (a *alloy) rule(b *block) (*relabelRule, error) {
	r := &relabelRule{pos: b.pos, separator: ";", replace: "$1", act: "replace"}
	expr := "(.*)"
	for _, at := range b.attributes {
		v, err := a.eval.value(at.value)
		if err != nil {
			return nil, err
		}
		s, _ := v.(string)
		switch at.name {
		case "source_labels":
			items, _ := v.([]any)
			for _, it := range items {
				r.sources = append(r.sources, fmt.Sprint(it))
			}
		case "separator":
			r.separator = s
		case "target_label":
			r.target = s
		case "replacement":
			r.replace = strings.ReplaceAll(s, "$${", "${")
		case "action":
			r.act = s
		case "regex":
			expr = strings.ReplaceAll(s, "$${", "${")
		}
	}
	var err error
	if r.re, err = regexp.Compile("^(?s:" + expr + ")$"); err != nil {
		return nil, errorAt(b.pos, "the regex of this rule is no regular expression of RE2")
	}
	return r, nil
}

// apply changes the labels of a target; keep is false where it goes away.
func (r *relabelRule) apply(t *object) (keep bool, err error) {
	var values []string
	for _, name := range r.sources {
		v, _ := t.values[name].(string)
		if name == "__path__" && strings.ContainsAny(v, "*?[") || strings.Contains(v, "${") {
			return false, errorAt(r.pos, "%s is not known before the agent runs", name)
		}
		values = append(values, v)
	}
	joined := strings.Join(values, r.separator)
	switch r.act {
	case "replace":
		if m := r.re.FindStringSubmatchIndex(joined); m != nil && r.target != "" {
			t.set(r.target, string(r.re.ExpandString(nil, r.replace, joined, m)))
		}
	case "lowercase":
		t.set(r.target, strings.ToLower(joined))
	case "uppercase":
		t.set(r.target, strings.ToUpper(joined))
	case "keep":
		return r.re.MatchString(joined), nil
	case "drop":
		return !r.re.MatchString(joined), nil
	case "labeldrop", "labelkeep":
		for _, k := range t.keys {
			if !strings.HasPrefix(k, "__") && r.re.MatchString(k) == (r.act == "labeldrop") {
				t.set(k, "")
			}
		}
	case "labelmap":
		for _, k := range t.keys {
			if m := r.re.FindStringSubmatchIndex(k); m != nil {
				t.set(string(r.re.ExpandString(nil, r.replace, k, m)), t.values[k])
			}
		}
	default:
		return false, errorAt(r.pos, "the action %s is not carried", r.act)
	}
	return true, nil
}
