package convert

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A value is a string (in our own syntax: ${NAME} is the environment's), a
// float64, a bool, nil, a []any, an *object, or a reference.
type object struct {
	keys   []string
	values map[string]any
}

func (o *object) set(key string, v any) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
}

func newObject() *object { return &object{values: map[string]any{}} }

// reference is what another component exports: "loki.write.main.receiver".
type reference string

// cut takes the export's name off: the component, and whether that was it.
func (r reference) cut(export string) (string, bool) {
	return strings.CutSuffix(string(r), "."+export)
}

// literal writes s so that a ${ in it is not taken for a variable.
func literal(s string) string { return strings.ReplaceAll(s, "${", "$${") }

// evaluator works out values that the file alone decides.
type evaluator struct {
	// resolve gives the value of an export, where it is known; nil knows none.
	resolve func(reference) (any, error)
	cost    int
}

// maxCost bounds the work for one file.
const maxCost = 100_000

func (v *evaluator) value(e *expression) (any, error) {
	if v.cost++; v.cost > maxCost {
		return nil, errorAt(e.pos, "this is too much to work out")
	}
	switch e.kind {
	case exprString:
		return literal(e.text), nil
	case exprNumber:
		f, err := strconv.ParseFloat(e.text, 64)
		if err != nil {
			return nil, errorAt(e.pos, "%q is not a number", e.text)
		}
		return f, nil
	case exprName, exprAccess:
		return v.name(e)
	case exprIndex:
		return nil, errorAt(e.pos, "an index cannot be worked out before the agent runs")
	case exprCall:
		return v.call(e)
	case exprArray:
		return v.values(e.args)
	case exprObject:
		o := newObject()
		for i := 0; i+1 < len(e.args); i += 2 {
			x, err := v.value(e.args[i+1])
			if err != nil {
				return nil, err
			}
			o.set(e.args[i].text, x)
		}
		return o, nil
	case exprUnary:
		return v.unary(e)
	}
	return v.binary(e)
}

func (v *evaluator) values(args []*expression) ([]any, error) {
	out := []any{}
	for _, a := range args {
		x, err := v.value(a)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// dotted writes a chain of names as one, "" where it is something else.
func dotted(e *expression) string {
	switch e.kind {
	case exprName:
		return e.text
	case exprAccess:
		if base := dotted(e.args[0]); base != "" {
			return base + "." + e.text
		}
	}
	return ""
}

func (v *evaluator) name(e *expression) (any, error) {
	name := dotted(e)
	switch name {
	case "true", "false":
		return name == "true", nil
	case "null":
		return nil, nil
	case "":
		return nil, errorAt(e.pos, "this cannot be worked out before the agent runs")
	case "constants.hostname":
		return "${HOSTNAME}", nil
	}
	if e.kind == exprName || v.resolve == nil {
		return nil, errorAt(e.pos, "%s is not known before the agent runs", name)
	}
	x, err := v.resolve(reference(name))
	if err != nil {
		return nil, errorAt(e.pos, "%v", err)
	}
	return x, nil
}

func (v *evaluator) call(e *expression) (any, error) {
	name := dotted(e.args[0])
	args, err := v.values(e.args[1:])
	if err != nil {
		return nil, err
	}
	switch name {
	case "env", "sys.env":
		if len(args) == 1 {
			if s, ok := args[0].(string); ok && isVariable(s) {
				return "${" + s + "}", nil
			}
		}
		return nil, errorAt(e.pos, "%s wants the name of one variable", name)
	case "nonsensitive", "convert.nonsensitive":
		if len(args) == 1 {
			return args[0], nil
		}
	case "coalesce":
		return coalesce(args), nil
	case "concat", "array.concat":
		return concat(e.pos, args)
	case "string.trim_space", "trim_space":
		if len(args) == 1 {
			return args[0], nil // of a secret's file or variable: the agent trims both
		}
	case "string.join", "join":
		return join(e.pos, args)
	}
	return nil, errorAt(e.pos, "the function %s cannot be worked out before the agent runs", name)
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func isVariable(s string) bool { return variableName.MatchString(s) }

// coalesce gives the first variable with the next text as its default.
func coalesce(args []any) any {
	for i, a := range args {
		s, ok := a.(string)
		if !ok || s == "" {
			continue
		}
		if name, ok := strings.CutSuffix(s, "}"); ok && strings.HasPrefix(name, "${") && i+1 < len(args) {
			if d, ok := coalesce(args[i+1:]).(string); ok && !strings.ContainsAny(d, "{}") {
				return name + ":-" + d + "}"
			}
		}
		return a
	}
	return nil
}

func concat(pos Pos, args []any) (any, error) {
	out := []any{}
	for _, a := range args {
		items, ok := a.([]any)
		if !ok {
			return nil, errorAt(pos, "concat wants lists")
		}
		if out = append(out, items...); len(out) > maxCost {
			return nil, errorAt(pos, "this list is too long")
		}
	}
	return out, nil
}

func join(pos Pos, args []any) (any, error) {
	if len(args) == 2 {
		items, ok := args[0].([]any)
		by, isText := args[1].(string)
		if ok && isText {
			var words []string
			for _, it := range items {
				words = append(words, fmt.Sprint(it))
			}
			return bounded(pos, strings.Join(words, by))
		}
	}
	return nil, errorAt(pos, "join wants a list and a text")
}

func bounded(pos Pos, s string) (any, error) {
	if len(s) > maxValue {
		return nil, errorAt(pos, "this text is longer than %d bytes", maxValue)
	}
	return s, nil
}

func (v *evaluator) unary(e *expression) (any, error) {
	x, err := v.value(e.args[0])
	if err != nil {
		return nil, err
	}
	switch x := x.(type) {
	case bool:
		if e.text == "!" {
			return !x, nil
		}
	case float64:
		if e.text == "-" {
			return -x, nil
		}
	}
	return nil, errorAt(e.pos, "%s does not fit what follows it", e.text)
}

func (v *evaluator) binary(e *expression) (any, error) {
	args, err := v.values(e.args)
	if err != nil {
		return nil, err
	}
	switch l := args[0].(type) {
	case string:
		if r, ok := args[1].(string); ok && e.text == "+" {
			return bounded(e.pos, l+r)
		}
	case float64:
		if r, ok := args[1].(float64); ok {
			switch e.text {
			case "+":
				return l + r, nil
			case "-":
				return l - r, nil
			case "*":
				return l * r, nil
			case "/":
				if r != 0 {
					return l / r, nil
				}
			}
		}
	}
	return nil, errorAt(e.pos, "%s cannot be worked out before the agent runs", e.text)
}
