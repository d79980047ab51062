package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// expander replaces references in scalars:
//
//	${NAME}                  the environment; an error where it is not set
//	${NAME:-text}            text where it is not set or empty
//	${file:PATH}             what the file holds, without the last newline
//	${file:PATH#key}         the value of a line key="value", as the downward API writes
//	$${                      a plain ${
//
// ${1} and the like are left alone: they are groups of a regular expression.
type expander struct {
	env    func(string) (string, bool)
	files  []File                // read, each once
	raw    map[*yaml.Node]string // what stood there before, of each node that was changed
	found  []secret
	failed map[*yaml.Node]bool // a reference of them leads nowhere
}

// secret is a value from elsewhere and what to write in its place.
type secret struct{ value, reference string }

// maxReference is how large a file of ${file:…} may be.
const maxReference = 1 << 20

// node expands all values below n; keys are left alone.
func (x *expander) node(n *yaml.Node, report func(*yaml.Node, string)) {
	switch n.Kind {
	case yaml.DocumentNode, yaml.SequenceNode:
		for _, c := range n.Content {
			x.node(c, report)
		}
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			x.node(n.Content[i], report)
		}
	case yaml.ScalarNode:
		if !strings.Contains(n.Value, "${") {
			return
		}
		v, changed, err := x.text(n.Value)
		if err != nil {
			report(n, err.Error())
			v, changed = "", true
			x.failed[n] = true
		}
		if changed {
			x.raw[n] = n.Value
			x.set(n, v)
		}
	}
}

// set gives a node the value that the reference stood for, of the type it has then.
func (x *expander) set(n *yaml.Node, v string) {
	n.Value = v
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return
	}
	n.Tag = ""
	switch n.ShortTag() {
	case "!!int", "!!float", "!!bool":
		n.Tag = n.ShortTag()
	default:
		n.Tag = "!!str"
	}
}

// text expands one scalar.
func (x *expander) text(s string) (out string, changed bool, err error) {
	var b strings.Builder
	for {
		at := strings.Index(s, "${")
		if at < 0 {
			b.WriteString(s)
			return b.String(), changed, nil
		}
		if at > 0 && s[at-1] == '$' {
			b.WriteString(s[:at-1] + "${")
			s, changed = s[at+2:], true
			continue
		}
		b.WriteString(s[:at])
		s = s[at:]
		end := strings.IndexByte(s, '}')
		if end < 0 {
			return "", false, errors.New("a ${ without its } (write $${ for a plain ${)")
		}
		reference := s[:end+1]
		s = s[end+1:]
		if c := reference[2]; c >= '0' && c <= '9' {
			b.WriteString(reference)
			continue
		}
		v, err := x.lookup(reference[2:end])
		if err != nil {
			return "", false, err
		}
		x.found = append(x.found, secret{v, reference})
		b.WriteString(v)
		changed = true
	}
}

func (x *expander) lookup(reference string) (string, error) {
	name, otherwise, hasDefault := strings.Cut(reference, ":-")
	var v string
	var err error
	if path, ok := strings.CutPrefix(name, "file:"); ok {
		v, err = x.file(path)
	} else {
		v, err = x.variable(name)
	}
	if hasDefault && (err != nil && !errors.Is(err, errName) || v == "") {
		return otherwise, nil
	}
	return v, err
}

var errName = errors.New("not a name")

func (x *expander) variable(name string) (string, error) {
	for i, c := range []byte(name) {
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return "", fmt.Errorf("${%s}: %w of a variable (write $${ for a plain ${)", name, errName)
		}
	}
	if name == "" {
		return "", fmt.Errorf("${}: %w of a variable (write $${ for a plain ${)", errName)
	}
	v, ok := x.env(name)
	if !ok {
		return "", fmt.Errorf("%s is not set in the environment (give a default with ${%s:-…})", name, name)
	}
	return v, nil
}

func (x *expander) file(reference string) (string, error) {
	path, key, keyed := strings.Cut(reference, "#")
	if path == "" {
		return "", fmt.Errorf("${file:}: %w of a file", errName)
	}
	if !slices.ContainsFunc(x.files, func(f File) bool { return f.Path == path }) {
		x.files = append(x.files, FileAt(path))
	}
	b, err := readSmall(path, maxReference)
	if err != nil {
		return "", err
	}
	if !keyed {
		return strings.TrimSuffix(string(b), "\n"), nil
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, maxReference+1)
	for lines.Scan() {
		name, quoted, ok := strings.Cut(lines.Text(), "=")
		if !ok || name != key {
			continue
		}
		if v, err := strconv.Unquote(quoted); err == nil {
			return v, nil
		}
		return quoted, nil
	}
	return "", fmt.Errorf("file %s has no line %s=… (give a default with :-…)", path, key)
}

// readSmall reads a file that must not be larger than limit.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return b, nil
}

// mask puts references back where their values stand in a message of another
// package. Very short values are left: they say nothing, and are part of words.
func (x *expander) mask(msg string) string {
	for _, s := range x.found {
		if len(s.value) >= 4 {
			msg = strings.ReplaceAll(msg, s.value, s.reference)
		}
	}
	return msg
}
