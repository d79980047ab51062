package convert

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// plainText takes our own escape off a value; ok is false where it holds a variable.
func plainText(v string) (s string, ok bool) {
	if strings.Contains(strings.ReplaceAll(v, "$${", ""), "${") {
		return "", false
	}
	return strings.ReplaceAll(v, "$${", "${"), true
}

// replace carries a stage that writes over the groups of an expression; ours writes
// over all that is found, so what stands between the groups becomes groups.
func (s *alloyStage) replace() string {
	expr, _ := s.value("expression").(string)
	with, _ := s.value("replace").(string)
	expr, ok1 := plainText(expr)
	with, ok2 := plainText(with)
	switch {
	case !ok1 || !ok2 || expr == "":
		s.fail("expression and replace must be known before the agent runs")
		return ""
	case strings.Contains(with, "{{"):
		s.fail("what it writes depends on what it finds")
		return ""
	case s.value("source") != nil:
		s.fail("only lines are changed, not extracted values")
		return ""
	}
	regex, template, ok := overwrite(expr, strings.ReplaceAll(with, "$", "$$"))
	if !ok {
		s.fail("its groups do not follow each other")
		return ""
	}
	put(s.body, "regex", text(literal(regex)))
	put(s.body, "with", text(literalGroups(template)))
	return "replace"
}

// literalGroups is literal for a text whose ${1} are groups.
func literalGroups(s string) string {
	return digits.ReplaceAllString(literal(s), "$${$1}")
}

var digits = regexp.MustCompile(`\$\$\{([0-9]+)\}`)

// overwrite turns an expression whose groups are written over into one whose groups
// are kept, with the text that writes the whole anew.
func overwrite(expr, with string) (regex, template string, ok bool) {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return "", "", false
	}
	if re.MaxCap() == 0 {
		return expr, with, true
	}
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	groups := 0
	for _, p := range parts {
		switch {
		case p.Op == syntax.OpCapture && p.Sub[0].MaxCap() == 0:
			regex += "(?:" + p.Sub[0].String() + ")"
			template += with
		case p.MaxCap() > 0:
			return "", "", false
		default:
			groups++
			regex += "(" + p.String() + ")"
			template += "${" + itoa(groups) + "}"
		}
	}
	return regex, template, true
}

// templateWords are functions and names of Alloy's templates, and ours.
var templateWords = strings.NewReplacer(".Entry", ".line", "ToUpper", "upper", "ToLower", "lower", "TrimSpace", "trim")

func (s *alloyStage) template() string {
	source, _ := s.value("source").(string)
	v, _ := s.value("template").(string)
	if source == "" || v == "" {
		s.fail("source and template are needed")
		return ""
	}
	put(s.body, "template", text(templateWords.Replace(strings.ReplaceAll(v, ".Value", "."+source))))
	put(s.body, "into", text(source))
	return "template"
}

// output makes a field the line, where there is one.
func (s *alloyStage) output() string {
	source, _ := s.value("source").(string)
	if labelName(source) != source {
		s.fail("the source has no plain name")
		return ""
	}
	put(s.body, "template", text("{{if ."+source+"}}{{."+source+"}}{{else}}{{.line}}{{end}}"))
	return "template"
}
