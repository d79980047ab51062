package stage

import (
	"crypto/md5"
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/logs"
)

// rule is one rule of Prometheus's relabelling.
type rule struct {
	sources     []string
	separator   string
	re          *regexp.Regexp
	target      string
	replacement string
	modulus     uint64
	action      string
	reason      string
}

// rules are applied one after the other.
type rules []*rule

var relabelKind = kind{
	doc: StageDoc{
		Name:    "relabel",
		Summary: "Changes stream labels, keeps and drops lines by rules in Prometheus's form: one, or a list of them.",
		Keys: []Key{
			{"source_labels", "list", "", "what to read: stream labels, extracted fields, metadata; joined by the separator"},
			{"separator", "text", ";", "stands between the values"},
			{"regex", "regular expression", "(.*)", "must match the whole joined value (RE2)"},
			{"target_label", "text", "", "the stream label to set; a name that begins with __ is a field for later stages, which is not sent"},
			{"replacement", "text", "$1", "the new value, with the groups of the expression; an empty one removes the label"},
			{"modulus", "number", "", "for hashmod: how many shards"},
			{"action", "text", "replace", "replace, keep, drop, labelmap, labeldrop, labelkeep, hashmod, lowercase, uppercase"},
			reasonKey("relabel"),
		},
		Example: Example{
			YAML: "- relabel:\n    - {source_labels: [component], regex: 'ray(.*)', target_label: short}\n    - {source_labels: [short], regex: none, action: drop}\n    - {regex: component, action: labeldrop}\n",
			In:   []string{"a line"},
			Out:  []string{"a line\tlabels {job=\"ray/logs\", short=\"let\"}"},
		},
	},
	list: true,
	compile: func(s *settings) step {
		if s.body == nil || s.body.Kind != yaml.SequenceNode {
			return rules{s.rule()}
		}
		var all rules
		for _, n := range s.body.Content {
			one := &settings{compiler: s.compiler, at: n, name: s.name, depth: s.depth, body: s.read(n)}
			one.open(relabelKeys())
			all = append(all, one.rule())
		}
		return all
	},
}

func relabelKeys() []Key { return kinds["relabel"].doc.Keys }

func (s *settings) rule() *rule {
	r := &rule{
		sources: s.texts("source_labels"), separator: s.text("separator", ";"), target: s.text("target_label", ""),
		replacement: s.text("replacement", "$1"), reason: s.reason(),
		action: s.word("action", "replace", "replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep", "hashmod", "lowercase", "uppercase"),
	}
	r.re = s.whole(s.at, s.text("regex", "(.*)"))
	switch r.action {
	case "replace", "hashmod", "lowercase", "uppercase":
		s.need("target_label")
		if !logs.ValidName(r.target) {
			s.wrong("target_label", "does not match [a-zA-Z_][a-zA-Z0-9_]*")
		}
	case "keep", "drop":
		s.need("source_labels")
	case "labeldrop", "labelkeep":
		s.need("regex")
	}
	if r.action == "hashmod" {
		s.need("modulus")
		r.modulus = uint64(s.number("modulus", 1, 1))
	}
	return r
}

func (rs rules) run(r *Run, e *Entry) string {
	for _, one := range rs {
		if drop := one.run(r, e); drop != "" {
			return drop
		}
	}
	return ""
}

func (u *rule) run(r *Run, e *Entry) string {
	switch u.action {
	case "labelmap":
		u.mapNames(r, e)
		return ""
	case "labeldrop", "labelkeep":
		var kept logs.Labels
		for _, l := range e.Labels {
			if u.re.MatchString(l.Name) == (u.action == "labelkeep") {
				kept = append(kept, l)
			}
		}
		e.Labels = kept
		return ""
	}
	v := u.joined(r, e)
	m := u.re.FindStringSubmatchIndex(v)
	switch u.action {
	case "keep":
		if m == nil {
			return u.reason
		}
	case "drop":
		if m != nil {
			return u.reason
		}
	case "hashmod":
		sum := md5.Sum([]byte(v))
		u.set(r, e, strconv.FormatUint(binary.BigEndian.Uint64(sum[8:])%u.modulus, 10))
	case "lowercase":
		u.set(r, e, strings.ToLower(v))
	case "uppercase":
		u.set(r, e, strings.ToUpper(v))
	default:
		if m != nil {
			u.set(r, e, string(u.re.ExpandString(nil, u.replacement, v, m)))
		}
	}
	return ""
}

func (u *rule) joined(r *Run, e *Entry) string {
	if len(u.sources) == 1 {
		v, _ := r.label(e, u.sources[0])
		return v
	}
	var b strings.Builder
	for i, name := range u.sources {
		if i > 0 {
			b.WriteString(u.separator)
		}
		v, _ := r.label(e, name)
		b.WriteString(v)
	}
	return b.String()
}

// label is get where a stream label comes first.
func (r *Run) label(e *Entry, name string) (string, bool) {
	if v, ok := e.Labels.Lookup(name); ok {
		return v, true
	}
	return r.get(e, name)
}

func (u *rule) set(r *Run, e *Entry, value string) {
	if strings.HasPrefix(u.target, "__") {
		r.set(u.target, value)
		return
	}
	e.Labels = withLabel(e.Labels, u.target, value)
}

// mapNames gives labels and fields whose names match other names, as stream labels.
func (u *rule) mapNames(r *Run, e *Entry) {
	was := e.Labels
	add := func(name, value string) {
		m := u.re.FindStringSubmatchIndex(name)
		if m == nil {
			return
		}
		if to := string(u.re.ExpandString(nil, u.replacement, name, m)); logs.ValidName(to) && value != "" {
			e.Labels = withLabel(e.Labels, to, value)
		}
	}
	for _, f := range r.fields {
		if u.re.String() != anyName { // all fields as labels is never meant
			add(f.name, f.value)
		}
	}
	for _, l := range was {
		add(l.Name, l.Value)
	}
}

const anyName = "^(?s:(.*))$"
